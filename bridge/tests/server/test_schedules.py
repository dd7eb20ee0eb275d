"""A pipeline's recurring run over deployments: never two active, left alone when nothing changed."""

from typing import Any

import pytest

from bridge.tests.lib.graphs import TARGET
from bridge.tests.lib.kubeflow import Kubeflow, error
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import deploy
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import (
    DeploymentNotes,
    FlowIdentity,
    describe_pipeline,
)
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server

FIRST = Documents({"pipelineInfo": {"name": "testflow"}}, {"platforms": {"kubernetes": {}}})
SECOND = Documents({"pipelineInfo": {"name": "testflow", "description": "other"}}, {"platforms": {"kubernetes": {}}})
NOTED = DeploymentNotes(FlowIdentity("TestFlow"), "alice")
HOURLY, DAILY = "0 0 * * * *", "0 0 0 * * *"


def create(
    kubeflow: Kubeflow, documents: Documents, cron: str | None, experiment: str | None = "nightly"
) -> deploy.Deployed:
    return deploy.create(Server(kubeflow.url), NOTED, TARGET, documents, None, cron=cron, experiment=experiment)


def scheduled_in(kubeflow: Kubeflow) -> str:
    """The experiment of the only schedule."""
    (schedule,) = kubeflow.recurring_runs.values()
    names = {each["experiment_id"]: each["display_name"] for each in kubeflow.experiments}
    return str(names[schedule["experiment_id"]])


def test_a_schedule_is_made_with_the_version_and_named_after_the_pipeline(kubeflow: Kubeflow) -> None:
    made = create(kubeflow, FIRST, HOURLY)
    ((schedule_id, schedule),) = kubeflow.recurring_runs.items()
    assert (made.schedule.change, made.schedule.recurring_run_id) == ("created", schedule_id)
    assert schedule["display_name"] == "testflow"
    assert schedule["trigger"] == {"cron_schedule": {"cron": HOURLY}}
    assert schedule["no_catchup"] is True
    assert schedule["pipeline_version_reference"]["pipeline_version_id"] == made.version.id
    assert kubeflow.experiments[0]["display_name"] == "nightly"


def test_an_unchanged_schedule_is_left_alone(kubeflow: Kubeflow) -> None:
    first = create(kubeflow, FIRST, HOURLY).schedule
    again = create(kubeflow, FIRST, HOURLY).schedule
    assert (again.change, again.recurring_run_id) == ("kept", first.recurring_run_id)
    assert kubeflow.active == [1]


@pytest.mark.parametrize(("documents", "cron"), [(FIRST, DAILY), (SECOND, HOURLY)], ids=["other time", "other version"])
def test_a_changed_schedule_or_version_replaces_it_and_never_are_two_active(
    kubeflow: Kubeflow, documents: Documents, cron: str
) -> None:
    create(kubeflow, FIRST, HOURLY)
    made = create(kubeflow, documents, cron)
    (schedule,) = kubeflow.recurring_runs.values()
    assert made.schedule.change == "replaced"
    assert schedule["trigger"]["cron_schedule"]["cron"] == cron
    assert schedule["pipeline_version_reference"]["pipeline_version_id"] == made.version.id
    assert max(kubeflow.active) == 1 and kubeflow.active[-1] == 1


def test_when_the_new_schedule_cannot_be_made_the_old_one_goes_on(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST, HOURLY)
    # The request that would pause the old schedule, and then the one that would make the new one.
    kubeflow.failing, kubeflow.failures = "POST /apis/v2beta1/recurringruns/", [error(500, 13, "no")]
    with pytest.raises(Refused, match="no"):
        create(kubeflow, FIRST, DAILY)
    assert kubeflow.active[-1] == 1
    kubeflow.failing, kubeflow.failures = "POST /apis/v2beta1/recurringruns ", [error(500, 13, "no")]
    with pytest.raises(Refused, match="no"):
        create(kubeflow, FIRST, DAILY)
    (schedule,) = (each for each in kubeflow.recurring_runs.values() if each["status"] == "ENABLED")
    assert schedule["trigger"]["cron_schedule"]["cron"] == HOURLY
    assert create(kubeflow, FIRST, DAILY).schedule.change == "replaced"


def test_a_schedule_that_somebody_paused_stays_paused(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST, HOURLY)
    (schedule,) = kubeflow.recurring_runs.values()
    schedule |= {"mode": "DISABLE", "status": "DISABLED"}
    assert create(kubeflow, FIRST, HOURLY).schedule.paused
    assert create(kubeflow, SECOND, DAILY).schedule.paused
    assert kubeflow.active[-1] == 0


def test_a_schedule_goes_with_its_decorator_and_with_its_pipeline(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST, HOURLY)
    assert create(kubeflow, FIRST, None).schedule.change == "removed"
    assert kubeflow.recurring_runs == {}
    create(kubeflow, FIRST, HOURLY)
    deploy.delete(Server(kubeflow.url), NOTED.identity, "testflow")
    assert kubeflow.recurring_runs == {} and kubeflow.pipelines == {}


def test_schedules_of_others_are_left_alone_over_all_pages(kubeflow: Kubeflow) -> None:
    for number in range(4):
        kubeflow.recurring_runs[f"their-{number}"] = {
            "recurring_run_id": f"their-{number}",
            "display_name": "testflow" if number else "their own",
            "pipeline_version_reference": {"pipeline_id": "pipeline-9" if number else "pipeline-1"},
            "status": "ENABLED",
        }
    create(kubeflow, FIRST, HOURLY)
    create(kubeflow, FIRST, None)
    assert sorted(kubeflow.recurring_runs) == ["their-0", "their-1", "their-2", "their-3"]


def deployed_anew(kubeflow: Kubeflow) -> str:
    """Delete the flow's pipeline as somebody does on Kubeflow's own page; gives the id of the schedule that is left."""
    create(kubeflow, FIRST, HOURLY)
    kubeflow.pipelines.clear()
    ((left, schedule),) = kubeflow.recurring_runs.items()
    # A real server gives no id twice.
    schedule["pipeline_version_reference"] = {"pipeline_id": "gone", "pipeline_version_id": "gone-1"}
    return left


@pytest.mark.parametrize("cron", [HOURLY, None])
def test_a_schedule_that_outlived_its_pipeline_is_replaced_or_goes(kubeflow: Kubeflow, cron: str | None) -> None:
    left = deployed_anew(kubeflow)
    create(kubeflow, FIRST, cron)
    assert left not in kubeflow.recurring_runs
    assert max(kubeflow.active) == 1 and len(kubeflow.recurring_runs) == (1 if cron else 0)


def test_one_that_somebody_paused_before_stays_paused_then_too(kubeflow: Kubeflow) -> None:
    left = deployed_anew(kubeflow)
    kubeflow.recurring_runs[left] |= {"mode": "DISABLE", "status": "DISABLED"}
    assert create(kubeflow, FIRST, HOURLY).schedule.paused


@pytest.mark.parametrize(
    "change",
    [
        {"description": describe_pipeline(FlowIdentity("OtherFlow"))},
        {"description": describe_pipeline(FlowIdentity("TestFlow", "project", "branch"))},
        {"description": "Metaflow flow TestFlow\nunreadable"},
        {"description": ""},
        {"display_name": "other name"},
        {"pipeline_version_reference": {"pipeline_id": "of-another"}},
        {"pipeline_version_reference": {}},
    ],
)
def test_what_is_not_surely_left_of_this_flow_is_nobodys_to_touch(kubeflow: Kubeflow, change: dict[str, Any]) -> None:
    left = deployed_anew(kubeflow)
    kubeflow.pipelines["of-another"] = {"pipeline_id": "of-another", "display_name": "other", "name": "other"}
    kubeflow.recurring_runs[left] |= change
    create(kubeflow, FIRST, HOURLY)
    assert kubeflow.recurring_runs[left]["status"] == "ENABLED"


def test_another_experiment_is_another_schedule(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST, HOURLY)
    assert create(kubeflow, FIRST, HOURLY, "weekly").schedule.change == "replaced"
    assert scheduled_in(kubeflow) == "weekly"
    assert create(kubeflow, FIRST, HOURLY, "weekly").schedule.change == "kept"
    assert max(kubeflow.active) == 1 and kubeflow.active[-1] == 1


def test_without_an_experiment_a_schedule_stays_where_it_was(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST, HOURLY)
    assert create(kubeflow, FIRST, HOURLY, None).schedule.change == "kept"
    assert create(kubeflow, SECOND, DAILY, None).schedule.change == "replaced"
    assert scheduled_in(kubeflow) == "nightly"


def test_a_first_schedule_without_an_experiment_is_in_the_default_one(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST, HOURLY, None)
    assert scheduled_in(kubeflow) == "Default"
