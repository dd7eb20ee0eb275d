"""The benches without a cluster: what they start, what they read, and their arithmetic."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import bare, compiling, runs, scenes, table
from bench.__main__ import main
from bench.runs import Measured, RunFailed, watch
from bench.table import Row
from cluster.kubectl import Kubectl
from laptop.recorder import Recorder
from laptop.shell import Finished, Laptop

NODES = {
    "1": {"type": "Pod", "phase": "Succeeded"},
    "2": {"type": "Pod", "phase": "Failed"},
    "3": {"type": "Retry", "phase": "Succeeded"},
    "4": {"type": "DAG", "phase": "Succeeded"},
}
TIMES = {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:01:30Z"}


def workflow(phase: str, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "w", "managedFields": ["x" * 1000]}, "status": {"phase": phase, **TIMES, **status}}


def packed(nodes: dict[str, Any]) -> str:
    return base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()


KUBECTL = Kubectl(Path("kubectl"), Path("config"), "context", Path("log"))
Found = list[dict[str, Any]]
Watched = Callable[..., Measured]


@pytest.fixture
def watched(recorder: Recorder, tmp_path: Path) -> Watched:
    """Watches a run by a kubectl that finds these objects, call by call; the last for ever."""
    recorder.stand_in_for("kubectl")
    kubectl = Kubectl(recorder.folder / "bin" / "kubectl", tmp_path / "config", "context", tmp_path / "log")

    def watch_run(*found: Found, within: float = 60) -> Measured:
        for number, items in enumerate(reversed(found)):
            recorder.answer("kubectl", text=json.dumps({"kind": "List", "items": items}), once=number > 0)
        return watch(kubectl, "kubeflow", "some-run", within=within, say=lambda line: None, every=0)

    return watch_run


@pytest.mark.parametrize("nodes", [{"nodes": NODES}, {"compressedNodes": packed(NODES)}], ids=["plain", "compressed"])
def test_a_run_is_watched_to_its_end(nodes: dict[str, Any], watched: Watched) -> None:
    large = workflow("Running", nodes={**NODES, "note": {"type": "DAG", "phase": "Running", "message": "x" * 5000}})
    found = watched([], [large], [workflow("Succeeded", **nodes)])
    assert (found.seconds, found.pods) == (90.0, 2)
    # The largest that it was, without what only the API server adds.
    assert 5000 < found.workflow_bytes < 5800


def test_a_run_that_fails_or_does_not_end_is_said(watched: Watched) -> None:
    with pytest.raises(RunFailed, match="run some-run ended as Failed: no luck"):
        watched([workflow("Failed", message="no luck")])
    with pytest.raises(RunFailed, match="run some-run has not ended within -1 s"):
        watched([workflow("Running")], within=-1)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[scenes.Cluster, list[list[str]]]:
    """A cluster whose laptop only records, on which every run takes two pods and 3 s a step."""
    called: list[list[str]] = []

    def call(self: Laptop, argv: Sequence[str], **_: Any) -> Finished:
        called.append(list(argv[1:]))
        if "--run-id-file" in argv:
            Path(argv[list(argv).index("--run-id-file") + 1]).write_text("kfp-1")
        return Finished(0, '{"pipelineInfo": {"name": "x"}}\n---\n{}', "")

    def bare_run(self: scenes.Cluster, length: int, *, within: float) -> Row:
        return Row(f"bare chain of {length}", length, 2 * length, 2.0 * length, 1000)

    monkeypatch.setattr(Laptop, "call", call)
    monkeypatch.setattr(scenes.Cluster, "bare", bare_run)
    monkeypatch.setattr(runs, "watch", lambda *_, **__: Measured(18.0, 12, 4096))
    return scenes.Cluster(Laptop(tmp_path), KUBECTL, "kubeflow", "registry/task:1"), called


def created(called: list[list[str]]) -> list[list[str]]:
    """The flow and what stands behind `create`."""
    return [[Path(argv[0]).name, *argv[argv.index("create") + 1 :]] for argv in called if "create" in argv]


def test_a_chain_is_run_in_pods_of_its_own_and_in_one(cluster: tuple[scenes.Cluster, list[list[str]]]) -> None:
    there, called = cluster
    rounds = scenes.chains(there)
    assert created(called) == [["chain_flow.py", "--no-fuse"], ["chain_flow.py"]] * 3
    names = ["bare chain of 6", "chain, a pod for each step", "chain, as it is"]
    assert [[row.name for row in rows] for rows in rounds] == [names] * 3
    assert "kubernetes:cpu=0.1,memory=256,image=registry/task:1" in called[0]


def test_what_a_step_takes_beyond_a_bare_one_is_the_mean_of_the_rounds() -> None:
    rounds = [
        [Row("bare", 4, 8, bare), Row("own", 4, 8, own), Row("fused", 4, 2, fused)]
        for bare, own, fused in ((40.0, 40.0, 12.0), (32.0, 48.0, 8.0), (48.0, 52.0, 4.0))
    ]
    # 0, 4 and 1 s a step on bare ones of 10, 8 and 12; each against the bare one of its own round.
    assert table.over(rounds).splitlines() == [
        "own: +1.7 s a step over a bare one (+17%), in 3 rounds from +0.0 to +4.0 s",
        "fused: -8.0 s a step over a bare one (-80%), in 3 rounds from -11.0 to -6.0 s",
    ]
    with pytest.raises(ValueError, match="fused has not run"):
        table.over([[Row("bare", 4, 8, 40.0), Row("fused", 4, 2)]])


def test_a_foreach_in_a_foreach_is_run_as_it_is_and_with_more_and_less_in_a_pod(
    cluster: tuple[scenes.Cluster, list[list[str]]],
) -> None:
    there, called = cluster
    rows = scenes.nested(there)
    assert created(called) == [
        ["nested_flow.py", "--no-fuse"],
        ["nested_flow.py"],
        ["nested_flow.py", "--splits-per-pod", "3"],
        ["nested_flow.py", "--max-workers", "1", "--splits-per-pod", "1"],
        ["nested_flow.py", "--max-workers", "1"],
    ]
    assert (rows[0].pods, rows[0].seconds) == (46, None)
    assert len(rows) == 6


def test_a_wide_foreach_is_run_at_the_width_that_was_asked(cluster: tuple[scenes.Cluster, list[list[str]]]) -> None:
    there, called = cluster
    (row,) = scenes.width(there, 200)
    assert row.tasks == 203
    assert created(called) == [["wide_flow.py", "--max-workers", "8"]]
    assert called[-1][-2:] == ["--width", "200"]


def test_the_flow_of_the_compilation_has_so_many_steps() -> None:
    text = compiling.long_flow(500)
    compile(text, "long_flow.py", "exec")
    assert text.count("@step") == 500
    assert "self.next(self.end)" in text


def test_the_yardstick_is_one_component_and_a_task_a_step() -> None:
    spec = json.loads(bare.chain(3, "registry/task:1"))
    tasks = spec["root"]["dag"]["tasks"]
    assert list(tasks) == ["step-0", "step-1", "step-2"]
    assert [task.get("dependentTasks") for task in tasks.values()] == [None, ["step-0"], ["step-1"]]
    assert {task["componentRef"]["name"] for task in tasks.values()} == set(spec["components"])


def test_what_was_only_computed_has_no_seconds() -> None:
    lines = table.of_runs([Row("computed", 17, 46), Row("run", 4, 8, 10.0, 12345)]).splitlines()
    assert lines[1].split() == ["computed", "17", "-", "-", "46", "2.71", "-"]
    assert lines[2].split() == ["run", "4", "10.0", "2.5", "8", "2.00", "12,345"]


def test_a_bench_without_a_cluster_says_so_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name, value in (("CACHE", str(tmp_path)), ("CLUSTER", "nowhere"), ("HOME", str(tmp_path))):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["bench", "width"])
    assert main() == 2
    assert "make install" in capsys.readouterr().err
