"""The laws that a flow must meet to be deployed. One function a law; all are asked, so all problems show at once."""

import os
import re
from collections.abc import Callable, Iterator, Mapping

from .. import support
from ..support import Support
from . import pods, scheduling
from .attributes import existing, initialised, of_flow, place, shown, well_formed
from .capabilities import Feature
from .ir import SEVERAL_KIND, Decorator, Flow, Target
from .problem import Problem
from .volumes import distinct_volumes

Law = Callable[[Flow, Target], Iterator[Problem]]


def problems(flow: Flow, target: Target) -> list[Problem]:
    """Everything that keeps the flow from being deployed, in the order of the laws.

    What Metaflow says of a decorator is left out where a law has said more of that very decorator.
    """
    found = [problem for law in LAWS for problem in law(flow, target)]
    said = {(each.where, decorator) for each in found for decorator in re.findall(r"@(\w+)", each.wrong)}
    found += existing(flow)
    return found + [each for each in initialised(flow) if (each.where, each.wrong[1:].partition(":")[0]) not in said]


def shared_datastore(flow: Flow, target: Target) -> Iterator[Problem]:
    """Pods and laptop must see the same artifacts."""
    law = support.datastore(flow.datastore_type)
    if law.how == "refused":
        yield _refusal(of_flow(flow), f"--datastore {flow.datastore_type}", law)


def shared_metadata(flow: Flow, target: Target) -> Iterator[Problem]:
    """A run in pods must be seen from the laptop."""
    if flow.metadata_type != "service":
        yield _of_flow(
            flow,
            f"metadata provider {flow.metadata_type!r} would lose what pods report",
            "Use --metadata service",
        )


def known_environment(flow: Flow, target: Target) -> Iterator[Problem]:
    """The runner follows the environments that Metaflow ships."""
    if flow.environment_type not in support.ENVIRONMENTS:
        yield _refusal(str(flow.place), f"--environment {flow.environment_type}", support.ENVIRONMENT)


def whole_gangs(flow: Flow, target: Target) -> Iterator[Problem]:
    """What Metaflow's own Kubernetes jobs refuse beside @parallel, and what only @parallel reads."""
    for step in flow.steps.values():
        if step.gang and step.decorator("catch"):
            yield _refusal(place(step), "@catch beside @parallel", support.CAUGHT_GANG)
        decorator, name = step.decorator("kubernetes"), "hostname_resolution_timeout"
        if not step.gang and decorator and name in decorator.changed:
            yield _refusal(place(step), f"@kubernetes({name}={decorator.attributes[name]!r})", support.LONE_TIMEOUT)


def known_step_decorators(flow: Flow, target: Target) -> Iterator[Problem]:
    """No decorator is dropped in silence."""
    for step in flow.steps.values():
        for decorator in step.decorators:
            law = support.step_decorator(decorator.name)
            if law.how == "refused":
                yield _refusal(place(step), f"@{decorator.name}", law)


def known_attributes(flow: Flow, target: Target) -> Iterator[Problem]:
    """No attribute of a translated decorator, of the flow or of a step, is dropped in silence."""
    for decorator in flow.decorators:
        if support.flow_decorator(decorator.name).how != "refused":
            yield from _attributes(str(flow.place), decorator, target)
    for step in flow.steps.values():
        for decorator in step.decorators:
            if support.step_decorator(decorator.name).how != "refused":
                yield from _attributes(place(step), decorator, target, gang=step.gang)


def known_flow_decorators(flow: Flow, target: Target) -> Iterator[Problem]:
    """The same for decorators of the flow."""
    for decorator in flow.decorators:
        law = support.flow_decorator(decorator.name)
        if law.how == "refused":
            yield _refusal(str(flow.place), f"@{decorator.name}", law)


def one_accelerator(flow: Flow, target: Target) -> Iterator[Problem]:
    """The pipeline spec has one place for gpus and extended resources."""
    for step in flow.steps.values():
        if len(asked := pods.accelerators(step)) > 1:
            yield Problem(
                place(step),
                f"asks for {', '.join(sorted(asked))}, and Kubeflow Pipelines has room for one beside cpu and memory"
                + _gangs_too(step.gang),
                "Keep one of them",
            )
        elif pods.counts_differ(step):
            (kind,) = asked
            yield Problem(place(step), f"asks for {kind} twice, and not for as many", "Keep gpu or extended_resources")


def one_service_account(flow: Flow, target: Target) -> Iterator[Problem]:
    """Kubeflow Pipelines starts all pods of a run under one service account."""
    wanted = {name: pods.asked_service_account(step) for name, step in flow.steps.items()}
    if len(set(wanted.values())) > 1:
        for name, account in wanted.items():
            if account is not None:
                yield Problem(
                    place(flow.steps[name]),
                    f"@kubernetes(service_account={account!r}) is refused: other steps have another one, "
                    "and Kubeflow Pipelines has one service account for a whole run",
                    f"Give it to every step: --with kubernetes:service_account={account}",
                )


def known_security_context(flow: Flow, target: Target) -> Iterator[Problem]:
    """Kubeflow Pipelines has three fields of a security context, and not in every version."""
    for step in flow.steps.values():
        decorator = step.decorator("kubernetes")
        wanted = decorator.attributes.get("security_context") if decorator else None
        if not isinstance(wanted, Mapping):
            continue
        for key in sorted(key for key, value in wanted.items() if value is not None):
            what = f"@kubernetes(security_context={{{key!r}: {wanted[key]!r}}}) is refused"
            if key not in pods.SECURITY_CONTEXT:
                known = ", ".join(pods.SECURITY_CONTEXT)
                yield Problem(
                    place(step), f"{what}: Kubeflow Pipelines knows {known} only{_gangs_too(step.gang)}", "Remove it"
                )
            elif (lack := target.capabilities.lack(Feature.SECURITY_CONTEXT)) is not None:
                yield Problem(place(step), f"{what}: it {lack}{_gangs_too(step.gang)}", "Put the user into the image")


def plain_parameters(flow: Flow, target: Target) -> Iterator[Problem]:
    """A parameter has one value, which is a text on the command line."""
    for parameter in flow.parameters:
        if parameter.kind == SEVERAL_KIND:
            yield _refusal(str(flow.place), f"parameter {parameter.name!r} of several values", support.PARAMETER_TYPE)
        for option in parameter.options:
            if option not in support.PARAMETER_OPTIONS:
                law = support.PARAMETER_OPTION
                yield _refusal(str(flow.place), f"parameter {parameter.name!r} with {option}=", law)


def readable_files(flow: Flow, target: Target) -> Iterator[Problem]:
    """The default of an IncludeFile is read when the flow is deployed."""
    for parameter in flow.parameters:
        path = parameter.file
        if path is not None and not path.startswith("{") and not os.access(os.path.expanduser(path), os.R_OK):
            yield _of_flow(
                flow, f"IncludeFile {parameter.name!r}: {path!r} cannot be read", "Run the command where the file lies"
            )


def parameters_apart(flow: Flow, target: Target) -> Iterator[Problem]:
    """On the command line, names that differ only in case are one option."""
    seen: dict[str, str] = {}
    for parameter in flow.parameters:
        folded = parameter.name.lower().replace("-", "_")
        if folded in seen:
            yield _of_flow(
                flow,
                f"parameters {seen[folded]!r} and {parameter.name!r} are one name on the command line",
                "Rename one of them",
            )
        seen.setdefault(folded, parameter.name)


def parameters_beside_options(flow: Flow, target: Target) -> Iterator[Problem]:
    """`trigger` has options of its own beside the flow's parameters."""
    for parameter in flow.parameters:
        option = parameter.name.lower().replace("_", "-")
        if option in support.TRIGGER_OPTIONS:
            yield _of_flow(
                flow,
                f"parameter {parameter.name!r} has the name of an option of `kubeflow-pipelines trigger`",
                "Rename it",
            )


def configured_pods(flow: Flow, target: Target) -> Iterator[Problem]:
    """A pod learns from the mounted config where the metadata service and the object store are."""
    if not target.steps_config:
        yield Problem(
            "METAFLOW_KUBEFLOW_PIPELINES_STEPS_CONFIG",
            "is not set, so pods would find neither metadata service nor datastore",
            "Set it to the ConfigMap with Metaflow's config.json in the namespace of the runs",
        )


LAWS: tuple[Law, ...] = (
    shared_datastore,
    shared_metadata,
    known_environment,
    whole_gangs,
    known_flow_decorators,
    known_step_decorators,
    known_attributes,
    one_accelerator,
    one_service_account,
    known_security_context,
    well_formed,
    distinct_volumes,
    plain_parameters,
    readable_files,
    parameters_apart,
    parameters_beside_options,
    configured_pods,
    scheduling.known_schedule,
    scheduling.scheduled_parameters,
    scheduling.new_enough_server,
)


def _of_flow(flow: Flow, wrong: str, instead: str) -> Problem:
    return Problem(of_flow(flow), wrong, instead)


def _refusal(where: str, what: str, law: Support) -> Problem:
    return Problem(where, f"{what} is refused: {law.note}", law.instead)


def _attributes(where: str, decorator: Decorator, target: Target, gang: bool = False) -> Iterator[Problem]:
    for name in sorted(decorator.changed):
        law = support.attribute(decorator.name, name)
        if law.how == "refused" and not _names_our_namespace(name, decorator.attributes[name], target):
            no_place = gang and (decorator.name, name) in support.OF_A_POD
            yield Problem(where, f"{shown(decorator, name)} is refused: {law.note}{_gangs_too(no_place)}", law.instead)


def _gangs_too(gang: bool) -> str:
    return f"; {support.GANGS_TOO}" if gang else ""


def _names_our_namespace(attribute: str, value: object, target: Target) -> bool:
    return attribute == "namespace" and target.namespace is not None and value == target.namespace
