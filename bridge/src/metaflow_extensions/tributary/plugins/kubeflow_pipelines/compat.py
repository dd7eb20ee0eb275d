"""The one place that touches what Metaflow calls private.

Written for Metaflow 2.19.39, and tested with others back to 2.18.13 (bridge/tests/versions). Another version is adapted
here and nowhere else.
"""

import inspect
import json
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from metaflow import current, decorators, metaflow_config, metaflow_version
from metaflow._vendor import click
from metaflow.exception import MetaflowException, MetaflowInternalError
from metaflow.lint import LintWarn
from metaflow.metaflow_config_funcs import config_values
from metaflow.metaflow_environment import MetaflowEnvironment
from metaflow.package import MetaflowPackage
from metaflow.plugins.aws.step_functions import production_token
from metaflow.plugins.environment_decorator import EnvironmentDecorator
from metaflow.plugins.kubernetes.kubernetes_decorator import KubernetesDecorator
from metaflow.plugins.timeout_decorator import TimeoutDecorator
from metaflow.pylint_wrapper import PyLintWarn
from metaflow.user_configs.config_options import ConfigInput
from metaflow.util import dict_to_cli_options, get_username

from . import variables
from .mistakes import keep_mistakes_of, mistake, plain, unknown

# The decorators that Metaflow's Argo integration attaches to every step too.
ATTACHED = (KubernetesDecorator.name, EnvironmentDecorator.name)

# Settings for Metaflow's own Kubernetes jobs which Kubeflow Pipelines decides itself. No flow asks for what they hold.
_PLATFORM_SETTINGS = frozenset({"namespace", "service_account", "port", "disk"})

State = Any
"""Metaflow's CliState: flow, graph, environment, datastore, metadata and so on, as the command line set them up."""


@dataclass(frozen=True)
class CodePackage:
    """The flow's code as Metaflow packs it."""

    blob: bytes
    metadata: str


@dataclass(frozen=True)
class WrongGraph:
    """What Metaflow says of a flow: file and line where it tells them, its words, and which of its checks of the graph
    says so, None for pylint.
    """

    place: str | None
    said: str
    check: str | None = None


def explain(error: MetaflowException) -> str | None:
    """One sentence for an exception that is the user's to mend; None when it is Metaflow's own fault."""
    if isinstance(error, MetaflowInternalError):
        return None
    place = f"{error.source_file}:{error.line_no}" if error.source_file else error.headline
    return f"{place}: {plain(error.message)}"


def has_mistakes(state: State) -> bool:
    """Whether Metaflow could not read some decorator of the flow."""
    of_steps = (decorator for step in state.flow for decorator in step.decorators)
    return any(mistake(each) is not None or unknown(each) for each in (*of_steps, *flow_decorators(state)))


def lint(state: State) -> WrongGraph | None:
    """What Metaflow's own checks of the graph find first, or pylint where it is installed; None for nothing."""
    try:
        state.check(state.graph, state.flow, state.environment, pylint=state.pylint)
    except LintWarn as error:
        frames = traceback.extract_tb(error.__traceback__)
        check = next((frame.name for frame in frames if frame.name.startswith("check_")), "a check of an extension")
        place = f"{near(error.source_file)}:{error.line_no}" if error.source_file else None
        return WrongGraph(place, plain(error.message), check)
    except PyLintWarn as error:
        return WrongGraph(None, plain(error.message))
    return None


def steps(state: State) -> dict[str, bool]:
    """The steps of the flow's file, each after those that may run before it, and of each whether it is a foreach."""
    graph = state.graph
    nodes = [graph[name] for name in graph.sorted_nodes]
    return {node.name: node.type == "foreach" and not node.parallel_foreach for node in nodes}


def attach_kubernetes(state: State) -> None:
    """Give every step @kubernetes, so that its defaults, --with kubernetes and @resources meet in one decorator."""
    decorators._attach_decorators(state.flow, list(ATTACHED))
    for step in state.flow:
        for decorator in step.decorators:
            if isinstance(decorator, KubernetesDecorator):
                # Metaflow asks here for the kubernetes package, which only its own jobs need.
                decorator.package_init = _nothing
            keep_mistakes_of(decorator)
    surroundings = (state.flow, state.graph, state.environment, state.flow_datastore, state.logger)
    if hasattr(decorators, "_process_late_attached_decorator"):
        decorators._process_late_attached_decorator(list(ATTACHED), *surroundings)
    else:
        # Before 2.19 every decorator was set up once more.
        decorators._init(state.flow)
        decorators._init_step_decorators(*surroundings)
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


def ended_well(state: State, tasks: Sequence[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Those of the tasks (run, step, id) that ended well. A datastore that cannot be read knows of none."""
    try:
        found = state.flow_datastore.get_task_datastores(pathspecs=["/".join(task) for task in tasks])
        return {(task.run_id, task.step_name, task.task_id) for task in found if task["_task_ok"]}
    except MetaflowException:
        return set()


def configs(state: State) -> tuple[str, ...]:
    """Names of the flow's Configs."""
    return tuple(each.name for _, each in state.flow._get_parameters() if each.IS_CONFIG_PARAMETER)


def config_environment(names: Iterable[str]) -> dict[str, str]:
    """The variable by which Metaflow in a pod takes these Configs from the code package, as the laptop read them."""
    keys = {name: ConfigInput.make_key_name(name) for name in names}
    return {"METAFLOW_FLOW_CONFIG_VALUE": json.dumps(keys)} if keys else {}


def flow_decorators(state: State) -> Iterator[Any]:
    """The flow's decorators."""
    return (decorator for found in state.flow._flow_decorators.values() for decorator in found)


def schedule(state: State) -> str | None:
    """The expression that @schedule came to; None without it, and where all of it is switched off."""
    found = state.flow._flow_decorators.get("schedule")
    expression: str | None = found[0].schedule if found and mistake(found[0]) is None else None
    return expression


def lacks(state: State) -> str | None:
    """The entry of support.SINCE that the flow needs and the installed Metaflow lacks, or None. What Metaflow itself
    refuses while it reads the flow's file, an unknown attribute for one, does not come here.
    """
    if hasattr(state.graph, "start_step"):
        return None
    names = {node.name for node in state.graph}
    if len(names) == 1:
        return "a flow of one step"
    return None if {"start", "end"} <= names else "other names for start and end"


def version() -> str:
    """The installed Metaflow's version, without what extensions add to it."""
    return str(metaflow_version.get_version(public=True)).split("+")[0]


def ends(graph: Any) -> tuple[str, str]:
    """The names of the flow's first and last step. Before custom names they were always these."""
    return getattr(graph, "start_step", "start"), getattr(graph, "end_step", "end")


def top_level_options(state: State) -> tuple[str, ...]:
    """Options that flow decorators want in front of every command, ready for argv."""
    options: dict[str, Any] = {}
    for decorator in decorators.flow_decorators(state.flow):
        if mistake(decorator) is not None:
            continue
        options.update(decorator.get_top_level_options())
    return tuple(dict_to_cli_options(options))


def changed(decorator: Any) -> frozenset[str]:
    """The attributes that the flow set to something else than the default."""
    of_platform = _PLATFORM_SETTINGS if isinstance(decorator, KubernetesDecorator) else frozenset()
    return frozenset(
        name
        for name, value in decorator.attributes.items()
        if not _same(value, decorator.defaults.get(name))
        and _says_more(value)
        and (name not in of_platform or name in decorator._user_defined_attributes)
    )


def retries(node: Any) -> tuple[int, int]:
    """Metaflow's two counts of a step: further attempts of the user's code, and attempts of the @catch fallback."""
    counts = [each.step_task_retry_count() for each in node.decorators if mistake(each) is None]
    return max((user for user, _ in counts), default=0), max((fallback for _, fallback in counts), default=0)


def timeout_seconds(node: Any) -> int | None:
    """The step's @timeout, or None."""
    timeouts = (each for each in node.decorators if isinstance(each, TimeoutDecorator) and mistake(each) is None)
    return next((int(each.secs) for each in timeouts), None)


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


def near(file: str) -> str:
    """The path as it is shown: from the working directory where it lies below that."""
    path = os.path.relpath(file)
    return file if path.startswith("..") else path


def flow_file() -> str:
    """The flow's file inside the code package: Metaflow packs the folder of the running script."""
    return os.path.basename(sys.argv[0])


def teach_types_of_options() -> None:
    """Tell Metaflow's Deployer API of click's types that our commands use and it does not know."""
    # Imported here: it imports Metaflow's whole command line, which imports this extension.
    from metaflow.runner import click_api

    click_api.click_to_python_types.setdefault(click.IntRange, int)


def secrets_of_all_steps() -> tuple[str, ...]:
    """Kubernetes Secrets whose keys every step gets as variables, by Metaflow's own setting."""
    return tuple(name for name in (metaflow_config.KUBERNETES_SECRETS or "").split(",") if name)


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
    """Variables that make Metaflow in a pod use the same places, and do things in the same way, as here."""
    shared = {name: getattr(metaflow_config, name.removeprefix("METAFLOW_")) for name in variables.settings()}
    families = {name: value for name, value in config_values() if name.startswith(variables.prefixes())}
    return {name: str(value) for name, value in (shared | families).items() if value}


def init_script() -> str | None:
    """The shell script that every container runs before all else, by Metaflow's own setting."""
    return metaflow_config.KUBERNETES_SANDBOX_INIT_SCRIPT or None


def interpreter(state: State, step: str, asked: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The interpreter of a step as a shell word list, and the commands that set its environment up, of the flow's
    --environment. None for the interpreter that the container starts with. `asked` is what @kubernetes says.

    To be called when @kubernetes is attached: the environments of @conda depend on it, and are kept once asked for.
    """
    commands = tuple(state.environment.bootstrap_commands(step, state.flow_datastore.TYPE))
    executable = str(state.environment.executable(step, asked))
    usual = MetaflowEnvironment(state.flow).executable(step)
    return (None if executable == usual and not commands else executable), commands


def _nothing(*_: object, **__: object) -> None:
    return None


def _same(left: Any, right: Any) -> bool:
    if left == right:
        return True
    try:
        return float(left) == float(right)
    except (TypeError, ValueError):
        return False


def _says_more(value: Any) -> bool:
    return value not in (None, "", [], {})
