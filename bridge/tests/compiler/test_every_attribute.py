"""Every attribute of every decorator, given a value that is not its default, changes what is deployed at a named place,
or is refused by its name. The attributes are read from Metaflow itself, so that a new one has no value here and fails.

A decorator whose own code reads an attribute in the pod travels there: in the flow's file, or, when it was given to
--with as it is here, among the record's decospecs.
"""

# mypy: disable-error-code="untyped-decorator"
# Metaflow's decorators have no types.

import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from metaflow import FlowSpec, step
from metaflow.metaflow_environment import MetaflowEnvironment
from metaflow.plugins import FLOW_DECORATORS, STEP_DECORATORS

from bridge.tests.lib.graphs import TARGET
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import compat, describe, support
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler import checks
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Payload, emit
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.read import read, with_interpreters
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.structure import structure
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.wiring import wire

REFUSED = "refused"
# Refused unless it stands beside @parallel; there it is part of what test_emit compares.
REFUSED_ALONE = "refused alone"
IN_THE_POD = ".decospecs"

# A value for every attribute, what else must be given with it, and where it shows.
VALUES: Mapping[str, Mapping[str, tuple[Any, dict[str, Any], str]]] = {
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

# These make environments, which test_environments compares.
ELSEWHERE = {"conda", "pypi"}

TOLD = sorted(
    (each for each in STEP_DECORATORS if support.step_decorator(each.name).how != "refused"),
    key=lambda each: each.name,
)
CASES = [
    (each.name, attribute)
    for each in TOLD
    if each.name not in ELSEWHERE | set(support.OTHER_STEP_DECORATORS)
    for attribute in each.defaults
]


@pytest.mark.parametrize(("decorator", "attribute"), CASES)
def test_a_value_that_is_not_the_default_shows_where_it_should(decorator: str, attribute: str) -> None:
    value, besides, place = VALUES[decorator][attribute]
    problems, found = deployed(decorator, {**besides, attribute: value})
    if place in (REFUSED, REFUSED_ALONE):
        assert (support.ATTRIBUTES[decorator][attribute].how == "refused") == (place == REFUSED)
        assert problems and all(f"@{decorator}({attribute}={value!r})" in problem for problem in problems)
        return
    assert problems == []
    # What is given beside an attribute, or @retry alone, changes something of its own.
    usual = deployed(decorator if besides or decorator == "retry" else None, besides)[1]
    different = {path for path in usual.keys() | found.keys() if usual.get(path) != found.get(path)}
    assert [path for path in different if place in path], sorted(different)


@pytest.mark.parametrize(
    "name", sorted(each.name for each in FLOW_DECORATORS if support.FLOW_DECORATORS[each.name].how != "refused")
)
def test_every_attribute_of_a_flow_decorator_is_known(name: str) -> None:
    (decorator,) = (each for each in FLOW_DECORATORS if each.name == name)
    table = support.ATTRIBUTES.get(name, support.ATTRIBUTES.get(name.removesuffix("_base"), {}))
    assert set(decorator.defaults) == set(table)


@pytest.mark.parametrize("name", ["trigger", "trigger_on_finish", "exit_hook"])
def test_what_needs_the_controller_says_so(name: str) -> None:
    assert support.FLOW_DECORATORS[name].how == "refused"
    assert "needs the controller" in support.FLOW_DECORATORS[name].note


def deployed(decorator: str | None, attributes: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The problems of a small flow whose step has this decorator, and all that is deployed of it, value by path."""
    state = flow_with(decorator, attributes)
    compat.attach_kubernetes(state)
    flow = with_interpreters(state, read(state))
    problems = [str(each) for each in checks.problems(flow, TARGET)]
    if problems:
        return problems, {}
    documents = emit(flow, wire(flow, structure(flow)), TARGET, Payload(("sh",), "s3://bucket/record"))
    code = describe.StoredCode("s3://bucket/code", "0" * 40, "{}")
    record = describe.deployment(flow, TARGET, code, describe.Ownership("tester", "token"))
    whole = {
        "pipeline": documents.pipeline,
        "platform": documents.platform,
        "service_account": documents.service_account,
        "record": json.loads(record.to_json()),
    }
    return [], dict(_paths(whole, ""))


def flow_with(decorator: str | None, attributes: dict[str, Any]) -> Any:
    """What Metaflow's command line would have set up for a flow of two steps, both with the decorator."""

    class TwoStepsFlow(FlowSpec):  # type: ignore[misc]
        @step
        def start(self) -> None:
            self.next(self.end)

        @step
        def end(self) -> None:
            pass

    flow = TwoStepsFlow(use_cli=False)
    known = {each.name: each for each in STEP_DECORATORS}
    for each in flow:
        each.decorators[:] = [known[decorator](attributes=dict(attributes))] if decorator else []
    type(flow)._init_graph()
    state = SimpleNamespace(
        flow=flow,
        graph=flow._graph,
        environment=MetaflowEnvironment(flow),
        flow_datastore=SimpleNamespace(TYPE="s3", datastore_root="s3://bucket/metaflow"),
        metadata=SimpleNamespace(TYPE="service"),
        event_logger=SimpleNamespace(TYPE="nullSidecarLogger"),
        monitor=SimpleNamespace(TYPE="nullSidecarMonitor"),
        logger=lambda *_, **__: None,
    )
    for each in flow:
        for given in each.decorators:
            given.external_init()
            if given.name != "kubernetes":
                given.step_init(
                    flow, state.graph, each.name, each.decorators, state.environment, state.flow_datastore, state.logger
                )
    return state


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
