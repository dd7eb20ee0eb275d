"""Who may deploy, delete and terminate, and with which token: Metaflow's own rules, and no answer is no permission."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.tests.lib.graphs import TARGET
from bridge.tests.lib.kubeflow import Answer, Kubeflow, error
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import compat, connection, deploy, names, tokens
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import DeploymentNotes, FlowIdentity
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.tokens import PLACEHOLDER, Owner, TokenOptions

FLOW = FlowIdentity("TestFlow")
DEPLOYED = DeploymentNotes(FLOW, "alice", "testflow-0-abcd")
ALICE, BOB = Owner("alice", "testflow"), Owner("bob", "testflow")
DOCUMENTS = Documents({"pipelineInfo": {"name": "testflow"}}, {"platforms": {}})


@pytest.fixture(autouse=True)
def _token_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_TOKEN_HOME", str(tmp_path))
    monkeypatch.setenv("METAFLOW_USER", "bob")


@pytest.fixture
def kubeflow(kubeflow: Kubeflow) -> Kubeflow:
    deploy.create(Server(kubeflow.url), DEPLOYED, TARGET, DOCUMENTS, None)
    return kubeflow


def made(owner: Owner, deployed: DeploymentNotes | None, **options: object) -> str:
    return tokens.for_new_version("testflow", deployed, owner, TokenOptions(**options))  # type: ignore[arg-type]


def test_the_first_deployment_makes_a_token_and_later_ones_keep_it() -> None:
    first = made(ALICE, None)
    assert first.startswith("testflow-0-")
    assert made(ALICE, DEPLOYED) == DEPLOYED.token


def test_a_new_token_follows_on_the_old_one() -> None:
    first = made(ALICE, None)
    second = made(ALICE, replace(DEPLOYED, token=first), generate=True)
    assert second.startswith("testflow-1-")
    with pytest.raises(Refused, match="does not follow on a token from --new-token"):
        made(ALICE, replace(DEPLOYED, token="of-my-own"), generate=True)
    assert made(ALICE, DEPLOYED, new="production:of-my-own") == "of-my-own"
    with pytest.raises(Refused, match="excludes --generate-new-token"):
        made(ALICE, DEPLOYED, new="a", generate=True)


def test_a_project_takes_no_token_of_ones_own() -> None:
    with pytest.raises(Refused, match="shares its token with all flows of the branch"):
        made(replace(ALICE, is_project=True), None, new="mine")


@pytest.mark.parametrize("options", [{}, {"authorize": "wrong"}, {"generate": True}, {"new": "mine"}])
def test_another_user_needs_the_token(options: dict[str, object]) -> None:
    with pytest.raises(Refused, match="was deployed by 'alice', and the production token is not theirs"):
        made(BOB, DEPLOYED, **options)


@pytest.mark.parametrize("given", ["testflow-0-abcd", "production:testflow-0-abcd"])
def test_another_user_with_the_token_goes_on(given: str) -> None:
    assert made(BOB, DEPLOYED, authorize=given) == DEPLOYED.token


def test_a_token_that_was_kept_on_this_machine_is_enough() -> None:
    compat.keep_token("testflow", "testflow-0-abcd")
    assert made(BOB, DEPLOYED) == DEPLOYED.token


def test_without_a_server_the_token_is_always_the_same() -> None:
    assert tokens.without_server(ALICE, TokenOptions(), kept=False) == PLACEHOLDER
    twice = [tokens.without_server(ALICE, TokenOptions(generate=True), kept=False) for _ in range(2)]
    assert twice == [made(ALICE, None)] * 2
    assert tokens.without_server(ALICE, TokenOptions(new="production:mine"), kept=True) == "mine"
    assert tokens.without_server(ALICE, TokenOptions(), kept=True) == made(ALICE, None)


def test_all_flows_of_a_branch_share_a_token_and_branches_do_not() -> None:
    prefixes = [
        names.token_prefix("a", "demo", "prod"),
        names.token_prefix("b", "demo", "prod"),
        names.token_prefix("b", "demo", "test.b"),
    ]
    assert prefixes[0] == prefixes[1] != prefixes[2]
    assert all(prefix.startswith("mfprj-") for prefix in prefixes)


COMMANDS: dict[str, Callable[[Server], object]] = {
    "create": lambda server: deploy.grant(server, TARGET, FLOW, TokenOptions()),
    "delete": lambda server: deploy.delete(server, FLOW, "testflow"),
    "terminate": lambda server: deploy.terminate(server, FLOW, "testflow", "run-1", lambda key: b""),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_stranger_is_refused_by_every_command_that_changes_something(kubeflow: Kubeflow, command: str) -> None:
    server = Server(kubeflow.url)
    deploy.trigger(server, FLOW, "testflow", {}, print, version_name=None, experiment=None)
    with pytest.raises(Refused, match=f"kubeflow-pipelines {command} --authorize TOKEN"):
        COMMANDS[command](server)
    assert kubeflow.runs["run-1"]["state"] == "RUNNING"
    assert len(kubeflow.versions["pipeline-1"]) == 1


@pytest.mark.parametrize("asked", ["GET /apis/v2beta1/pipelines/names/", "GET /apis/v2beta1/pipelines/pipeline-1/"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_answer_is_no_permission_and_no_new_token(kubeflow: Kubeflow, command: str, asked: str) -> None:
    server = Server(kubeflow.url)
    deploy.trigger(server, FLOW, "testflow", {}, print, version_name=None, experiment=None)
    kubeflow.failing, kubeflow.failures = asked, [error(500, 13, "the database is away")]
    with pytest.raises(Refused, match="the database is away"):
        COMMANDS[command](server)
    assert kubeflow.runs["run-1"]["state"] == "RUNNING"
    assert len(kubeflow.versions["pipeline-1"]) == 1


def test_a_version_that_somebody_else_uploaded_does_not_hide_the_token(kubeflow: Kubeflow) -> None:
    server = Server(kubeflow.url)
    (pipeline,) = server.pipelines()
    server.upload_version(pipeline, "by-hand", "{}", "mine")
    with pytest.raises(Refused, match="was deployed by 'alice'"):
        COMMANDS["create"](server)


def test_a_run_is_guarded_by_the_version_that_it_was_made_from(kubeflow: Kubeflow) -> None:
    server = Server(kubeflow.url)
    deploy.trigger(server, FLOW, "testflow", {}, print, version_name=None, experiment=None)
    deploy.create(server, DeploymentNotes(FLOW, "bob", "another"), TARGET, DOCUMENTS, "second")
    with pytest.raises(Refused, match="was deployed by 'alice'"):
        COMMANDS["terminate"](server)


def test_a_deletion_that_breaks_off_leaves_the_newest_version_to_the_last(
    kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BACKOFF_SECONDS", 0.0)
    monkeypatch.setattr(compat, "username", lambda: "bob")
    healthy, broke_off = 0, True
    while broke_off:
        kubeflow.pipelines.clear()
        server = Server(kubeflow.url)
        deploy.create(server, DEPLOYED, TARGET, DOCUMENTS, "alices")
        deploy.create(server, DeploymentNotes(FLOW, "bob", "testflow-1-efgh"), TARGET, DOCUMENTS, "bobs")
        kubeflow.asked.clear()
        kubeflow.fault, kubeflow.healthy = Answer(503, "gone"), healthy
        try:
            deploy.delete(server, FLOW, "testflow")
            broke_off = False
        except Refused:
            kubeflow.fault = None
            for pipeline in server.pipelines():
                newest = next(server.versions(pipeline), None)
                assert newest is None or newest.name == "bobs", healthy
                deploy.delete(server, FLOW, "testflow")
        assert not kubeflow.pipelines
        healthy += 1
    assert healthy > 4


ROTATED = replace(DEPLOYED, token="testflow-1-efgh")


@pytest.mark.parametrize("meanwhile", [ROTATED, replace(DEPLOYED, owner="carol")], ids=["new token", "new owner"])
def test_a_version_is_not_uploaded_over_a_deployment_that_came_after_the_check(
    kubeflow: Kubeflow, meanwhile: DeploymentNotes
) -> None:
    server = Server(kubeflow.url)
    grant = deploy.grant(server, TARGET, FLOW, TokenOptions(authorize=DEPLOYED.token))
    deploy.create(server, meanwhile, TARGET, DOCUMENTS, "meanwhile")
    noted = DeploymentNotes(FLOW, "bob", grant.token)
    with pytest.raises(
        Refused, match=f"was deployed meanwhile by '{meanwhile.owner}'.*Run it again: kubeflow-pipelines create"
    ):
        deploy.create(server, noted, TARGET, DOCUMENTS, "late", grant=grant)
    assert [each["name"] for each in kubeflow.versions["pipeline-1"]][1:] == ["meanwhile"]


def test_a_further_version_of_the_same_owner_and_token_hinders_nobody(kubeflow: Kubeflow) -> None:
    server = Server(kubeflow.url)
    grant = deploy.grant(server, TARGET, FLOW, TokenOptions(authorize=DEPLOYED.token))
    deploy.create(server, DEPLOYED, TARGET, DOCUMENTS, "meanwhile")
    deploy.create(server, DeploymentNotes(FLOW, "bob", grant.token), TARGET, DOCUMENTS, "late", grant=grant)
    assert [each["name"] for each in kubeflow.versions["pipeline-1"]][1:] == ["meanwhile", "late"]


@pytest.mark.parametrize("has_version", [True, False])
def test_a_first_version_is_not_uploaded_when_a_pipeline_came_after_the_check(
    kubeflow: Kubeflow, has_version: bool
) -> None:
    kubeflow.pipelines.clear()
    server = Server(kubeflow.url)
    grant = deploy.grant(server, TARGET, FLOW, TokenOptions())
    deploy.create(server, DEPLOYED, TARGET, DOCUMENTS, "meanwhile")
    if not has_version:
        kubeflow.versions["pipeline-1"].clear()
    with pytest.raises(Refused, match="was deployed meanwhile"):
        deploy.create(server, DeploymentNotes(FLOW, "bob", grant.token), TARGET, DOCUMENTS, "late", grant=grant)
    assert "late" not in [each["name"] for each in kubeflow.versions["pipeline-1"]]


def test_a_pipeline_without_versions_and_one_that_was_deleted_are_free(
    kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compat, "username", lambda: "bob")
    server = Server(kubeflow.url)
    kubeflow.versions["pipeline-1"].clear()
    grant = deploy.grant(server, TARGET, FLOW, TokenOptions())
    deploy.create(server, DeploymentNotes(FLOW, "bob", grant.token), TARGET, DOCUMENTS, "first", grant=grant)
    grant = deploy.grant(server, TARGET, FLOW, TokenOptions())
    deploy.delete(server, FLOW, "testflow")
    deploy.create(server, DeploymentNotes(FLOW, "bob", grant.token), TARGET, DOCUMENTS, "anew", grant=grant)
    assert [each["name"] for each in kubeflow.versions["pipeline-1"]] == ["anew"]
