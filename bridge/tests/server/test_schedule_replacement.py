"""A replaced schedule whose replacement was cut short, or met another: one is active in the end, never two."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from bridge.tests.lib.kubeflow import Answer, Json, Kubeflow, error
from bridge.tests.server.test_schedules import DAILY, FIRST, HOURLY, NOTED, SECOND, create
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import connection, deploy
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.connection import Connection
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server

POST = "POST /apis/v2beta1/recurringruns "
# What pauses one or switches it on.
ENABLING = "POST /apis/v2beta1/recurringruns/"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BACKOFF_SECONDS", 0.0)


def only(kubeflow: Kubeflow) -> Json:
    """The only schedule."""
    (schedule,) = kubeflow.recurring_runs.values()
    return schedule


def stands(kubeflow: Kubeflow) -> tuple[str, str]:
    """How the only schedule stands, and when it runs."""
    schedule = only(kubeflow)
    return schedule["status"], schedule["trigger"]["cron_schedule"]["cron"]


def pause(kubeflow: Kubeflow) -> None:
    """Switch the only schedule off, as somebody does on Kubeflow's own page."""
    only(kubeflow).update({"mode": "DISABLE", "status": "DISABLED"})


def fresh(kubeflow: Kubeflow) -> None:
    """A deployment with an hourly schedule, and nothing else."""
    for held in (kubeflow.pipelines, kubeflow.versions, kubeflow.recurring_runs):
        held.clear()
    create(kubeflow, FIRST, HOURLY)
    kubeflow.active.clear()
    kubeflow.asked.clear()


def test_a_server_that_cannot_make_it_nor_enable_the_old_one_again_pauses_nothing_for_good(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST, HOURLY)
    answer = kubeflow.answer

    def failing(method: str, target: str, *others: Any) -> Json:
        if method == "POST" and target.endswith(("recurringruns", ":enable")):
            raise error(500, 13, "no")
        return answer(method, target, *others)

    kubeflow.answer = failing  # type: ignore[method-assign,assignment]
    with pytest.raises(Refused, match="no"):
        create(kubeflow, SECOND, DAILY)
    assert stands(kubeflow) == ("ENABLED", HOURLY)
    kubeflow.answer = answer  # type: ignore[method-assign]
    create(kubeflow, SECOND, DAILY)
    assert stands(kubeflow) == ("ENABLED", DAILY)


def test_one_that_is_made_and_whose_answer_is_lost_does_not_run_beside_the_old_one(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST, HOURLY)
    kubeflow.losing = POST
    with pytest.raises(Refused, match="HTTP 503"):
        create(kubeflow, FIRST, DAILY)
    assert len(kubeflow.recurring_runs) == 2 and kubeflow.active[-1] == 1
    create(kubeflow, FIRST, DAILY)
    assert stands(kubeflow) == ("ENABLED", DAILY)
    assert max(kubeflow.active) == 1


def interrupting(monkeypatch: pytest.MonkeyPatch, after: int, carried_out: bool) -> None:
    """Interrupt the command at the request that comes after so many, before or after the server has carried it out."""
    asked: list[Any] = []
    ask = Connection.ask

    def interrupted(self: Connection, method: Any, *arguments: Any, **options: Any) -> Json:
        asked.append(method)
        if len(asked) <= after:
            return ask(self, method, *arguments, **options)
        if carried_out:
            ask(self, method, *arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Connection, "ask", interrupted)


@pytest.mark.parametrize("carried_out", [False, True], ids=["not carried out", "carried out"])
@pytest.mark.parametrize("again", [(SECOND, DAILY), (SECOND, HOURLY), (FIRST, HOURLY)], ids=["same", "other", "back"])
@pytest.mark.parametrize("paused", [False, True], ids=["active", "paused"])
def test_an_interruption_at_any_request_is_made_good_by_the_next_create(
    kubeflow: Kubeflow, carried_out: bool, again: tuple[Any, str], paused: bool
) -> None:
    fresh(kubeflow)
    create(kubeflow, SECOND, DAILY)
    requests = len(kubeflow.asked)
    for after in range(requests):
        fresh(kubeflow)
        if paused:
            pause(kubeflow)
        with pytest.MonkeyPatch.context() as patch:
            interrupting(patch, after, carried_out)
            with suppress(KeyboardInterrupt):
                create(kubeflow, SECOND, DAILY)
        create(kubeflow, *again)
        assert stands(kubeflow) == ("DISABLED" if paused else "ENABLED", again[1]), after
        newest = kubeflow.versions["pipeline-1"][-1]["pipeline_version_id"]
        assert only(kubeflow)["pipeline_version_reference"]["pipeline_version_id"] == newest, after
        assert max(kubeflow.active, default=0) <= (0 if paused else 1), after


def test_a_replacement_cut_short_twice_is_made_good_too(kubeflow: Kubeflow) -> None:
    fresh(kubeflow)
    for cron in (DAILY, "0 0 1 * * *"):
        kubeflow.failing, kubeflow.failures = ENABLING, [Answer(500, "")] * 3
        with pytest.raises(Refused):
            create(kubeflow, FIRST, cron)
    kubeflow.failures = []
    for each in kubeflow.recurring_runs.values():
        # The pause was carried out.
        each |= {"mode": "DISABLE", "status": "DISABLED"}
    create(kubeflow, SECOND, HOURLY)
    assert stands(kubeflow) == ("ENABLED", HOURLY)


def test_one_made_long_ago_is_not_switched_on_for_it_would_make_up_for_the_last_time_that_it_missed(
    kubeflow: Kubeflow,
) -> None:
    create(kubeflow, FIRST, HOURLY)
    kubeflow.losing = POST
    with pytest.raises(Refused):
        create(kubeflow, FIRST, DAILY)
    made_long_ago = list(kubeflow.recurring_runs)[-1]
    create(kubeflow, FIRST, DAILY)
    assert made_long_ago not in kubeflow.recurring_runs


def test_one_that_somebody_paused_after_it_had_replaced_another_stays_paused(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST, HOURLY)
    create(kubeflow, FIRST, DAILY)
    pause(kubeflow)
    held = dict(only(kubeflow))
    assert create(kubeflow, FIRST, DAILY).schedule.paused
    assert only(kubeflow) == held
    assert create(kubeflow, SECOND, HOURLY).schedule.paused
    assert stands(kubeflow) == ("DISABLED", HOURLY)
    only(kubeflow).update({"mode": "ENABLE", "status": "ENABLED"})
    assert not create(kubeflow, SECOND, DAILY).schedule.paused
    assert stands(kubeflow) == ("ENABLED", DAILY)


def test_two_active_ones_that_an_earlier_version_left_become_one(kubeflow: Kubeflow) -> None:
    made = create(kubeflow, FIRST, HOURLY)
    kubeflow.recurring_runs["left"] = {**only(kubeflow), "recurring_run_id": "left"}
    # Listed first, fitting, and switched off: the active one is kept nevertheless.
    only_id = made.schedule.recurring_run_id or ""
    kubeflow.recurring_runs[only_id] |= {"mode": "DISABLE", "status": "DISABLED"}
    assert create(kubeflow, FIRST, HOURLY).schedule.recurring_run_id == "left"
    assert stands(kubeflow) == ("ENABLED", HOURLY)


def test_the_experiment_is_that_of_the_active_one(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST, HOURLY)
    kubeflow.failing, kubeflow.failures = "DELETE ", [Answer(500, "")]
    with pytest.raises(Refused):
        create(kubeflow, FIRST, HOURLY, "weekly")
    create(kubeflow, FIRST, HOURLY, None)
    names = {each["experiment_id"]: each["display_name"] for each in kubeflow.experiments}
    assert names[only(kubeflow)["experiment_id"]] == "weekly"


def meeting(kubeflow: Kubeflow, request: str, other: Callable[[], Any], *, after: bool) -> None:
    """Let another command do its work before or after this one's request that begins so."""
    answer = kubeflow.answer
    met: list[str] = []

    def met_by(method: str, target: str, *others: Any) -> Json:
        if met or not f"{method} {target.partition('?')[0]} ".startswith(request):
            return answer(method, target, *others)
        met.append(target)
        if not after:
            other()
            return answer(method, target, *others)
        answered = answer(method, target, *others)
        other()
        return answered

    kubeflow.answer = met_by  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("cut_short", [False, True], ids=["whole", "cut short"])
@pytest.mark.parametrize("request_", [POST, ENABLING, "GET /apis/v2beta1/recurringruns ", "DELETE "])
@pytest.mark.parametrize("other", [(SECOND, DAILY), (SECOND, "0 0 1 * * *")], ids=["same", "other"])
@pytest.mark.parametrize("first", [False, True], ids=["replaced", "first"])
def test_of_two_that_deploy_at_once_one_is_left_active(
    kubeflow: Kubeflow, request_: str, after: bool, other: tuple[Any, str], first: bool, cut_short: bool
) -> None:
    """The other does all its work within the first's request; whichever gives way says so."""
    fresh(kubeflow)
    create(kubeflow, SECOND, HOURLY)
    if first:
        create(kubeflow, SECOND, None)

    def others() -> None:
        if cut_short:
            kubeflow.failing, kubeflow.failures = ENABLING, [Answer(500, "")]
        with suppress(Refused):
            create(kubeflow, *other)
        kubeflow.failures = []

    kubeflow.active.clear()
    meeting(kubeflow, request_, others, after=after)
    try:
        create(kubeflow, SECOND, DAILY)
    except Refused as refused:
        assert "at the same time" in refused.message
    assert cut_short or kubeflow.active[-1] == 1
    assert max(kubeflow.active) == 1 or first
    create(kubeflow, SECOND, DAILY)
    assert stands(kubeflow) == ("ENABLED", DAILY)


def test_a_note_of_a_replacement_leaves_the_flow_readable(kubeflow: Kubeflow) -> None:
    create(kubeflow, FIRST, HOURLY)
    assert only(kubeflow)["description"] == kubeflow.pipelines["pipeline-1"]["description"]
    create(kubeflow, FIRST, DAILY)
    kubeflow.pipelines.clear()
    only(kubeflow)["pipeline_version_reference"] = {"pipeline_id": "gone", "pipeline_version_id": "gone-1"}
    create(kubeflow, FIRST, HOURLY)
    assert stands(kubeflow) == ("ENABLED", HOURLY)
    deploy.delete(Server(kubeflow.url), NOTED.identity, "testflow")
    assert kubeflow.recurring_runs == {}


@pytest.mark.parametrize("description", ["", "no line", "Metaflow flow TestFlow\n[]", 'a\n{"replaces":3}', "a\n{"])
def test_a_description_without_a_note_is_that_of_a_finished_one(kubeflow: Kubeflow, description: str) -> None:
    create(kubeflow, FIRST, HOURLY)
    pause(kubeflow)
    only(kubeflow)["description"] = description
    assert create(kubeflow, SECOND, HOURLY).schedule.paused
