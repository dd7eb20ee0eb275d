"""A flow as the deployment record that its pods read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import compat
from .compiler import gangs
from .compiler.ir import JSON_KIND, Flow, Parameter, Step, Target
from .record import SCHEMA_VERSION, Deployment, ParameterRecord, StepRecord

# The text of a pipeline input that nobody gave a value for; every value is JSON, and JSON is never empty.
UNSET = ""


@dataclass(frozen=True)
class Ownership:
    """Whose the runs are: the deployer, the production token, the tags for every run, and the namespace of its steps.

    Without a namespace of their own, steps read from that of the production token.
    """

    owner: str
    token: str
    tags: tuple[str, ...] = ()
    namespace: str | None = None


@dataclass(frozen=True)
class StoredCode:
    """Where the code package lies, and what Metaflow says of its form."""

    url: str
    sha: str
    metadata: str


Keep = Callable[[bytes], tuple[str, str]]
"""Puts a blob into the datastore, or only says where it would lie; gives URL and key."""


def deployment(flow: Flow, target: Target, code: StoredCode, ownership: Ownership) -> Deployment:
    """The record for this version of the flow."""
    return Deployment(
        schema_version=SCHEMA_VERSION,
        pipeline=target.pipeline,
        flow_name=flow.name,
        flow_file=flow.file,
        start_step=flow.start,
        end_step=flow.end,
        owner=ownership.owner,
        production_token=ownership.token,
        namespace=ownership.namespace,
        tags=ownership.tags,
        code_url=code.url,
        code_sha=code.sha,
        code_metadata=code.metadata,
        environment_type=flow.environment_type,
        datastore_type=flow.datastore_type,
        datastore_root=flow.datastore_root,
        metadata_type=flow.metadata_type,
        event_logger_type=flow.event_logger_type,
        monitor_type=flow.monitor_type,
        options=flow.options,
        environment=compat.shared_environment() | compat.config_environment(flow.configs),
        loops=target.loops,
        parameters=tuple(_parameter(each) for each in flow.parameters),
        steps={step.name: _step(step) for step in flow.steps.values()},
    )


def ownership(token: str, tags: Sequence[str], namespace: str | None) -> Ownership:
    """The deployer as Metaflow knows them, with this token and these tags."""
    return Ownership(compat.username(), token, tuple(sorted(set(tags))), namespace)


def _parameter(parameter: Parameter) -> ParameterRecord:
    # Metaflow's command line takes a text as it is, but for a type whose texts are JSON with their quotes.
    return ParameterRecord(parameter.name, parameter.input, "value" if parameter.kind == JSON_KIND else "json", UNSET)


def _step(step: Step) -> StepRecord:
    return StepRecord(
        kind=step.kind,
        in_funcs=step.previous,
        out_funcs=step.next,
        split_parents=step.split_parents,
        matching_join=step.join,
        foreach_parents=step.foreaches,
        user_code_retries=step.retries,
        error_retries=step.fallbacks,
        minutes_between_retries=step.minutes_between_retries,
        timeout_seconds=step.timeout_seconds,
        environment=dict(step.environment),
        decospecs=step.decospecs,
        interpreter=step.interpreter,
        bootstrap=step.bootstrap,
        gang=gangs.record(step) if step.gang else None,
    )
