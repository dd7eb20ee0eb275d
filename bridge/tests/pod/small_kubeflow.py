"""Kubeflow Pipelines in small: starts the runner for one task after the other, each in a process of its own, as the
pods of a pipeline would. Datastore and metadata are folders. What a run left is read from the datastore alone.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from metaflow import FlowSpec
from metaflow.datastore import FlowDataStore
from metaflow.exception import MetaflowExceptionWrapper
from metaflow.flowspec import ParallelUBF
from metaflow.graph import FlowGraph
from metaflow.includefile import IncludedFile
from metaflow.plugins.datastores.local_storage import LocalStorage

from bridge.tests.lib.interpreter import Container
from bridge.tests.lib.walks import LEADING
from bridge.tests.pod.small_gangs import Gangs, gangs
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import compat
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.origin import Origin
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.record import (
    SCHEMA_VERSION,
    Deployment,
    GangRecord,
    Loops,
    ParameterRecord,
    StepRecord,
)

FLOWS = Path(__file__).parents[1] / "flows"
RUNNER = (
    "import os, sys\n"
    "from pathlib import Path\n"
    "from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import runner\n"
    "from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import cluster\n"
    "cluster.SERVICE_ACCOUNT = Path(os.environ.get('SMALL_ACCOUNT', '/nonexistent'))\n"
    "sys.exit(runner.main(Path(sys.argv[1]).read_text(), sys.argv[2:]))"
)

OUTPUTS = {"foreach": "splits", "split-switch": "choice"}

Place = tuple[str, tuple[int, ...]]


def environment(root: Path, **more: str) -> dict[str, str]:
    """A process's environment with Metaflow's datastore, metadata and temporary files in a folder, and nothing of this
    machine's settings.
    """
    temporary = root / "tmp"
    temporary.mkdir(exist_ok=True)
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(("METAFLOW_", "TRIBUTARY_", "KFP_"))
    }
    settings = {
        "METAFLOW_HOME": str(root / "home"),
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(root),
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
        "METAFLOW_USER": "tester",
        "TMPDIR": str(temporary),
    }
    return ours | settings | more


def load(flow_file: Path) -> type[FlowSpec]:
    """The flow class in a file."""
    spec = importlib.util.spec_from_file_location(flow_file.stem, flow_file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (flow,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, FlowSpec) and value is not FlowSpec
    )
    return flow


def describe(flow_file: Path, root: Path, tags: tuple[str, ...] = (), loops: Loops = "pod") -> Deployment:
    """The record that a deployment of the flow would have, with the datastore in a folder."""
    flow = load(flow_file)
    graph = FlowGraph(flow)
    return Deployment(
        schema_version=SCHEMA_VERSION,
        pipeline=flow.__name__.lower(),
        flow_name=flow.__name__,
        flow_file=flow_file.name,
        start_step=compat.ends(graph)[0],
        end_step=compat.ends(graph)[1],
        owner="tester",
        production_token=None,
        namespace=None,
        tags=tags,
        code_url="s3://bucket/code",
        code_sha="0" * 40,
        code_metadata="{}",
        environment_type="local",
        datastore_type="local",
        datastore_root=str(root / ".metaflow"),
        metadata_type="local",
        event_logger_type="nullSidecarLogger",
        monitor_type="nullSidecarMonitor",
        options=(),
        environment={},
        loops=loops,
        parameters=tuple(
            ParameterRecord(parameter.name, f"in_{number}", "json", "")
            for number, (_, parameter) in enumerate(flow._get_parameters())
            if not parameter.IS_CONFIG_PARAMETER
        ),
        steps={node.name: _step(graph, node) for node in graph},
    )


def _step(graph: Any, node: Any) -> StepRecord:
    around = node.split_parents[:-1] if node.type == "join" else node.split_parents
    retries = [decorator.step_task_retry_count() for decorator in node.decorators]
    by_name = {decorator.name: decorator for decorator in node.decorators}
    return StepRecord(
        kind="linear" if node.parallel_foreach else node.type,
        in_funcs=tuple(node.in_funcs),
        out_funcs=tuple(node.out_funcs),
        split_parents=tuple(node.split_parents),
        matching_join=node.matching_join,
        foreach_parents=tuple(name for name in around if _is_loop(graph[name])),
        user_code_retries=max((user for user, _ in retries), default=0),
        error_retries=max((error for _, error in retries), default=0),
        minutes_between_retries=int(by_name["retry"].attributes["minutes_between_retries"])
        if "retry" in by_name
        else 0,
        timeout_seconds=int(by_name["timeout"].attributes["seconds"]) if "timeout" in by_name else None,
        environment={name: str(value) for name, value in by_name["environment"].attributes["vars"].items()}
        if "environment" in by_name
        else {},
        decospecs=(),
        gang=GangRecord({}, 60) if node.parallel_step else None,
    )


def _is_loop(node: Any) -> bool:
    return node.type == "foreach" and not node.parallel_foreach


class PipelineFailed(AssertionError):
    """A task failed in its last attempt; the message is what its pod said."""


@dataclass
class SmallKubeflow:
    """One run of one deployment. `pods` counts what was started, by place; `said` is what containers wrote."""

    deployment: Deployment
    root: Path
    run: str = "0a1b2c3d-run"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    flows: Path = FLOWS
    origin: Origin | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    pods: dict[Place, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    gangs: Gangs | None = None

    @property
    def record_file(self) -> Path:
        """Where the record lies for the runner to read."""
        file = self.root / f"{self.deployment.flow_name}.json"
        file.write_text(self.deployment.to_json())
        return file

    def start(self, container: Container) -> int:
        """Run the runner with the arguments of a container of a compiled pipeline; gives its exit code."""
        words = container.argv[LEADING:]
        pod = self._start(list(words), {"TRIBUTARY_RUN": self.run, "TRIBUTARY_NODE": container.node})
        out, err = pod.communicate(timeout=600)
        self.said.append(f"{' '.join(words)}: exit code {pod.returncode}\n{out}\n{err}")
        return pod.returncode

    def pod(self, step: str, path: tuple[int, ...] = (), attempt: int = 0, **variables: str) -> subprocess.Popen[str]:
        """Start the container of a task, as attempt `attempt` of its node."""
        argv = [step]
        argv += [word for index in path for word in ("--index", str(index))]
        if output := OUTPUTS.get(self.deployment.steps[step].kind):
            argv += [f"--{output}", str(self.output_file(output, step, path))]
        if step == self.deployment.start_step:
            argv += [word for each in self.deployment.parameters for word in self._parameter(each)]
            argv += [f"--origin={self.origin.to_text() if self.origin else ''}"]
        self.pods[step, path] = self.pods.get((step, path), 0) + 1
        return self.container(argv, attempt, **variables)

    def container(self, argv: Sequence[str], attempt: int = 0, **variables: str) -> subprocess.Popen[str]:
        """Start a container with these arguments behind the record's URL, as attempt `attempt` of its node."""
        indexes = [value for flag, value in pairwise(argv) if flag == "--index"]
        told = {
            "TRIBUTARY_RUN": self.run,
            "TRIBUTARY_NODE": f"wf-1.root.iteration-item(0:0).executor({attempt})",
            "TRIBUTARY_POD": "-".join(("wf-1", argv[0], *indexes, str(attempt))),
        }
        step = self.deployment.steps.get(argv[0])
        if self.gangs is not None and step is not None and step.gang is not None:
            told |= self.gangs.driver(told["TRIBUTARY_POD"], self._command(argv), told | variables)
        return self._start(argv, told | dict(self.variables) | variables)

    def _command(self, argv: Sequence[str]) -> list[str]:
        return [sys.executable, "-uc", RUNNER, str(self.record_file), *argv]

    def _start(self, argv: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command(argv),
            cwd=self.flows,
            env=environment(self.root, **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def left_over(self) -> list[Path]:
        """The runner's folders that are still there."""
        return list((self.root / "tmp").glob("tributary-*"))

    def splits_file(self, step: str, path: tuple[int, ...]) -> Path:
        """Where a foreach step's pod is told to write its splits."""
        return self.output_file("splits", step, path)

    def output_file(self, output: str, step: str, path: tuple[int, ...]) -> Path:
        """Where a step's pod is told to write what the pipeline reads of it."""
        return self.root / "outputs" / self.run / "-".join((step, *map(str, path))) / output

    def execute(self) -> None:
        """Run the whole pipeline, one pod at a time. PipelineFailed when a task has no attempt left."""
        usual = environment(self.root, **self.variables)
        with gangs(self.root / f"cluster-{self.run}", usual, self.flows) as self.gangs:
            self._walk(self.deployment.start_step, ())

    def _walk(self, name: str, path: tuple[int, ...]) -> str | None:
        """Run a step and what follows it, up to the join of the split or foreach around them; gives that join."""
        while True:
            step = self.deployment.steps[name]
            self._task(name, path)
            if step.kind == "end":
                return None
            if step.kind in ("split", "foreach"):
                splits = json.loads(self.splits_file(name, path).read_text()) if step.kind == "foreach" else None
                inside = [path] * len(step.out_funcs) if splits is None else [(*path, int(index)) for index in splits]
                heads = step.out_funcs if splits is None else step.out_funcs * len(inside)
                (join,) = {self._walk(head, at) for head, at in zip(heads, inside, strict=True)}
                assert join is not None
                name = join
                continue
            # In rounds of pods, each of them is told to run the step once more.
            is_switch = step.kind == "split-switch"
            name = self.output_file("choice", name, path).read_text() if is_switch else step.out_funcs[0]
            # The join of a gang stands on the same level as the gang, which is one task of the pipeline.
            if self.deployment.steps[name].kind == "join" and step.gang is None:
                return name

    def _task(self, name: str, path: tuple[int, ...]) -> None:
        step = self.deployment.steps[name]
        for attempt in range(step.user_code_retries + (1 if step.error_retries else 0) + 1):
            pod = self.pod(name, path, attempt)
            out, err = pod.communicate(timeout=600)
            if pod.returncode == 0:
                return
        raise PipelineFailed(f"{name} {path}: exit code {pod.returncode}\n{out}\n{err}")

    def _parameter(self, parameter: ParameterRecord) -> list[str]:
        given = self.parameters.get(parameter.name)
        return [f"--parameter={parameter.input}={'' if given is None else json.dumps(given)}"]


@dataclass(frozen=True)
class SeenTask:
    """One task as the datastore has it: its id, the attempt that counts, its artifacts by name."""

    task: str
    attempt: int
    artifacts: dict[str, Any]


def tasks(flow: str, root: Path, run: str) -> dict[Place, SeenTask]:
    """All tasks of a run that ended, by step (and round) and foreach index path. Two at one place raise ValueError."""
    store = FlowDataStore(flow, storage_impl=LocalStorage, ds_root=str(root / ".metaflow"))
    seen: dict[Place, SeenTask] = {}
    for task in store.get_task_datastores(run):
        names = [name for name, _ in task.items()]
        values = {name: _comparable(task[name]) for name in names}
        if "_control_mapper_tasks" in values:
            values["_control_mapper_tasks"] = len(values["_control_mapper_tasks"])
        path = tuple(frame.index for frame in values["_foreach_stack"])
        rounds = values.get("_iteration_stack")
        place = (f"{task.step_name}, round {rounds[-1]}" if rounds else task.step_name, path)
        if place in seen:
            raise ValueError(f"{seen[place].task} and {task.task_id} stand at the same place {place}")
        seen[place] = SeenTask(task.task_id, task.attempt, values)
    return seen


def differences(wanted: Mapping[Place, SeenTask], found: Mapping[Place, SeenTask]) -> list[str]:
    """Where two runs differ: in their tasks, the attempts that count, and all artifacts."""
    if found.keys() != wanted.keys():
        return [f"the tasks differ: {sorted(found.keys() ^ wanted.keys())}"]
    different = [
        f"{place}: attempt {found[place].attempt}" for place in wanted if found[place].attempt != wanted[place].attempt
    ]
    for place, task in wanted.items():
        here, there = task.artifacts, found[place].artifacts
        names = sorted(here.keys() | there.keys())
        different += [
            f"{place}.{name}: {here.get(name)!r} is {there.get(name)!r}"
            for name in names
            if here.get(name) != there.get(name)
        ]
    return different


def _comparable(value: Any) -> Any:
    """The value, or what of it is the same wherever a step runs.

    A caught exception holds its traceback, with the paths of the machine it was raised on; of a gang, the size is
    compared, for its tasks have other ids there; a checkpoint says where and when it was stored.
    """
    if isinstance(value, IncludedFile):
        return value.decode("an IncludeFile")
    if isinstance(value, MetaflowExceptionWrapper):
        return (value.type, value.exception.splitlines()[:1])
    if isinstance(value, ParallelUBF):
        return value.num_parallel
    if isinstance(value, dict) and value.get("type") == "checkpoint":
        return {name: value[name] for name in ("name", "attempt", "version_id", "metadata", "size")}
    if isinstance(value, list):
        return [_comparable(each) for each in value]
    return value


def run_locally(flow_file: Path, root: Path, *words: str, options: Sequence[str] = ()) -> str:
    """`python flow.py [options] run words…`; gives the run id."""
    written = root / "run-id"
    subprocess.run(
        # A @parallel step starts its further nodes with the first python of the path.
        [
            sys.executable,
            flow_file.name,
            "--quiet",
            "--no-pylint",
            *options,
            "run",
            "--run-id-file",
            str(written),
            *words,
        ],
        cwd=flow_file.parent,
        env=environment(root, PATH=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))),
        check=True,
        capture_output=True,
        timeout=600,
    )
    return written.read_text().strip()
