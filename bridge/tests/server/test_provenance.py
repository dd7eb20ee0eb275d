"""What a description says is read back, and what is not ours is nobody's."""

import json

import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines import provenance
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import (
    DeploymentNotes,
    FlowIdentity,
    TakenParameter,
)
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused

PLAIN = FlowIdentity("TestFlow")
BRANCH = FlowIdentity("TestFlow", "demo", "user.alice, the second")
PARAMETERS = (
    TakenParameter("learning-rate", "float"),
    TakenParameter("text", "str", required=True),
    TakenParameter("document", "FilePath", is_text=False, encoding="latin-1"),
)


@pytest.mark.parametrize("identity", [PLAIN, BRANCH])
def test_a_pipeline_says_whose_it_is(identity: FlowIdentity) -> None:
    assert provenance.identity_of(provenance.describe_pipeline(identity)) == identity


@pytest.mark.parametrize(
    "notes",
    [
        DeploymentNotes(PLAIN, "alice"),
        DeploymentNotes(BRANCH, "bob, deployed by mistake", "mfprj-abc-0-wxyz", PARAMETERS),
        DeploymentNotes(PLAIN, "ünïcode", "token", None),
    ],
)
def test_a_version_says_all_that_was_noted(notes: DeploymentNotes) -> None:
    description = provenance.describe_version(notes)
    assert provenance.notes_of(description) == notes
    assert description.partition("\n")[2].isascii()


def test_the_first_line_is_for_people() -> None:
    said = provenance.describe_version(DeploymentNotes(FlowIdentity("TestFlow", "demo", "prod"), "alice", "token"))
    assert said.splitlines()[0] == "Metaflow flow TestFlow of project demo, branch prod, deployed by alice"


def test_descriptions_of_others_are_nobodys() -> None:
    assert provenance.identity_of("somebody's own") is None
    assert provenance.notes_of("") is None


def test_descriptions_of_the_first_form_are_read_without_what_they_do_not_say() -> None:
    assert provenance.identity_of("Metaflow flow TestFlow") == PLAIN
    assert provenance.notes_of("Metaflow flow TestFlow, deployed by alice") == DeploymentNotes(
        PLAIN, "alice", None, None
    )


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        json.dumps({"schema": 2, "flow": "TestFlow", "owner": "alice"}),
        json.dumps({"schema": 1, "flow": "TestFlow"}),
        json.dumps({"schema": 1, "flow": "TestFlow", "owner": "alice", "parameters": [["a", "int", {"unknown": 1}]]}),
        json.dumps({"schema": 1, "flow": "TestFlow", "owner": "alice", "parameters": [["a"]]}),
    ],
)
def test_what_begins_as_ours_and_cannot_be_read_is_refused(line: str) -> None:
    with pytest.raises(Refused, match="is not one that this version of the extension can read"):
        provenance.notes_of(f"Metaflow flow TestFlow, deployed by alice\n{line}")
