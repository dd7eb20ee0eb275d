"""Whose a deployment is and what it takes, as Kubeflow Pipelines keeps it: in the descriptions of pipeline and version.

A description is a sentence for people, and below it one line of JSON for this module. A pipeline's says from which flow
it is made (`FlowIdentity`: flow, and the project and branch of @project), for as long as the pipeline lives. A
version's says more (`DeploymentNotes`: who deployed it, the production token of its runs, and the parameters that it
takes, each with name, type and whether it must be given), for that may change with every version.

Descriptions of another form are nobody's of ours. One that begins as ours do and cannot be read is refused, so that
no pipeline is taken over because of it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from .refusals import Refused

PREFIX = "Metaflow flow "
SCHEMA = 1


class Unreadable(Refused):
    """A description begins as ours do, and this version of the extension cannot read it."""


@dataclass(frozen=True)
class FlowIdentity:
    """What tells one deployed flow from another: its name, and the project and branch that @project gives it."""

    flow: str
    project: str | None = None
    branch: str | None = None

    def __str__(self) -> str:
        of_project = f" of project {self.project!r}, branch {self.branch!r}" if self.project else ""
        return f"{self.flow!r}{of_project}"


@dataclass(frozen=True)
class TakenParameter:
    """A parameter of the deployed flow. `kind` is Metaflow's name of its type: str, int, float, bool, JSON, FilePath.

    `is_text` and `encoding` are those of an IncludeFile, whose kind is FilePath.
    """

    name: str
    kind: str
    required: bool = False
    is_text: bool = True
    encoding: str = "utf-8"


@dataclass(frozen=True)
class DeploymentNotes:
    """One deployed version: whose it is, and what `trigger` may give it. `token` is the production token.

    `parameters` is None for a version whose description does not say them. `service_account` is that of its runs, None
    for the server's own.
    """

    identity: FlowIdentity
    owner: str
    token: str | None = None
    parameters: tuple[TakenParameter, ...] | None = ()
    service_account: str | None = None


def describe_pipeline(identity: FlowIdentity) -> str:
    """The description of a flow's pipeline."""
    return _described(_sentence(identity), _identity_document(identity))


def describe_version(notes: DeploymentNotes) -> str:
    """The description of a version."""
    document = _identity_document(notes.identity) | {"owner": notes.owner}
    if notes.token is not None:
        document["token"] = notes.token
    if notes.service_account is not None:
        document["service_account"] = notes.service_account
    if notes.parameters is not None:
        document["parameters"] = [_said_parameter(each) for each in notes.parameters]
    return _described(f"{_sentence(notes.identity)}, deployed by {notes.owner}", document)


def identity_of(description: str) -> FlowIdentity | None:
    """The flow that a pipeline with this description was made from; None when it is not a pipeline of Metaflow's.

    Unreadable when it begins like one of ours and cannot be read.
    """
    document = _read(description)
    return None if document is None else _identity(document)


def notes_of(description: str) -> DeploymentNotes | None:
    """What a version with this description says; None when the extension did not write it.

    Unreadable when it begins like one of ours and cannot be read.
    """
    document = _read(description)
    if document is None:
        return None
    parameters = document.get("parameters")
    return DeploymentNotes(
        _identity(document),
        _text(document, "owner"),
        document.get("token"),
        None if parameters is None else tuple(_parameters(parameters)),
        document.get("service_account"),
    )


def service_account_of(description: str) -> str | None:
    """The service account of the runs of a version with this description; None for the server's own."""
    notes = notes_of(description)
    return notes.service_account if notes else None


def _sentence(identity: FlowIdentity) -> str:
    of_project = f" of project {identity.project}, branch {identity.branch}" if identity.project else ""
    return f"{PREFIX}{identity.flow}{of_project}"


def _described(sentence: str, document: dict[str, Any]) -> str:
    # The upload API takes a version's description as part of its URL, so the JSON is short and plain ASCII.
    return f"{sentence}\n{json.dumps({'schema': SCHEMA, **document}, sort_keys=True, separators=(',', ':'))}"


def _identity_document(identity: FlowIdentity) -> dict[str, Any]:
    return {name: value for name, value in asdict(identity).items() if value is not None}


def _said_parameter(parameter: TakenParameter) -> list[Any]:
    """Name and kind, and then what is not usual."""
    said: list[Any] = [parameter.name, parameter.kind]
    usual = TakenParameter(parameter.name, parameter.kind)
    if unusual := {name: value for name, value in asdict(parameter).items() if value != getattr(usual, name)}:
        said.append(unusual)
    return said


def _read(description: str) -> dict[str, Any] | None:
    if not description.startswith(PREFIX):
        return None
    sentence, _, line = description.partition("\n")
    if not line:
        return _from_sentence(sentence)
    try:
        document = json.loads(line)
    except ValueError:
        raise _unreadable(sentence) from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise _unreadable(sentence)
    return document


def _from_sentence(sentence: str) -> dict[str, Any]:
    """The first form of these descriptions had the sentence alone: the flow, and for a version the deployer."""
    flow, _, owner = sentence.removeprefix(PREFIX).partition(", deployed by ")
    return {"flow": flow.strip(), "owner": owner}


def _identity(document: dict[str, Any]) -> FlowIdentity:
    return FlowIdentity(_text(document, "flow"), document.get("project"), document.get("branch"))


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise _unreadable(f"{PREFIX}{document.get('flow')}")
    return value


def _parameters(said: Iterable[Any]) -> Iterable[TakenParameter]:
    for each in said:
        try:
            name, kind, *unusual = each
            yield TakenParameter(name, kind, **(unusual[0] if unusual else {}))
        except (TypeError, ValueError):
            raise _unreadable(f"parameter {each!r}") from None


def _unreadable(what: str) -> Unreadable:
    return Unreadable(
        f"Kubeflow Pipelines: the description {what!r} is not one that this version of the extension can read. "
        "Use the version that deployed the flow, or delete the pipeline on Kubeflow's own page."
    )
