"""What can be done with a flow on Kubeflow Pipelines. The command line is one door to it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from . import (
    compat,
    compat_parameters,
    deployed_steps,
    guard,
    inputs,
    names,
    provenance,
    reasons,
    schedules,
    stored,
    support,
    tokens,
)
from .compiler import attributes, checks, cron, size, wrong_graph
from .compiler.emit import Documents, Payload, emit
from .compiler.fuse import fuse
from .compiler.ir import Flow, Target
from .compiler.problem import Problem
from .compiler.read import read, with_interpreters
from .compiler.structure import structure
from .compiler.wiring import wire
from .describe import Keep, StoredCode, deployment, ownership
from .guard import Recall
from .pod import boot
from .provenance import DeploymentNotes, FlowIdentity, TakenParameter
from .refusals import Refused
from .server import DEFAULT_EXPERIMENT, Conflict, Pipeline, Server, Version
from .shared_pods import Look, in_datastore, unseen
from .tokens import Owner, TokenOptions


@dataclass(frozen=True)
class Deployed:
    """What `create` left: the pipeline, its version, whether this very version was there already, and its schedule."""

    pipeline: Pipeline
    version: Version
    unchanged: bool
    schedule: schedules.Kept = field(default_factory=lambda: schedules.Kept("none"))


@dataclass(frozen=True)
class Grant:
    """The production token of a version that is about to be made, and what stood on the server when it was granted:
    whether there was a pipeline, and the notes of its newest version.
    """

    token: str
    has_pipeline: bool
    deployed: DeploymentNotes | None


@dataclass(frozen=True)
class RunStatus:
    """How a run stands. `state` is in the API's words; `error` says in one line why it failed. `steps` are those of the
    flow that it was made from, in their order.
    """

    run_id: str
    kubeflow_run_id: str
    state: str
    error: str | None
    tasks: tuple[reasons.StepState, ...] = field(default_factory=tuple)
    steps: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The same for a program to read."""
        tasks = [
            {"step": task.step, "indexes": list(task.indexes), "state": task.state, "error": task.error}
            for task in self.tasks
        ]
        return {
            "run_id": self.run_id,
            "kubeflow_run_id": self.kubeflow_run_id,
            "state": self.state,
            "error": self.error,
            "tasks": tasks,
        }


def check_flow(state: compat.State, target: Target, asked: Sequence[Problem] = ()) -> None:
    """Refused with every problem that shows in the flow as it is written, one a line, behind those of what was asked
    on the command line.
    """
    if (missing := compat.lacks(state)) is not None:
        raise Refused(
            f"flow {state.flow.name!r}: needs {missing}, and Metaflow {compat.version()} is installed. "
            f"Install Metaflow {support.SINCE[missing]} or newer."
        )
    wrong, flow = compat.lint(state), read(state)
    of_graph = [] if wrong is None else [wrong_graph.problem(flow, wrong)]
    _refuse([*asked, *of_graph, *checks.problems(flow, target)])


def check_decorators(state: compat.State) -> None:
    """Refused when Metaflow could not read a decorator: the flow is then no flow that a command can speak of."""
    if compat.has_mistakes(state):
        flow = read(state)
        _refuse([*attributes.existing(flow), *attributes.initialised(flow)])


def identity(state: compat.State) -> FlowIdentity:
    """What tells this flow's deployments from those of others."""
    project = compat.project(state)
    return FlowIdentity(state.flow.name) if project is None else FlowIdentity(state.flow.name, *project)


def owner(of: FlowIdentity, pipeline: str) -> Owner:
    """Who works on the flow's deployments from here."""
    return Owner(compat.username(), names.token_prefix(pipeline, of.project, of.branch), of.project is not None)


def notes(state: compat.State, token: str) -> DeploymentNotes:
    """What the version that is about to be made will say of itself."""
    parameters = tuple(
        TakenParameter(**compat_parameters.parameter_facts(each)) for each in compat_parameters.parameters(state)
    )
    return DeploymentNotes(identity(state), compat.username(), token, parameters)


def grant(server: Server, target: Target, of: FlowIdentity, options: TokenOptions) -> Grant:
    """The production token of the version that is about to be made. Refused when this user may not make one."""
    pipeline = server.find_pipeline(target.pipeline)
    deployed = None
    if pipeline is not None:
        guard.check_pipeline(pipeline, of)
        deployed = guard.newest_notes(server, pipeline)
    token = tokens.for_new_version(target.pipeline, deployed, owner(of, target.pipeline), options)
    return Grant(token, pipeline is not None, deployed)


def compile_flow(
    state: compat.State, target: Target, *, token: str, tags: Sequence[str], namespace: str | None, keep: bool
) -> Documents:
    """Make the documents of a flow that check_flow() let pass. With `keep`, code and record are stored too.

    Refused, before anything is stored, with the problems that show only when defaults, --with and @resources have met
    in each step's @kubernetes, and when the runs would be too large for Argo.
    """
    compat.attach_kubernetes(state)
    flow = read(state)
    _refuse(checks.problems(flow, target))
    packed = compat.package(state)
    flow = with_interpreters(state, flow)
    root = wire(flow, fuse(structure(flow), target), target.loops)
    command = tuple(boot.command(compat.init_script()))
    _refuse(size.problems(flow, emit(flow, root, target, Payload(command, _any_url(flow))), target))
    put: Keep = _keep(state) if keep else _only_locate(state)
    flow = inputs.settled(flow, _files(state, flow, keep), put)
    url, sha = put(packed.blob)
    record = deployment(flow, target, StoredCode(url, sha, packed.metadata), ownership(token, tags, namespace))
    record_url, _ = put(boot.blob(record))
    return emit(flow, root, target, Payload(command, record_url))


def create(
    server: Server,
    noted: DeploymentNotes,
    target: Target,
    documents: Documents,
    version_name: str | None,
    *,
    cron: str | None = None,
    experiment: str | None = None,
    grant: Grant | None = None,
) -> Deployed:
    """Upload the documents as the newest version of the flow's pipeline, which is made when there is none.

    `cron` is when the version runs by itself, in Kubeflow's words; without it a schedule of an earlier version goes.
    `experiment` is where its runs go; without it they go where those of the earlier schedule went. `grant` is what
    the token was granted by: refused when another's deployment has come since. Refused when the server stored something
    else; the version is then taken away again, if it was not there before.
    """
    text = documents.text()
    pipeline = server.find_pipeline(target.pipeline)
    if pipeline is None:
        pipeline = server.create_pipeline(target.pipeline, provenance.describe_pipeline(noted.identity))
        grant = None
    guard.check_pipeline(pipeline, noted.identity)
    if grant is not None:
        _check_still_granted(server, pipeline, grant)
    noted = replace(noted, service_account=documents.service_account)
    description = provenance.describe_version(noted)
    version, unchanged = _uploaded(server, pipeline, documents, version_name, description)
    _check_stored(server, pipeline, version, text, description, unchanged)
    kept = schedules.keep(server, pipeline, version, cron, experiment)
    return Deployed(pipeline, version, unchanged, kept)


def content(documents: Documents) -> str:
    """The name of the version with these documents."""
    return hashlib.sha256((documents.text() + (documents.service_account or "")).encode()).hexdigest()[:12]


def scheduled(state: compat.State) -> str | None:
    """When the flow runs by itself, in Kubeflow's words; None when it does not. For a flow that the checks let pass."""
    expression = compat.schedule(state)
    return None if expression is None else cron.convert(expression)


def trigger(
    server: Server,
    of: FlowIdentity,
    name: str,
    parameters: Mapping[str, Any],
    store: inputs.Store,
    *,
    version_name: str | None,
    experiment: str | None,
) -> str:
    """Start a run of the flow's pipeline, the newest version or the one named; gives Metaflow's run id.

    `parameters` are values by the parameters' names, as inputs.texts takes them; large ones go through `store`.
    """
    pipeline = guard.flow_pipeline(server, of, name)
    version = guard.version(server, pipeline, version_name)
    noted = provenance.notes_of(version.description)
    texts = inputs.texts(noted, parameters, version.name)
    started = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    given = inputs.fitting(texts, store)
    runs_as = noted.service_account if noted else None
    run = server.start_run(pipeline, version, f"{name} {started}", given, experiment or DEFAULT_EXPERIMENT, runs_as)
    return names.run_id(run)


def status(
    server: Server,
    of: FlowIdentity,
    name: str,
    run_id: str,
    steps: Mapping[str, bool],
    recall: Recall,
    look: Look = unseen,
) -> RunStatus:
    """How the run stands, by either of its ids.

    `steps` says of every step of the flow's file whether it is a foreach. It stands in for what the run was made from
    when that is deleted. `look` asks the datastore about the tasks in pods that run several.
    """
    found = guard.flow_run(server, of, name, run_id, recall)
    run = found.run
    workflow = server.workflow(run.id)
    deployed = server.documents(found.pipeline, found.version) if found.pipeline and found.version else {}
    steps = deployed_steps.steps(deployed) or steps
    known = names.task_names(steps, [step for step, is_foreach in steps.items() if is_foreach])
    ended = in_datastore(names.run_id(run.id), look)
    states = reasons.step_states(run, workflow, known, ended, deployed_steps.chains(deployed))
    stands = "CANCELED" if reasons.was_terminated(run, workflow) else run.state
    error = reasons.run_error(run, workflow, states)
    return RunStatus(names.run_id(run.id), run.id, stands, error, tuple(states), tuple(steps))


def terminate(
    server: Server, of: FlowIdentity, name: str, run_id: str, recall: Recall, authorize: str | None = None
) -> str:
    """Stop the run; gives its id as Metaflow has it."""
    found = guard.flow_run(server, of, name, run_id, recall)
    tokens.check(name, found.notes, owner(of, name), authorize, "terminate")
    run = found.run
    if run.state in ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"):
        raise Refused(
            f"run {names.run_id(run.id)}: has ended already, {run.state.lower()}. There is nothing to terminate."
        )
    server.terminate(run.id)
    return names.run_id(run.id)


def delete(server: Server, of: FlowIdentity, name: str, authorize: str | None = None) -> None:
    """Delete the flow's pipeline with its schedule and all its versions."""
    pipeline = guard.flow_pipeline(server, of, name)
    tokens.check(name, guard.newest_notes(server, pipeline), owner(of, name), authorize, "delete")
    schedules.remove(server, pipeline)
    server.delete_pipeline(pipeline)


def deployments(server: Server, flow_name: str | None) -> list[tuple[str, str]]:
    """Pipelines that were made from this flow, in whatever project and branch, or from any; each with its flow's name.

    A pipeline whose description cannot be read is nobody's.
    """
    found = ((pipeline.name, _flow_of(pipeline)) for pipeline in server.pipelines())
    return [(name, flow) for name, flow in found if flow is not None and flow_name in (None, flow)]


def _any_url(flow: Flow) -> str:
    """As long as the URL of something that is stored for the flow."""
    return f"{flow.datastore_root}/{flow.name}/data/00/{'0' * 40}"


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise Refused("\n".join(str(problem) for problem in problems))


def _files(state: compat.State, flow: Flow, keep: bool) -> dict[str, Any]:
    """What stands for the default file of each IncludeFile that has one."""
    paths = {each.name: each.file for each in flow.parameters if each.file is not None}
    return {
        each.name: compat_parameters.include_file(state, each, paths[each.name], keep)
        for each in compat_parameters.parameters(state)
        if each.name in paths
    }


def _keep(state: compat.State) -> Keep:
    return lambda blob: compat.store(state, blob)


def _only_locate(state: compat.State) -> Keep:
    return lambda blob: compat.locate(state, blob)


def _check_still_granted(server: Server, pipeline: Pipeline, grant: Grant) -> None:
    """Refused when another's version, or a new token, has come while this version was compiled and its code stored: it
    would be the newest, and with it the token of before would count again.
    """
    before, now = grant.deployed, guard.newest_notes(server, pipeline)
    if now is None and grant.has_pipeline:
        return
    if before and now and (before.owner, before.token) == (now.owner, now.token):
        return
    by = f" by {now.owner!r}" if now else ""
    raise Refused(
        f"pipeline {pipeline.name!r}: was deployed meanwhile{by}, and nothing is uploaded over it. "
        "Run it again: kubeflow-pipelines create."
    )


def _uploaded(
    server: Server, pipeline: Pipeline, documents: Documents, name: str | None, description: str
) -> tuple[Version, bool]:
    """The version with these documents, and whether it was there already as the newest."""
    text = documents.text()
    if name is not None:
        return _upload(server, pipeline, name, text, description), False
    named = content(documents)
    newest = next(server.versions(pipeline), None)
    if newest is not None and newest.name.split("-")[0] == named:
        return newest, True
    try:
        return server.upload_version(pipeline, named, text, description), False
    except Conflict:
        # An older version had these very bytes; Kubeflow Pipelines runs the newest, so they are uploaded once more.
        stamp = datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S")
        return server.upload_version(pipeline, f"{named}-{stamp}", text, description), False


def _check_stored(
    server: Server, pipeline: Pipeline, version: Version, text: str, description: str, unchanged: bool
) -> None:
    """Refused when the server holds something else. Without its description a version would be nobody's, and its
    production token would protect nothing.
    """
    found = server.stored(pipeline, version)
    place = stored.difference(text, found.documents)
    if place is None and found.description != description:
        place = "the version's description"
    if place is None:
        return
    if unchanged:
        raise Refused(
            f"pipeline {pipeline.name!r}: its version {version.name!r} was there before, and Kubeflow Pipelines at "
            f"{server.url} holds something else under that name, at {place}. It is left as it is: upload the flow as "
            "another version with --version-name, or delete that one on Kubeflow's own page."
        )
    server.delete_version(pipeline, version)
    raise Refused(
        f"Kubeflow Pipelines at {server.url}: has stored something else than it was given, at {place}; the version "
        f"{version.name!r} is taken away again. Say with --server-version what the server is, and report this."
    )


def _upload(server: Server, pipeline: Pipeline, name: str, text: str, description: str) -> Version:
    try:
        return server.upload_version(pipeline, name, text, description)
    except Conflict:
        raise Refused(
            f"pipeline {pipeline.name!r}: has a version {name!r} already. Give another --version-name."
        ) from None


def _flow_of(pipeline: Pipeline) -> str | None:
    try:
        found = provenance.identity_of(pipeline.description)
    except provenance.Unreadable:
        return None
    return found.flow if found else None
