"""Old runs go with what they left in the datastore; what others refer to stays. The blobs are stored by Metaflow."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from metadata_testbed.api import Api
from metadata_testbed.laptop import Laptop
from metadata_testbed.minio import MinioServer
from metadata_testbed.service import Service
from metadata_testbed.stores import Store

from metadata_service.cli import main
from metadata_service.settings import KNOWN

pytestmark = pytest.mark.server

COMPLETED = [{"field_name": "attempt_ok", "value": "True"}]


@dataclass
class Flow:
    """Runs of one flow whose artifacts lie in a folder."""

    api: Api
    path: str
    root: Path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def blobs(self) -> Any:
        with warnings.catch_warnings():
            # Of Metaflow's own, when it is first imported.
            warnings.simplefilter("ignore")
            from metaflow.datastore.content_addressed_store import ContentAddressedStore
            from metaflow.plugins.datastores.local_storage import LocalStorage
        return ContentAddressedStore(f"{self.name}/data", LocalStorage(str(self.root)))

    def run(self, contents: list[str], *, done: bool = True, **body: object) -> str:
        """A run with these artifacts, as Metaflow records one; gives its path."""
        run = self.api.new_run(self.path, **body)
        self.record(run, "end", contents)
        if done:
            self.api.post(f"{run}/steps/end/tasks/{self.task(run, 'end')}/metadata", COMPLETED)
        return run

    def record(self, run: str, step: str, contents: list[str]) -> None:
        self.api.new_task(self.api.new_step(run, step))
        saved = self.blobs.save_blobs(iter([content.encode() for content in contents]))
        body = [
            {"name": f"a{number}", "sha": each.key, "location": f":root:{self.root}", "ds_type": "local"}
            for number, each in enumerate(saved)
        ]
        task = self.task(run, step)
        self.api.post(f"{run}/steps/{step}/tasks/{task}/artifact", body)
        for folder in (self.root / self.name, self.root / "mf.cards" / self.name / "runs"):
            file = folder / run.rpartition("/")[2] / step / str(task) / "0.log"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(run)

    def task(self, run: str, step: str) -> int:
        number: int = self.api.get(f"{run}/steps/{step}/tasks")[0]["task_id"]
        return number

    def contents(self, run: str) -> list[str]:
        """What the artifacts of a run are, loaded as Metaflow loads them."""
        keys = [artifact["sha"] for artifact in self.api.get(run + "/artifacts")]
        loaded = dict(self.blobs.load_blobs(keys))
        return sorted(loaded[key].decode() for key in keys)

    def bytes(self) -> int:
        return sum(file.stat().st_size for file in self.root.rglob("*") if file.is_file())


@pytest.fixture
def flow(api: Api, tmp_path: Path) -> Flow:
    (tmp_path / "store").mkdir()
    return Flow(api, api.new_flow(), tmp_path / "store")


@pytest.fixture
def retention(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """The command, on the service's own database; gives what it printed."""
    for name in KNOWN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MF_METADATA_DB_FILE" if store.name == "sqlite" else "MF_METADATA_DB_DSN", str(store.address))

    def run(policies: list[dict[str, object]], *arguments: str, code: int = 0) -> str:
        file = tmp_path / "policies.json"
        file.write_text(json.dumps({"policies": policies}))
        assert main(["retention", str(file), *arguments]) == code
        said = capsys.readouterr()
        return said.out + said.err

    return run


def numbers(text: str, word: str) -> list[int]:
    """The numbers in the line that begins with the word."""
    (line,) = [line for line in text.splitlines() if line.startswith(word)]
    return [int(part.replace(",", "")) for part in line.split() if part.replace(",", "").isdigit()]


@pytest.mark.parametrize(("count", "kept"), [(12, 4), pytest.param(200, 20, marks=pytest.mark.long)])
def test_what_remains_loads_and_the_dry_run_keeps_its_promise(
    flow: Flow, retention: Callable[..., str], count: int, kept: int
) -> None:
    shared = [f"shared by all {number}" for number in range(3)]
    contents = {}
    for number in range(count):
        own = [f"own {number}", f"shared by two {number // 2}"]
        run = flow.run([*shared, *own])
        contents[run] = sorted([*shared, *own])
    policy: list[dict[str, object]] = [{"flows": [flow.name], "keep_last": kept}]
    options = ("--datastore", str(flow.root), "--quiet-hours", "0")
    before = flow.bytes()
    promised = retention(policy, *options, "--dry-run")
    assert flow.bytes() == before and len(flow.api.get(flow.path + "/runs")) == count
    assert numbers(promised, "To be removed") == [count - kept]

    done = retention(policy, *options)
    assert numbers(done, "Removed")[0] == count - kept
    assert numbers(done, "Freed") == numbers(promised, "To be freed")
    assert before - flow.bytes() == sum(numbers(done, "Freed")[1::2])
    assert numbers(done, "Saved") == [3]
    remaining = [run for run in contents if flow.api.http.get(run).status_code == 200]
    assert remaining == list(contents)[count - kept :]
    assert {run: flow.contents(run) for run in remaining} == {run: contents[run] for run in remaining}
    # Of each remaining run its own blob, of each pair one, and the shared ones; a blob has a file beside it.
    assert len(list((flow.root / flow.name / "data").rglob("*_meta"))) == kept + kept // 2 + 3
    assert sorted(path.name for path in (flow.root / flow.name).iterdir()) == sorted(
        ["data", *(run.rpartition("/")[2] for run in remaining)]
    )
    assert numbers(retention(policy, *options), "Removed")[0] == 0


def test_while_a_run_may_write_its_flow_keeps_its_blobs(flow: Flow, retention: Callable[..., str]) -> None:
    old = flow.run(["a", "b"])
    writer = flow.run(["c"], done=False, system_tags=["metaflow_version:2.19.39"])
    policy: list[dict[str, object]] = [{"flows": [flow.name], "keep_last": 0}]
    said = retention(policy, "--datastore", str(flow.root))
    assert f"a run may be writing: {flow.name}" in said
    flow.api.get(old, status=404)
    # The writer now saves what is stored already, so only its record tells that it is needed.
    flow.record(writer, "more", ["a"])
    flow.api.post(f"{writer}/steps/end/tasks/{flow.task(writer, 'end')}/metadata", COMPLETED)
    said = retention([{"flows": [flow.name], "keep_last": 1}], "--datastore", str(flow.root))
    assert numbers(said, "Saved") == [1]
    assert flow.contents(writer) == ["a", "c"]
    assert len(list((flow.root / flow.name / "data").rglob("*_meta"))) == 2


def test_files_of_another_root_are_left(flow: Flow, retention: Callable[..., str], tmp_path: Path) -> None:
    flow.run(["a"])
    (tmp_path / "other").mkdir()
    before = sorted(path.relative_to(flow.root) for path in flow.root.rglob("*"))
    policy: list[dict[str, object]] = [{"flows": [flow.name], "keep_last": 0}]
    assert numbers(retention(policy, "--datastore", str(tmp_path / "other"), "--quiet-hours", "0"), "Freed") == [0] * 4
    assert sorted(path.relative_to(flow.root) for path in flow.root.rglob("*")) == before
    # Remembered, and collected when the root is named.
    assert numbers(retention([], "--datastore", str(flow.root), "--quiet-hours", "0"), "Freed")[0] == 1


def test_a_run_that_the_api_removed_leaves_garbage_too(flow: Flow, retention: Callable[..., str]) -> None:
    run = flow.run(["a"])
    assert flow.api.http.delete(run).status_code == 200
    assert flow.api.http.delete(flow.path).status_code == 200
    assert numbers(retention([], "--datastore", str(flow.root), "--quiet-hours", "0"), "Freed")[0] == 1
    assert not [path for path in flow.root.rglob("*") if path.is_file()]


def test_what_cannot_be_is_told(flow: Flow, retention: Callable[..., str], tmp_path: Path) -> None:
    assert "keep_last" in retention([{"flows": ["x"]}], code=2)
    assert "there is no such folder" in retention([], "--datastore", str(tmp_path / "nowhere"), code=1)


@pytest.mark.slow
@pytest.mark.long
def test_a_resumed_run_and_its_origin_stay_together(
    service: Service, api: Api, retention: Callable[..., str], tmp_path: Path
) -> None:
    """As Metaflow records and reads them: a resumed task shares the artifacts of its origin, and reads on there."""
    laptop = Laptop(tmp_path / "laptop", METAFLOW_DEFAULT_METADATA="service", METAFLOW_SERVICE_URL=service.url)
    old = laptop.flow("resumed_flow.py", "run", MAKER="second")
    failed = laptop.flow("resumed_flow.py", "run", code=1, MAKER="first")
    resumed = laptop.flow("resumed_flow.py", "resume", "--origin-run-id", failed, MAKER="second")
    before = laptop.describe(f"ResumedFlow/{resumed}")
    root = api.get(f"/flows/ResumedFlow/runs/{resumed}/artifacts")[0]["location"].removeprefix(":root:")
    policy: list[dict[str, object]] = [{"flows": ["ResumedFlow"], "keep_last": 1}]
    said = retention(policy, "--datastore", root, "--quiet-hours", "0")
    assert numbers(said, "Removed")[0] == 1 and numbers(said, "Saved")[0] > 0
    runs = {str(run["run_number"]) for run in api.get("/flows/ResumedFlow/runs")}
    assert runs == {failed, resumed} and old not in runs
    assert laptop.describe(f"ResumedFlow/{resumed}") == before


@pytest.fixture(scope="module")
def minio() -> Iterator[MinioServer]:
    server = MinioServer()
    yield server
    server.remove()


def test_in_s3_too(
    api: Api, minio: MinioServer, retention: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in minio.environ.items():
        monkeypatch.setenv(name, value)
    flow = api.new_flow()
    name, root = flow.rpartition("/")[2], f"s3://{minio.bucket}/some/prefix"
    runs = [api.new_run(flow) for _ in range(2)]
    for run, shas in zip(runs, (["1" * 40, "2" * 40], ["2" * 40]), strict=True):
        task = api.new_task(api.new_step(run, "end"))
        body = [{"name": sha, "sha": sha, "location": f":root:{root}", "ds_type": "s3"} for sha in shas]
        api.post(task + "/artifact", body)
        api.post(task + "/metadata", COMPLETED)
        minio.put(f"some/prefix/{name}/{run.rpartition('/')[2]}/end/1/0.log", b"log")
        minio.put(f"some/prefix/mf.cards/{name}/runs/{run.rpartition('/')[2]}/card.html", b"card")
        for sha in shas:
            minio.put(f"some/prefix/{name}/data/{sha[:2]}/{sha}", b"content")
    minio.put(f"some/prefix/{name}/{runs[0].rpartition('/')[2]}0/end/1/0.log", b"of a run whose number begins so")
    before = minio.keys()
    policy: list[dict[str, object]] = [{"flows": [name], "keep_last": 1}]
    promised = retention(policy, "--datastore", root, "--quiet-hours", "0", "--dry-run")
    done = retention(policy, "--datastore", root, "--quiet-hours", "0")
    assert numbers(done, "Freed") == numbers(promised, "To be freed") == [1, 7, 2, 7]
    gone = runs[0].rpartition("/")[2]
    assert before - minio.keys() == {
        f"some/prefix/{name}/data/11/{'1' * 40}",
        f"some/prefix/{name}/{gone}/end/1/0.log",
        f"some/prefix/mf.cards/{name}/runs/{gone}/card.html",
    }
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert f"s3://{minio.bucket}: " in retention(policy, "--datastore", root, "--dry-run", code=1)
