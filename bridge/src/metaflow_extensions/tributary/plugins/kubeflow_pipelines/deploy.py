"""What can be done with a flow on Kubeflow Pipelines. The command line is one door to it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from . import compat, names, reasons
from .compiler import checks
from .compiler.emit import Documents, Payload, emit
from .compiler.ir import Target
from .compiler.read import encode, read
from .compiler.structure import structure
from .compiler.wiring import wire
from .describe import Keep, StoredCode, deployment, ownership
from .pod import boot
from .refusals import Refused
from .server import Conflict, NotFound, Pipeline, Server, Version

# A pipeline's description begins so; by this the flow's name is read back.
DESCRIPTION = "Metaflow flow "

# Kubeflow Pipelines' limit for all parameters of a run together.
PARAMETER_BYTES = 10_000

DEFAULT_EXPERIMENT = "Default"


@dataclass(frozen=True)
class Deployed:
    """What `create` left: the pipeline, its version, and whether this very version was there already."""

    pipeline: Pipeline
    version: Version
    unchanged: bool


@dataclass(frozen=True)
class RunStatus:
    """How a run stands. `state` is in the API's words; `error` says in one line why it failed."""

    run_id: str
    kubeflow_run_id: str
    state: str
    error: str | None
    tasks: tuple[reasons.StepState, ...] = field(default_factory=tuple)

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


def check_flow(state: compat.State, target: Target) -> None:
    """Refused with every problem that shows in the flow as it is written, one a line."""
    compat.lint(state)
    _refuse(checks.problems(read(state), target))


def compile_flow(
    state: compat.State, target: Target, *, tags: Sequence[str], namespace: str | None, keep: bool
) -> Documents:
    """Make the documents of a flow that check_flow() let pass. With `keep`, code and record are stored too.

    Refused with the problems that show only when defaults, --with and @resources have met in each step's @kubernetes.
    """
    compat.attach_kubernetes(state)
    flow = read(state)
    _refuse(checks.problems(flow, target))
    put: Keep = _keep(state) if keep else _only_locate(state)
    packed = compat.package(state)
    url, sha = put(packed.blob)
    record = deployment(flow, target, StoredCode(url, sha, packed.metadata), ownership(tags, namespace))
    record_url, _ = put(boot.blob(record))
    return emit(flow, wire(flow, structure(flow)), target, Payload(tuple(boot.command()), record_url))


def create(server: Server, flow_name: str, target: Target, documents: Documents, version_name: str | None) -> Deployed:
    """Upload the documents as the newest version of the flow's pipeline, which is made when there is none."""
    text = documents.text()
    pipeline = server.find_pipeline(target.pipeline)
    if pipeline is None:
        pipeline = server.create_pipeline(target.pipeline, f"{DESCRIPTION}{flow_name}")
    _check_owner(pipeline, flow_name)
    content = hashlib.sha256(text.encode()).hexdigest()[:12]
    newest = next(server.versions(pipeline), None)
    if version_name is None and newest is not None and newest.name.split("-")[0] == content:
        return Deployed(pipeline, newest, unchanged=True)
    description = f"{DESCRIPTION}{flow_name}, deployed by {compat.username()}"
    if version_name is not None:
        return Deployed(pipeline, _upload(server, pipeline, version_name, text, description), unchanged=False)
    try:
        version = server.upload_version(pipeline, content, text, description)
    except Conflict:
        # An older version had these very bytes; Kubeflow Pipelines runs the newest, so they are uploaded once more.
        stamp = datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S")
        version = server.upload_version(pipeline, f"{content}-{stamp}", text, description)
    return Deployed(pipeline, version, unchanged=False)


def trigger(
    server: Server,
    flow_name: str,
    name: str,
    parameters: Mapping[str, str],
    *,
    version_name: str | None,
    experiment: str | None,
) -> str:
    """Start a run of the flow's pipeline, the newest version or the one named; gives Metaflow's run id."""
    size = len(json.dumps(dict(parameters)).encode())
    if size > PARAMETER_BYTES:
        raise Refused(
            f"parameters: they take {size} bytes, and Kubeflow Pipelines allows {PARAMETER_BYTES} for a run. "
            "Put the large ones into a file in S3 and pass its name."
        )
    pipeline = _deployed(server, flow_name, name)
    version = _version(server, pipeline, version_name)
    started = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    run = server.start_run(pipeline, version, f"{name} {started}", parameters, experiment or DEFAULT_EXPERIMENT)
    return names.run_id(run)


def encoded_parameters(state: compat.State, values: Mapping[str, Any]) -> dict[str, str]:
    """Values of the flow's parameters as the pipeline's inputs."""
    inputs = names.input_names(each.name for each in compat.parameters(state))
    return {inputs[name]: encode(value) for name, value in values.items()}


def status(server: Server, flow_name: str, name: str, run_id: str, steps: Mapping[str, bool]) -> RunStatus:
    """How the run stands, by either of its ids. `steps` says of every step whether it is a foreach."""
    run = _run(server, flow_name, name, run_id)
    workflow = server.workflow(run.id)
    tasks, loops = names.task_names(steps, [step for step, is_foreach in steps.items() if is_foreach])
    known = {task: step for step, task in (*tasks.items(), *loops.items())}
    states = reasons.step_states(run, workflow, known)
    stands = "CANCELED" if reasons.was_terminated(run, workflow) else run.state
    return RunStatus(names.run_id(run.id), run.id, stands, reasons.run_error(run, workflow, states), tuple(states))


def terminate(server: Server, flow_name: str, name: str, run_id: str) -> str:
    """Stop the run; gives its id as Metaflow has it."""
    run = _run(server, flow_name, name, run_id)
    if run.state in ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"):
        raise Refused(
            f"run {names.run_id(run.id)}: has ended already, {run.state.lower()}. There is nothing to terminate."
        )
    server.terminate(run.id)
    return names.run_id(run.id)


def delete(server: Server, flow_name: str, name: str) -> None:
    """Delete the flow's pipeline with all its versions."""
    server.delete_pipeline(_deployed(server, flow_name, name))


def deployments(server: Server, flow_name: str | None) -> list[tuple[str, str]]:
    """Pipelines that were made from this flow, or from any, each with its flow's name."""
    found = ((pipeline.name, _flow_of(pipeline)) for pipeline in server.pipelines())
    return [(name, flow) for name, flow in found if flow is not None and flow_name in (None, flow)]


def _refuse(problems: Sequence[checks.Problem]) -> None:
    if problems:
        raise Refused("\n".join(str(problem) for problem in problems))


def _keep(state: compat.State) -> Keep:
    return lambda blob: compat.store(state, blob)


def _only_locate(state: compat.State) -> Keep:
    return lambda blob: compat.locate(state, blob)


def _upload(server: Server, pipeline: Pipeline, name: str, text: str, description: str) -> Version:
    try:
        return server.upload_version(pipeline, name, text, description)
    except Conflict:
        raise Refused(
            f"pipeline {pipeline.name!r}: has a version {name!r} already. Give another --version-name."
        ) from None


def _deployed(server: Server, flow_name: str, name: str) -> Pipeline:
    pipeline = server.find_pipeline(name)
    if pipeline is None:
        raise Refused(
            f"pipeline {name!r}: is not on Kubeflow Pipelines at {server.url}. "
            "Deploy it first: kubeflow-pipelines create."
        )
    _check_owner(pipeline, flow_name)
    return pipeline


def _check_owner(pipeline: Pipeline, flow_name: str) -> None:
    owner = _flow_of(pipeline)
    if owner != flow_name:
        whose = f"is made from flow {owner!r}" if owner else "was not made from a Metaflow flow"
        raise Refused(
            f"pipeline {pipeline.name!r}: {whose}. "
            f"Give flow {flow_name!r} another name: kubeflow-pipelines --name NAME."
        )


def _flow_of(pipeline: Pipeline) -> str | None:
    if not pipeline.description.startswith(DESCRIPTION):
        return None
    return pipeline.description.removeprefix(DESCRIPTION).split(",")[0].strip()


def _version(server: Server, pipeline: Pipeline, name: str | None) -> Version:
    for version in server.versions(pipeline):
        if name is None or version.name == name:
            return version
    what = "has no version" if name is None else f"has no version {name!r}"
    raise Refused(f"pipeline {pipeline.name!r}: {what}. Deploy one: kubeflow-pipelines create.")


def _run(server: Server, flow_name: str, name: str, run_id: str) -> Any:
    try:
        run = server.run(names.kubeflow_run_id(run_id))
    except NotFound:
        raise Refused(
            f"run {run_id!r}: Kubeflow Pipelines at {server.url} knows no such run. "
            "Look the id up where the run was started."
        ) from None
    pipeline = server.find_pipeline(name)
    if pipeline is not None and run.pipeline_id not in (None, pipeline.id):
        raise Refused(
            f"run {run_id!r}: is no run of pipeline {name!r}. Use the flow, and the --name, that it was started from."
        )
    return run
