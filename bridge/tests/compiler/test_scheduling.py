"""What @schedule may say, and what a server must be new enough for."""

import json
from dataclasses import replace

import pytest

from bridge.tests.lib.graphs import TARGET, flow
from bridge.tests.lib.walks import compiled
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler import capabilities
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.checks import problems
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Decorator, Parameter

GOOD = flow("start > end")


@pytest.mark.parametrize("schedule", [None, "0 10 * * *"])
def test_a_schedule_that_kubeflow_can_keep_is_no_problem(schedule: str | None) -> None:
    assert problems(replace(GOOD, schedule=schedule), TARGET) == []


def test_all_that_is_wrong_with_a_schedule_is_said_at_once() -> None:
    wrong = replace(
        GOOD,
        schedule="0 */5 * * * *",
        decorators=(Decorator("schedule", {"timezone": "Europe/Zurich"}, frozenset({"timezone"})),),
        parameters=(Parameter("alpha", "alpha", "int", None, required=True),),
    )
    said = [str(problem) for problem in problems(wrong, TARGET)]
    assert len(said) == 3
    assert all(line.startswith("flow.py:3: ") for line in said)
    assert "@schedule(timezone='Europe/Zurich') is refused: Kubeflow Pipelines has one time zone" in said[0]
    assert "@schedule(cron='0 */5 * * * *') is refused: its six fields may begin with the seconds" in said[1]
    assert "parameter 'alpha' is required" in said[2]


def test_a_time_limit_is_written_for_a_server_that_knows_it_and_refused_for_another() -> None:
    limited = replace(TARGET, workflow_timeout=3600, title="A title", description="Said")
    (problem,) = problems(GOOD, replace(limited, capabilities=capabilities.of("2.16.1")))
    assert str(problem).startswith("--workflow-timeout: needs Kubeflow Pipelines 2.17, and the server is 2.16.1. ")
    assert problems(GOOD, limited) == []
    pipeline, platform = (json.loads(part) for part in compiled(GOOD, limited).split("\n---\n"))
    assert platform["platforms"]["kubernetes"]["pipelineConfig"] == {"activeDeadlineSeconds": 3600}
    assert pipeline["pipelineInfo"] == {"name": "testflow", "displayName": "A title", "description": "Said"}


def test_without_a_time_limit_there_is_no_config_that_an_older_server_would_fall_over() -> None:
    _, platform = (json.loads(part) for part in compiled(GOOD).split("\n---\n"))
    assert list(platform["platforms"]["kubernetes"]) == ["deploymentSpec"]
