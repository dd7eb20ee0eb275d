"""Old runs go with what they left in the datastore; what others refer to stays. The blobs are stored by Metaflow."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from metadata_testbed.api import Api
from metadata_testbed.datastores import Datastore, LocalDatastore, S3Datastore
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
    """Runs of one flow with their artifacts."""

    api: Api
    path: str
    store: Datastore

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def root(self) -> str:
        return self.store.root

    def run(self, contents: list[str], *, done: bool = True, **body: object) -> str:
        """A run with these artifacts, as Metaflow records one; gives its path."""
        run = self.api.new_run(self.path, **body)
        task = self.record(run, "end", contents)
        if done:
            self.api.post(task + "/metadata", COMPLETED)
        return run

    def record(self, run: str, step: str, contents: list[str]) -> str:
        """A task with these artifacts, its log and its card; gives the task's path."""
        task = self.api.new_task(self.api.new_step(run, step))
        body = [
            {"name": f"a{number}", "sha": key, "location": f":root:{self.root}", "ds_type": self.store.kind}
            for number, key in enumerate(self.store.save(self.name, contents))
        ]
        self.api.post(task + "/artifact", body)
        for folder in (self.name, f"mf.cards/{self.name}/runs"):
            self.store.write(f"{folder}/{run.rpartition('/')[2]}/{step}/{task.rpartition('/')[2]}/0.log", run)
        return task

    def finish(self, run: str) -> None:
        task = self.api.get(f"{run}/steps/end/tasks")[0]["task_id"]
        self.api.post(f"{run}/steps/end/tasks/{task}/metadata", COMPLETED)

    def contents(self, run: str) -> list[str]:
        """What the artifacts of a run are, loaded as Metaflow loads them."""
        keys = [artifact["sha"] for artifact in self.api.get(run + "/artifacts")]
        loaded = self.store.load(self.name, keys)
        return sorted(loaded[key] for key in keys)

    def bytes(self) -> int:
        return sum(self.store.sizes().values())

    def blobs(self) -> set[str]:
        """The hashes of the blobs that are there."""
        data = f"{self.name}/data/"
        names = {key.rpartition("/")[2] for key in self.store.sizes() if key.startswith(data)}
        return {name for name in names if not name.endswith("_meta")}


@pytest.fixture(scope="module")
def minio() -> Iterator[MinioServer]:
    server = MinioServer()
    yield server
    server.remove()


def new_datastore(
    kind: str, folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Datastore:
    """A datastore of that kind; what the command needs to reach it is in the environment."""
    if kind == "local":
        return LocalDatastore(folder)
    store = S3Datastore(request.getfixturevalue("minio"), f"some/{uuid.uuid4().hex}", folder)
    for name, value in store.environ.items():
        monkeypatch.setenv(name, value)
    return store


@pytest.fixture
def flow(api: Api, tmp_path: Path) -> Flow:
    return Flow(api, api.new_flow(), LocalDatastore(tmp_path / "store"))


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


SIZES = [(12, 4), pytest.param(200, 20, marks=pytest.mark.long)]
STORES = ["local", "s3"]


def shared_runs(flow: Flow, count: int) -> dict[str, list[str]]:
    """So many runs that share artifacts with all others, with one other and with none; gives what each holds."""
    shared = [f"shared by all {number}" for number in range(3)]
    contents = {}
    for number in range(count):
        own = [f"own {number}", f"shared by two {number // 2}"]
        contents[flow.run([*shared, *own])] = sorted([*shared, *own])
    return contents


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize(("count", "kept"), SIZES)
def test_what_remains_loads_and_the_dry_run_keeps_its_promise(
    api: Api,
    retention: Callable[..., str],
    kind: str,
    count: int,
    kept: int,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow = Flow(api, api.new_flow(), new_datastore(kind, tmp_path / "store", request, monkeypatch))
    contents = shared_runs(flow, count)
    policy: list[dict[str, object]] = [{"flows": [flow.name], "keep_last": kept}]
    options = ("--datastore", flow.root, "--quiet-hours", "0")
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
    # Of each remaining run its own blob, of each pair one, and the shared ones.
    assert len(flow.blobs()) == kept + kept // 2 + 3
    below = {key.split("/")[1] for key in flow.store.sizes() if key.startswith(f"{flow.name}/")}
    assert below == {"data", *(run.rpartition("/")[2] for run in remaining)}
    assert numbers(retention(policy, *options), "Removed")[0] == 0


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize(("count", "kept"), SIZES)
def test_while_others_write_what_remains_loads_and_no_more_is_freed_than_was_promised(
    api: Api,
    service: Service,
    retention: Callable[..., str],
    kind: str,
    count: int,
    kept: int,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Writers save again what is about to go: only their record tells that it is needed."""
    store = new_datastore(kind, tmp_path / "store", request, monkeypatch)
    flow = Flow(api, api.new_flow(), store)
    contents = shared_runs(flow, count)
    writers, each = 3, kept // 2
    # Whatever is written while runs are removed, those are removed that the promise speaks of.
    promised = retention([{"flows": [flow.name], "keep_last": kept}], "--datastore", flow.root, "--dry-run")
    policy: list[dict[str, object]] = [{"flows": [flow.name], "keep_last": kept + writers * each}]

    def write(writer: int) -> dict[str, list[str]]:
        own = Flow(Api(service.url), flow.path, store)
        written = {}
        with own.api.http:
            for number in range(each):
                again = [f"own {number * writers + writer}", "shared by all 0", f"of writer {writer} only {number}"]
                run = own.run(again[:1], done=False, system_tags=["metaflow_version:2.19.39"])
                own.record(run, "more", again[1:])
                own.finish(run)
                written[run] = sorted(again)
        return written

    said = []
    with ThreadPoolExecutor(writers) as pool:
        writing = [pool.submit(write, writer) for writer in range(writers)]
        while not all(writer.done() for writer in writing):
            said.append(retention(policy, "--datastore", flow.root))
        for writer in writing:
            contents |= writer.result()
    said.append(retention(policy, "--datastore", flow.root))
    remaining = {run: held for run, held in contents.items() if flow.api.http.get(run).status_code == 200}
    assert len(remaining) == kept + writers * each
    assert {run: flow.contents(run) for run in remaining} == remaining
    blobs, size = numbers(promised, "To be freed")[:2]
    freed = [numbers(text, "Freed") for text in said]
    assert sum(each[0] for each in freed) <= blobs and sum(each[1] for each in freed) <= size
    # What a run refers to and what is there is the same, and what was kept for the sake of new runs is listed.
    assert len(flow.blobs()) == len({content for held in remaining.values() for content in held})
    assert any(numbers(text, "Saved")[0] > 0 for text in said if "Saved" in text)


def test_while_a_run_may_write_its_flow_keeps_its_blobs(flow: Flow, retention: Callable[..., str]) -> None:
    old = flow.run(["a", "b"])
    writer = flow.run(["c"], done=False, system_tags=["metaflow_version:2.19.39"])
    policy: list[dict[str, object]] = [{"flows": [flow.name], "keep_last": 0}]
    said = retention(policy, "--datastore", flow.root)
    assert f"a run may be writing: {flow.name}" in said
    flow.api.get(old, status=404)
    # The writer now saves what is stored already, so only its record tells that it is needed.
    flow.record(writer, "more", ["a"])
    flow.finish(writer)
    said = retention([{"flows": [flow.name], "keep_last": 1}], "--datastore", flow.root)
    assert numbers(said, "Saved") == [1]
    assert flow.contents(writer) == ["a", "c"]
    assert len(flow.blobs()) == 2


def test_files_of_another_root_are_left(flow: Flow, retention: Callable[..., str], tmp_path: Path) -> None:
    flow.run(["a"])
    (tmp_path / "other").mkdir()
    before = flow.store.sizes()
    policy: list[dict[str, object]] = [{"flows": [flow.name], "keep_last": 0}]
    assert numbers(retention(policy, "--datastore", str(tmp_path / "other"), "--quiet-hours", "0"), "Freed") == [0] * 4
    assert flow.store.sizes() == before
    # Remembered, and collected when the root is named.
    assert numbers(retention([], "--datastore", flow.root, "--quiet-hours", "0"), "Freed")[0] == 1


def test_a_run_that_the_api_removed_leaves_garbage_too(flow: Flow, retention: Callable[..., str]) -> None:
    run = flow.run(["a"])
    assert flow.api.http.delete(run).status_code == 200
    assert flow.api.http.delete(flow.path).status_code == 200
    assert numbers(retention([], "--datastore", flow.root, "--quiet-hours", "0"), "Freed")[0] == 1
    assert not flow.store.sizes()


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


def test_in_s3_no_key_is_taken_for_one_that_begins_so(
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
    before = set(minio.sizes())
    policy: list[dict[str, object]] = [{"flows": [name], "keep_last": 1}]
    promised = retention(policy, "--datastore", root, "--quiet-hours", "0", "--dry-run")
    done = retention(policy, "--datastore", root, "--quiet-hours", "0")
    assert numbers(done, "Freed") == numbers(promised, "To be freed") == [1, 7, 2, 7]
    gone = runs[0].rpartition("/")[2]
    assert before - set(minio.sizes()) == {
        f"some/prefix/{name}/data/11/{'1' * 40}",
        f"some/prefix/{name}/{gone}/end/1/0.log",
        f"some/prefix/mf.cards/{name}/runs/{gone}/card.html",
    }
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert f"s3://{minio.bucket}: " in retention(policy, "--datastore", root, "--dry-run", code=1)
