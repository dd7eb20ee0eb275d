"""A value for every attribute of Metaflow's decorators that is not its default, and small flows that have it."""

# mypy: disable-error-code="untyped-decorator"
# Metaflow's decorators have no types.

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import metaflow
from metaflow import FlowSpec, step
from metaflow.metaflow_environment import MetaflowEnvironment
from metaflow.plugins import STEP_DECORATORS

from bridge.tests.lib.graphs import TARGET
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import cli, compat, deploy, describe
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler import checks
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents, Payload, emit
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Flow, Target
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.read import read, with_interpreters
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import structure
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.wiring import wire

REFUSED = "refused"
# Refused unless it stands beside @parallel; there it is part of what test_emit compares.
REFUSED_ALONE = "refused alone"
IN_THE_POD = ".decospecs"

Value = tuple[Any, dict[str, Any], str]

# A value for every attribute of a step's decorators, what else must be given with it, and where it shows.
VALUES: Mapping[str, Mapping[str, Value]] = {
    "kubernetes": {
        "cpu": (3, {}, ".resourceCpuRequest"),
        "memory": (5000, {}, ".resourceMemoryRequest"),
        "disk": (20000, {}, REFUSED),
        "image": ("other:1", {}, ".container.image"),
        "image_pull_policy": ("Always", {}, ".imagePullPolicy"),
        "image_pull_secrets": (["registry"], {}, ".imagePullSecret"),
        "service_account": ("trainer", {}, "service_account"),
        "secrets": (["db"], {}, ".secretAsVolume"),
        "node_selector": ({"disk": "fast"}, {}, ".nodeSelector"),
        "namespace": ("elsewhere", {}, REFUSED),
        "gpu": (2, {}, ".accelerator"),
        "gpu_vendor": ("amd", {"gpu": 2}, ".resourceType"),
        "tolerations": ([{"key": "gpu", "operator": "Exists"}], {}, ".tolerations"),
        "labels": ({"team": "blue"}, {}, ".podMetadata"),
        "annotations": ({"note": "x"}, {}, ".podMetadata"),
        "use_tmpfs": (True, {}, ".emptyDirMounts"),
        "tmpfs_tempdir": (False, {"use_tmpfs": True}, ".METAFLOW_TEMPDIR"),
        "tmpfs_size": (64, {"use_tmpfs": True}, ".sizeLimit"),
        "tmpfs_path": ("/scratch", {"use_tmpfs": True}, ".mountPath"),
        "persistent_volume_claims": ({"data": "/data"}, {}, ".pvcMount"),
        "shared_memory": (64, {}, ".emptyDirMounts"),
        "port": (8080, {}, REFUSED),
        "compute_pool": ("fast", {}, ".nodeSelector"),
        "executable": ("/opt/bin/python", {}, ".interpreter"),
        "hostname_resolution_timeout": (5, {}, REFUSED_ALONE),
        "qos": ("Guaranteed", {}, ".resourceCpuLimit"),
        "extended_resources": ({"vendor.com/device": 1}, {}, ".accelerator"),
        "security_context": ({"run_as_user": 1000}, {}, ".securityContext"),
    },
    "pytorch_parallel": {"master_port": (29500, {}, IN_THE_POD)},
    "resources": {
        "cpu": (3, {}, ".resourceCpuRequest"),
        "memory": (5000, {}, ".resourceMemoryRequest"),
        "gpu": (2, {}, ".accelerator"),
        "disk": (20000, {}, REFUSED),
        "shared_memory": (64, {}, ".emptyDirMounts"),
    },
    "retry": {
        "times": (1, {}, ".maxRetryCount"),
        "minutes_between_retries": (7, {}, ".backoffDuration"),
    },
    "catch": {"var": ("failed", {}, IN_THE_POD), "print_exception": (False, {}, IN_THE_POD)},
    "timeout": {unit: (2, {}, ".timeout_seconds") for unit in ("seconds", "minutes", "hours")},
    "environment": {"vars": ({"COLOUR": "blue"}, {}, ".COLOUR")},
    "secrets": {
        "sources": (["inline.x"], {}, IN_THE_POD),
        "role": ("reader", {}, IN_THE_POD),
        "allow_override": (True, {}, IN_THE_POD),
    },
    "card": {
        "type": ("blank", {}, IN_THE_POD),
        "options": ({"only_repr": True}, {}, IN_THE_POD),
        "scope": ("run", {}, IN_THE_POD),
        "rank": ("high", {}, IN_THE_POD),
        "timeout": (7, {}, IN_THE_POD),
        "id": ("report", {}, IN_THE_POD),
        "save_errors": (False, {}, IN_THE_POD),
        "customize": (True, {}, IN_THE_POD),
        "refresh_interval": (2, {}, IN_THE_POD),
    },
}

FLOW_VALUES: Mapping[str, Mapping[str, Value]] = {
    "schedule": {
        "cron": ("5 4 * * *", {}, ".schedule"),
        "weekly": (True, {}, ".schedule"),
        "daily": (False, {}, ".schedule"),
        "hourly": (True, {}, ".schedule"),
        "timezone": ("Europe/Zurich", {}, REFUSED),
    },
    "project": {
        "name": ("another", {"name": "usual"}, ".pipelineInfo.name"),
        "branch": ("other", {"name": "usual"}, ".pipelineInfo.name"),
        "production": (True, {"name": "usual"}, ".pipelineInfo.name"),
    },
}


@dataclass(frozen=True)
class Compiled:
    """What is wrong with a flow; where nothing is, its documents, and all that is deployed of it, value by path."""

    problems: list[str]
    documents: Documents | None = None
    values: Mapping[str, Any] | None = None


def compiled(state: Any, target: Target = TARGET) -> Compiled:
    """What `create` makes of the flow, but for the pipeline's name: that is the flow's own."""
    target = replace(target, pipeline=cli._pipeline_name(deploy.identity(state), None))
    flow = settled(state)
    problems = [str(each) for each in checks.problems(flow, target)]
    if problems:
        return Compiled(problems)
    documents = emit(flow, wire(flow, structure(flow)), target, Payload(("sh",), "s3://bucket/record"))
    code = describe.StoredCode("s3://bucket/code", "0" * 40, "{}")
    record = describe.deployment(flow, target, code, describe.Ownership("tester", "token"))
    whole = {
        "pipeline": documents.pipeline,
        "platform": documents.platform,
        "service_account": documents.service_account,
        "record": json.loads(record.to_json()),
        "schedule": deploy.scheduled(state),
    }
    return Compiled([], documents, dict(_paths(whole, "")))


def settled(state: Any) -> Flow:
    """The flow as the compiler's later stages see it."""
    compat.attach_kubernetes(state)
    return with_interpreters(state, read(state))


def flow_with(
    decorator: str | None,
    attributes: Mapping[str, Any],
    of_flow: str | None = None,
    said: Mapping[str, Any] | None = None,
) -> Any:
    """What Metaflow's command line would have set up for a flow of two steps, both with the decorator; and for a flow
    that has the decorator `of_flow`, with the attributes `said`.
    """

    class TwoStepsFlow(FlowSpec):  # type: ignore[misc]
        @step
        def start(self) -> None:
            self.next(self.end)

        @step
        def end(self) -> None:
            pass

    decorate = getattr(metaflow, of_flow)(**(said or {})) if of_flow is not None else lambda each: each
    flow = decorate(TwoStepsFlow)(use_cli=False)
    known = {each.name: each for each in STEP_DECORATORS}
    for each in flow:
        each.decorators[:] = [known[decorator](attributes=dict(attributes))] if decorator else []
    type(flow)._init_graph()
    state = SimpleNamespace(
        flow=flow,
        graph=flow._graph,
        environment=MetaflowEnvironment(flow),
        flow_datastore=SimpleNamespace(TYPE="s3", datastore_root="s3://bucket/metaflow"),
        metadata=SimpleNamespace(TYPE="service", add_sticky_tags=_nothing),
        event_logger=SimpleNamespace(TYPE="nullSidecarLogger"),
        monitor=SimpleNamespace(TYPE="nullSidecarMonitor"),
        logger=_nothing,
        echo=_nothing,
    )
    surroundings = (flow, state.graph, state.environment, state.flow_datastore)
    for each in flow:
        for given in each.decorators:
            given.external_init()
            if given.name != "kubernetes":
                given.step_init(
                    flow, state.graph, each.name, each.decorators, state.environment, state.flow_datastore, state.logger
                )
    for given in compat.flow_decorators(state):
        options = {name: option["default"] for name, option in given.options.items()}
        given.flow_init(*surroundings, state.metadata, state.logger, state.echo, options)
    return state


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _paths(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for key, each in value.items():
                yield from _paths(each, f"{path}.{key}")
        case list():
            for number, each in enumerate(value):
                yield from _paths(each, f"{path}.{number}")
        case _:
            yield path, value
