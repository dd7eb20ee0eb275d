"""What of an attempt @timeout limits: the step, and nothing that is set up for it."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from metaflow.plugins.kubernetes.kubernetes_decorator import KubernetesDecorator, KubernetesException
from metaflow.plugins.timeout_decorator import TimeoutDecorator

from bridge.tests.lib.sources import two_steps
from bridge.tests.pod.small_kubeflow import FLOWS, SmallKubeflow, describe, tasks
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import mistakes
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import inputs, process, variables, work


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, float | None]]]:
    """The commands that are run, each by its word, with its limit. None is really run."""
    seen: list[tuple[str, float | None]] = []

    def run(
        argv: list[str], logs: process.Logs, stop: process.Stop, limit: float | None, *, program: bool = False
    ) -> process.Ended:
        # The interpreter's program holds Metaflow's command line.
        program_file = Path(argv[-1])
        said = program_file.read_text() if program_file.name == "command.py" else ""
        seen.append((next((word for word in ("init", "step") if f"'{word}'" in said), "setup"), limit))
        return process.Ended(0, "")

    monkeypatch.setattr(process, "run", run)
    for variable in ("METAFLOW_TASK_ID", "METAFLOW_RETRY_COUNT"):
        monkeypatch.setenv(variable, "")
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)}
    yield seen
    for number, handler in before.items():
        signal.signal(number, handler)


def test_neither_the_environments_making_nor_the_parameters_count(
    limits: list[tuple[str, float | None]], tmp_path: Path
) -> None:
    whole = describe(FLOWS / "linear_flow.py", tmp_path)
    step = replace(whole.steps["start"], timeout_seconds=5, interpreter="python", bootstrap=("make it",))
    deployment = replace(whole, steps={**whole.steps, "start": step})
    asked = work.Asked(((inputs.TaskPlace("start", ()),),))
    with patch.dict(os.environ):
        os.environ.pop("KFP_RETRY_INDEX", None)
        work.do(deployment, "kfp-1", asked, variables.Variables(deployment, "kfp-1"))
    assert limits == [("setup", None), ("init", None), ("step", 65.0)]


@pytest.mark.slow
def test_a_step_with_kubernetes_may_have_a_shorter_limit_than_metaflows_own_jobs(tmp_path: Path) -> None:
    flow = tmp_path / "short_flow.py"
    imports = "from metaflow import FlowSpec, kubernetes, step, timeout"
    flow.write_text(
        two_steps("ShortFlow", imports=imports, body="    @kubernetes(memory=512)\n    @timeout(seconds=30)\n")
    )
    run = SmallKubeflow(describe(flow, tmp_path), tmp_path, flows=tmp_path)
    run.execute()
    assert {step for step, _ in tasks("ShortFlow", tmp_path, f"kfp-{run.run}")} == {"_parameters", "start", "end"}


class S3:
    """A flow's datastore, as far as @kubernetes looks at it."""

    TYPE = "s3"


@pytest.mark.parametrize("memory", ["512", "-1"])
def test_of_the_checks_of_kubernetes_that_of_the_limit_alone_is_left_out(memory: str) -> None:
    kubernetes, timeout = KubernetesDecorator({"memory": memory}), TimeoutDecorator({"seconds": 30})
    timeout.init()
    if hasattr(kubernetes, "init"):
        kubernetes.init()

    def start() -> None:
        kubernetes.step_init(None, None, "start", [kubernetes, timeout], None, S3, None)

    with pytest.raises(KubernetesException, match="at least 60 seconds"):
        start()
    mistakes.spare_limits_of_jobs(kubernetes)
    if memory == "512":
        start()
    else:
        with pytest.raises(KubernetesException, match="Invalid memory"):
            start()
