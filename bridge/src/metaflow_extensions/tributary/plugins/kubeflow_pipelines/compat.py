"""The one place that touches what Metaflow calls private.

Written for Metaflow 2.19.39; another version is adapted here and nowhere else.
"""

import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from metaflow import current, decorators, metaflow_config
from metaflow._vendor import click
from metaflow.exception import MetaflowException, MetaflowInternalError
from metaflow.metaflow_config_funcs import config_values
from metaflow.package import MetaflowPackage
from metaflow.plugins.aws.step_functions import production_token
from metaflow.plugins.environment_decorator import EnvironmentDecorator
from metaflow.plugins.kubernetes.kubernetes_decorator import KubernetesDecorator
from metaflow.plugins.timeout_decorator import TimeoutDecorator
from metaflow.user_configs.config_options import ConfigInput
from metaflow.util import dict_to_cli_options, get_username

# The decorators that Metaflow's Argo integration attaches to every step too.
ATTACHED = (KubernetesDecorator.name, EnvironmentDecorator.name)

# Settings for Metaflow's own Kubernetes jobs which Kubeflow Pipelines decides itself. No flow asks for what they hold.
_PLATFORM_DEFAULTS = {
    "namespace": metaflow_config.KUBERNETES_NAMESPACE,
    "service_account": metaflow_config.KUBERNETES_SERVICE_ACCOUNT,
    "port": metaflow_config.KUBERNETES_PORT,
    "disk": metaflow_config.KUBERNETES_DISK,
}

# Where the deployer's Metaflow keeps cards and data; the pods' own config may say so only in part.
_SHARED_SETTINGS = ("DATASTORE_SYSROOT_S3", "DATATOOLS_S3ROOT", "CARD_S3ROOT")

State = Any
"""Metaflow's CliState: flow, graph, environment, datastore, metadata and so on, as the command line set them up."""


@dataclass(frozen=True)
class CodePackage:
    """The flow's code as Metaflow packs it."""

    blob: bytes
    metadata: str


def explain(error: MetaflowException) -> str | None:
    """One sentence for an exception that is the user's to mend; None when it is Metaflow's own fault."""
    if isinstance(error, MetaflowInternalError):
        return None
    place = f"{error.source_file}:{error.line_no}" if error.source_file else error.headline
    return f"{place}: {' '.join(error.message.split())}"


def lint(state: State) -> None:
    """Metaflow's own checks of the graph, and pylint where it is installed. MetaflowException when they fail."""
    state.check(state.graph, state.flow, state.environment, pylint=state.pylint)


def attach_kubernetes(state: State) -> None:
    """Give every step @kubernetes, so that its defaults, --with kubernetes and @resources meet in one decorator."""
    decorators._attach_decorators(state.flow, list(ATTACHED))
    for step in state.flow:
        for decorator in step.decorators:
            if isinstance(decorator, KubernetesDecorator):
                # Metaflow asks here for the kubernetes package, which only its own jobs need.
                decorator.package_init = _nothing
                decorator.step_init = _without_timeouts(decorator.step_init)
    decorators._process_late_attached_decorator(
        list(ATTACHED), state.flow, state.graph, state.environment, state.flow_datastore, state.logger
    )
    state.graph = state.flow._graph


def package(state: State) -> CodePackage:
    """Pack the flow's code. MetaflowException when that fails."""
    packed = MetaflowPackage(state.flow, state.environment, state.echo, suffixes=state.package_suffixes)
    return CodePackage(bytes(packed.blob), packed.package_metadata)


def store(state: State, blob: bytes) -> tuple[str, str]:
    """Put the blob into the flow's datastore, under its content's key; gives its URL and key."""
    ((url, key),) = state.flow_datastore.save_data([blob], len_hint=1)
    return url, key


def recall(state: State, key: str) -> bytes:
    """What lies in the flow's datastore under its content's key. MetaflowException when that fails."""
    ((_, blob),) = state.flow_datastore.load_data([key])
    return bytes(blob)


def locate(state: State, blob: bytes) -> tuple[str, str]:
    """URL and key that store() would give, without storing anything."""
    addressed = state.flow_datastore.ca_store
    storage = addressed._storage_impl
    key = sha1(blob, usedforsecurity=False).hexdigest()
    return storage.full_uri(storage.path_join(addressed._prefix, key[:2], key)), key


def has_begun(state: State, run_id: str) -> bool:
    """Whether the flow's datastore holds the parameters of this run."""
    found = state.flow_datastore.get_task_datastores(run_id, steps=["_parameters"])
    return any(task["_task_ok"] for task in found)


def configs(state: State) -> tuple[str, ...]:
    """Names of the flow's Configs."""
    return tuple(each.name for _, each in state.flow._get_parameters() if each.IS_CONFIG_PARAMETER)


def config_environment(names: Iterable[str]) -> dict[str, str]:
    """The variable by which Metaflow in a pod takes these Configs from the code package, as the laptop read them."""
    keys = {name: ConfigInput.make_key_name(name) for name in names}
    return {"METAFLOW_FLOW_CONFIG_VALUE": json.dumps(keys)} if keys else {}


def flow_decorators(state: State) -> tuple[str, ...]:
    """Names of the flow's decorators."""
    return tuple(name for name, found in state.flow._flow_decorators.items() if found)


def schedule(state: State) -> tuple[str | None, str | None] | None:
    """The expression that @schedule came to, None where all is switched off, and its time zone; None without it."""
    found = state.flow._flow_decorators.get("schedule")
    return (found[0].schedule, found[0].timezone) if found else None


def top_level_options(state: State) -> tuple[str, ...]:
    """Options that flow decorators want in front of every command, ready for argv."""
    options: dict[str, Any] = {}
    for decorator in decorators.flow_decorators(state.flow):
        options.update(decorator.get_top_level_options())
    return tuple(dict_to_cli_options(options))


def changed(decorator: Any) -> frozenset[str]:
    """The attributes that the flow set to something else than the default."""
    usual = dict(decorator.defaults)
    if isinstance(decorator, KubernetesDecorator):
        usual |= {name: value for name, value in _PLATFORM_DEFAULTS.items() if value is not None}
    return frozenset(
        name for name, value in decorator.attributes.items() if not _same(value, usual.get(name)) and _says_more(value)
    )


def retries(node: Any) -> tuple[int, int]:
    """Metaflow's two counts of a step: further attempts of the user's code, and attempts of the @catch fallback."""
    counts = [decorator.step_task_retry_count() for decorator in node.decorators]
    return max((user for user, _ in counts), default=0), max((fallback for _, fallback in counts), default=0)


def timeout_seconds(node: Any) -> int | None:
    """The step's @timeout, or None."""
    return next((int(each.secs) for each in node.decorators if isinstance(each, TimeoutDecorator)), None)


def decospecs(node: Any) -> tuple[str, ...]:
    """The decorators given to --with, the user's own too, as the pod must be given them again.

    Those of a compute backend act only here. What a mutator added, it adds in the pod again.
    """
    given = (
        decorator.make_decorator_spec()
        for decorator in (*node.decorators, *node.wrappers, *node.config_decorators)
        if not decorator.statically_defined
        and decorator.inserted_by is None
        and getattr(decorator, "name", None) not in ATTACHED
    )
    return tuple(dict.fromkeys(given))


def flow_place(state: State) -> tuple[str, int]:
    """File and line of the flow's class."""
    flow_class = state.flow.__class__
    return inspect.getfile(flow_class), inspect.getsourcelines(flow_class)[1]


def flow_file() -> str:
    """The flow's file inside the code package: Metaflow packs the folder of the running script."""
    return os.path.basename(sys.argv[0])


def teach_types_of_options() -> None:
    """Tell Metaflow's Deployer API of click's types that our commands use and it does not know."""
    # Imported here: it imports Metaflow's whole command line, which imports this extension.
    from metaflow.runner import click_api

    click_api.click_to_python_types.setdefault(click.IntRange, int)


def username() -> str:
    """Whom Metaflow takes the deployer for."""
    return str(get_username())


def project(state: State) -> tuple[str, str] | None:
    """Project and branch that @project gives this flow, or None without it."""
    name = current.get("project_name")
    return None if name is None else (str(name), str(current.get("branch_name")))


def kept_token(prefix: str) -> str | None:
    """The production token that this machine keeps under the prefix, or None."""
    token = production_token.load_token(prefix)
    return None if token is None else str(token)


def keep_token(prefix: str, token: str) -> None:
    """Keep a production token on this machine, where Metaflow's other integrations keep theirs. OSError if it fails."""
    production_token.store_token(prefix, token)


def next_token(prefix: str, previous: str | None) -> str | None:
    """The production token after `previous`, the first one after None. None when `previous` is not of this prefix."""
    token = production_token.new_token(prefix, previous)
    return None if token is None else str(token)


def shared_environment() -> dict[str, str]:
    """Variables that make Metaflow in a pod use the same places as here."""
    shared = {f"METAFLOW_{name}": getattr(metaflow_config, name) for name in _SHARED_SETTINGS}
    debug = {name: str(value) for name, value in config_values() if name.startswith("METAFLOW_DEBUG_")}
    return {name: value for name, value in shared.items() if value} | debug


def _nothing(*_: object, **__: object) -> None:
    return None


def _without_timeouts(step_init: Callable[..., None]) -> Callable[..., None]:
    """Metaflow refuses a @timeout under 60 seconds for its own jobs, whose pods it stops. Ours it never stops."""

    def filtered(flow: Any, graph: Any, step: str, found: list[Any], *rest: Any) -> None:
        step_init(flow, graph, step, [each for each in found if not isinstance(each, TimeoutDecorator)], *rest)

    return filtered


def _same(left: Any, right: Any) -> bool:
    if left == right:
        return True
    try:
        return float(left) == float(right)
    except (TypeError, ValueError):
        return False


def _says_more(value: Any) -> bool:
    return value not in (None, "", [], {})
