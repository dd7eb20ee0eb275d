import json

import pytest

from bridge.tests.lib.kubeflow import Answer, Kubeflow, error
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import connection, server
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Conflict, NotFound, Server


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BACKOFF_SECONDS", 0.0)


def test_a_server_says_what_it_is(kubeflow: Kubeflow) -> None:
    assert Server(kubeflow.url).identity == server.Identity("2.14.3", multi_user=False)


def test_a_pipeline_is_made_found_and_deleted_with_its_versions(kubeflow: Kubeflow) -> None:
    api = Server(kubeflow.url)
    assert api.find_pipeline("flow") is None
    made = api.create_pipeline("flow", "Metaflow flow Flow")
    names = [f"v{number}" for number in range(5)]
    for name in names:
        api.upload_version(made, name, f'{{"n": "{name}"}}\n---\n{{}}\n', "described")
    assert api.find_pipeline("flow") == made
    assert [version.name for version in api.versions(made)] == names[::-1]
    assert kubeflow.versions[made.id][0]["text"] == '{"n": "v0"}\n---\n{}\n'
    api.delete_pipeline(made)
    assert list(api.pipelines()) == []


def test_a_version_name_that_is_taken_is_a_conflict(kubeflow: Kubeflow) -> None:
    api = Server(kubeflow.url)
    made = api.create_pipeline("flow", "")
    api.upload_version(made, "v1", "{}", "")
    with pytest.raises(Conflict):
        api.upload_version(made, "v1", "{}", "")


def test_a_run_is_started_in_an_experiment_that_is_made_once(kubeflow: Kubeflow) -> None:
    api = Server(kubeflow.url)
    made = api.create_pipeline("flow", "")
    version = api.upload_version(made, "v1", "{}", "")
    runs = [api.start_run(made, version, "name", {"alpha": "1"}, "mine") for _ in range(2)]
    assert [api.run(run).pipeline_id for run in runs] == [made.id, made.id]
    assert len(kubeflow.experiments) == 1
    assert kubeflow.runs[runs[0]]["runtime_config"] == {"parameters": {"alpha": "1"}}


def test_the_workflow_of_a_run_comes_from_the_older_api(kubeflow: Kubeflow) -> None:
    kubeflow.workflows["run-1"] = {"status": {"phase": "Failed"}}
    api = Server(kubeflow.url)
    assert api.workflow("run-1") == {"status": {"phase": "Failed"}}
    assert api.workflow("run-2") is None


def test_a_namespace_is_named_only_to_a_server_of_several_users(kubeflow: Kubeflow) -> None:
    Server(kubeflow.url, "team").create_pipeline("one", "")
    kubeflow.health["multi_user"] = True
    Server(kubeflow.url, "team").create_pipeline("two", "")
    assert [each.get("namespace") for each in kubeflow.pipelines.values()] == [None, "team"]


def test_no_url_is_said_with_the_setting_that_has_it() -> None:
    with pytest.raises(Refused, match="METAFLOW_KUBEFLOW_PIPELINES_URL"):
        Server(None)


@pytest.mark.parametrize("url", ["localhost:8888", "ftp://host"])
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(Refused, match=url):
        Server(url)


def test_an_unreachable_server_is_named_with_its_setting() -> None:
    url = "http://127.0.0.1:9"
    with pytest.raises(Refused) as refused:
        Server(url)
    assert url in refused.value.message
    assert "cannot be reached" in refused.value.message
    assert "METAFLOW_KUBEFLOW_PIPELINES_URL" in refused.value.message


@pytest.mark.parametrize("health", [{"status": "ok"}, {}], ids=["other json", "empty json"])
def test_something_that_is_not_kubeflow_is_told_apart(kubeflow: Kubeflow, health: dict[str, str]) -> None:
    kubeflow.health.clear()
    kubeflow.health.update(health)
    with pytest.raises(Refused, match="not Kubeflow Pipelines"):
        Server(kubeflow.url)


def test_another_service_that_speaks_json_is_told_apart(kubeflow: Kubeflow) -> None:
    kubeflow.health_fails = Answer(404, '{"message": "Not Found"}')
    with pytest.raises(Refused, match="not Kubeflow Pipelines"):
        Server(kubeflow.url)


def test_a_page_of_a_proxy_is_never_taken_for_a_missing_pipeline(kubeflow: Kubeflow) -> None:
    api = Server(kubeflow.url)
    kubeflow.failures.append(Answer(404, "<html>nothing here</html>"))
    with pytest.raises(Refused, match="not Kubeflow Pipelines") as refused:
        api.find_pipeline("flow")
    assert not isinstance(refused.value, NotFound)


@pytest.mark.parametrize("status", [401, 403])
def test_denied_access_is_said_as_such(kubeflow: Kubeflow, status: int) -> None:
    api = Server(kubeflow.url)
    kubeflow.failures.append(Answer(status, "no"))
    with pytest.raises(Refused, match="access is denied"):
        api.find_pipeline("flow")


def test_a_server_that_is_away_for_a_moment_is_asked_again(kubeflow: Kubeflow) -> None:
    api = Server(kubeflow.url)
    kubeflow.failures += [Answer(503, "starting"), Answer(502, "starting")]
    assert api.find_pipeline("flow") is None


def test_a_server_that_stays_away_is_not_a_missing_pipeline(kubeflow: Kubeflow) -> None:
    api = Server(kubeflow.url)
    kubeflow.failures += [Answer(503, "starting")] * (connection.TRIES + 1)
    with pytest.raises(Refused, match="HTTP 503"):
        api.find_pipeline("flow")


def test_a_run_is_never_started_twice_for_a_lost_answer(kubeflow: Kubeflow) -> None:
    api = Server(kubeflow.url)
    made = api.create_pipeline("flow", "")
    version = api.upload_version(made, "v1", "{}", "")
    kubeflow.failing = "POST /apis/v2beta1/runs"
    kubeflow.failures += [Answer(503, "lost")]
    with pytest.raises(Refused, match="HTTP 503"):
        api.start_run(made, version, "name", {}, "Default")
    assert kubeflow.asked.count("POST /apis/v2beta1/runs") == 1


def test_what_the_server_says_is_passed_on_in_one_line(kubeflow: Kubeflow) -> None:
    api = Server(kubeflow.url)
    kubeflow.failures.append(error(400, 3, "Invalid input:\n  name"))
    with pytest.raises(Refused) as refused:
        api.create_pipeline("flow", "")
    assert "Invalid input: name (HTTP 400)" in refused.value.message
    assert "\n" not in refused.value.message


def test_an_answer_that_is_no_object_is_not_kubeflow(kubeflow: Kubeflow) -> None:
    api = Server(kubeflow.url)
    kubeflow.failures.append(Answer(200, json.dumps([1])))
    with pytest.raises(Refused, match="not Kubeflow Pipelines"):
        api.find_pipeline("flow")


@pytest.mark.parametrize("what", ["recurringruns/", "pipelines/pipeline-1/versions/", "pipelines/pipeline-1 "])
def test_a_deletion_whose_answer_was_lost_is_done(kubeflow: Kubeflow, what: str) -> None:
    api = Server(kubeflow.url)
    made = api.create_pipeline("flow", "Metaflow flow Flow")
    version = api.upload_version(made, "v1", "{}\n---\n{}\n", "described")
    schedule = api.create_recurring_run(made, version, "0 0 * * * *", api.experiment("Default"), enabled=True)
    kubeflow.losing = f"DELETE /apis/v2beta1/{what}"
    api.delete_recurring_run(schedule)
    api.delete_pipeline(made)
    assert kubeflow.losing == ""
    assert (kubeflow.recurring_runs, kubeflow.pipelines) == ({}, {})
