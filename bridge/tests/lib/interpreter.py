"""A small Kubeflow Pipelines: walks the documents of a pipeline as the server does, one container after the other.

It keeps the rules that matter to the emitter: which inputs a driver demands, what an iteration is handed, that
component specs are looked up by the hash of their container, that template names must not meet, and what a condition
skips. A component may refer to itself.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

Document = dict[str, Any]


class PipelineError(Exception):
    """What the server would refuse, or a task that failed after its last attempt."""


@dataclass(frozen=True)
class Container:
    """One attempt of a task: what its pod would be."""

    node: str
    attempt: int
    image: str
    argv: tuple[str, ...]
    platform: Mapping[str, Any]


Start = Callable[[Container], int]
"""Runs a container; gives its exit code."""


@dataclass
class Interpreter:
    """The documents of one pipeline, the containers that ran, and how many drivers did: 2.14 starts a pod for each."""

    text: str
    start: Start
    ran: list[Container] = field(default_factory=list)
    drivers: int = 0

    @property
    def pods(self) -> int:
        """How many pods the run had."""
        return self.drivers + len(self.ran)

    def __post_init__(self) -> None:
        self.pipeline, self.platform = (json.loads(part) for part in self.text.split("\n---\n"))
        self.components: Document = self.pipeline["components"]
        self.executors: Document = self.pipeline["deploymentSpec"]["executors"]
        self.platforms: Document = self.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        self._check_templates()

    def run(self, parameters: Mapping[str, str] | None = None) -> list[Container]:
        """Run the pipeline with these inputs; gives every attempt in order."""
        given = dict(parameters or {})
        root = self.pipeline["root"]
        for name, declared in _inputs(root).items():
            if name not in given:
                if "defaultValue" not in declared:
                    raise PipelineError(f"parameter {name} is not optional, yet has no value")
                given[name] = declared["defaultValue"]
        if unknown := set(given) - set(_inputs(root)):
            raise PipelineError(f"unknown parameters {sorted(unknown)}")
        self.drivers += 1
        with TemporaryDirectory() as self._folder:
            self._dag(root["dag"], given, "root")
        return self.ran

    def _dag(self, dag: Document, inputs: Document, where: str) -> None:
        outputs: dict[str, Document] = {}
        waiting = dict(dag["tasks"])
        while waiting:
            ready = [name for name, task in waiting.items() if not set(task.get("dependentTasks", [])) & set(waiting)]
            if not ready:
                raise PipelineError(f"{where}: tasks wait for each other: {sorted(waiting)}")
            for name in sorted(ready):
                task = waiting.pop(name)
                # Argo runs a task only when all that it waits for succeeded; what was skipped or omitted did not.
                if all(before in outputs for before in task.get("dependentTasks", [])):
                    done = self._task(name, task, inputs, outputs, where)
                    if done is not None:
                        outputs[name] = done

    def _task(
        self, name: str, task: Document, inputs: Document, outputs: dict[str, Document], where: str
    ) -> Document | None:
        """Run one task; gives its outputs, or None when its condition skipped it."""
        component = self._component(task["componentRef"]["name"])
        values = {
            key: self._value(source, inputs, outputs, task, f"{where}.{name}")
            for key, source in task.get("inputs", {}).get("parameters", {}).items()
        }
        self.drivers += 1
        if not _wanted(task, values, f"{where}.{name}"):
            return None
        if "parameterIterator" not in task:
            return self._work(task, component, values, f"{where}.{name}")
        iterator = task["parameterIterator"]
        items = json.loads(values.pop(iterator["items"]["inputParameter"]))
        for index, item in enumerate(items):
            if not isinstance(item, str):
                raise PipelineError(f"{where}.{name}: item {item!r} is no STRING")
            handed = {**values, iterator["itemInput"]: item}
            self.drivers += 1
            self._work(task, component, handed, f"{where}.{name}.iteration-iterations({index}:{index}).iteration-item")
        return {}

    def _work(self, task: Document, component: Document, values: Document, node: str) -> Document:
        for key, declared in _inputs(component).items():
            if key not in values and not declared.get("isOptional"):
                raise PipelineError(f"{node}: neither value nor default value provided for parameter {key}")
        if "dag" in component:
            self._dag(component["dag"], values, node)
            return {}
        return self._container(task, component, values, node)

    def _container(self, task: Document, component: Document, values: Document, node: str) -> Document:
        label = component["executorLabel"]
        container = self.executors[label]["container"]
        attempts = task.get("retryPolicy", {}).get("maxRetryCount", 0) + 1
        outputs = component.get("outputDefinitions", {}).get("parameters", {})
        files = {name: Path(self._folder, "out", f"{len(self.ran)}-{name}") for name in outputs}
        # The launcher is given them in an argument of its own, in which the kubelet makes one $ of two.
        values = {name: value.replace("$$", "$") if isinstance(value, str) else value for name, value in values.items()}
        argv = tuple(_filled(part, values, files) for part in (*container["command"], *container["args"]))
        for attempt in range(attempts):
            suffix = f".executor({attempt})" if attempts > 1 else ".executor"
            pod = Container(node + suffix, attempt, container["image"], argv, self.platforms[label])
            self.ran.append(pod)
            if self.start(pod) == 0:
                break
        else:
            raise PipelineError(f"{node}: failed {attempts} times")
        if missing := [name for name, file in files.items() if not file.is_file()]:
            raise PipelineError(f"{node}: failed to read output parameters {missing}")
        return {name: file.read_text() for name, file in files.items()}

    def _value(
        self, source: Document, inputs: Document, outputs: dict[str, Document], task: Document, where: str
    ) -> Any:
        match source:
            case {"componentInputParameter": name}:
                if name not in inputs:
                    raise PipelineError(f"{where}: parent DAG does not have input parameter {name}")
                return inputs[name]
            case {"taskOutputParameter": {"producerTask": producer, "outputParameterKey": key}}:
                if producer not in task.get("dependentTasks", []):
                    raise PipelineError(f"{where}: takes an output of {producer} without waiting for it")
                return outputs[producer][key]
            case {"runtimeValue": {"constant": constant}}:
                return constant
        raise PipelineError(f"{where}: unknown source {source}")

    def _component(self, name: str) -> Document:
        """The spec that 2.14 would use: that of the first component whose container is the same."""
        component: Document = self.components[name]
        if "dag" in component:
            return component
        container = self.executors[component["executorLabel"]]["container"]
        for other in self.components.values():
            if "executorLabel" in other and self.executors[other["executorLabel"]]["container"] == container:
                return {**other, "executorLabel": component["executorLabel"]}
        raise AssertionError(name)

    def _check_templates(self) -> None:
        templates = list(self.components)
        dags = [self.pipeline["root"]["dag"], *(each["dag"] for each in self.components.values() if "dag" in each)]
        for dag in dags:
            drivers = [f"{name}-driver" for name, task in dag["tasks"].items() if "parameterIterator" not in task]
            if met := set(drivers) & set(dag["tasks"]):
                raise PipelineError(f"tasks {sorted(met)} meet the drivers of other tasks")
            for name, task in dag["tasks"].items():
                if not re.fullmatch(r"[a-zA-Z0-9][-a-zA-Z0-9]*", name):
                    raise PipelineError(f"task {name!r}: not a name for Argo")
                if "parameterIterator" in task:
                    component = task["componentRef"]["name"]
                    templates += [f"{component}-{name}-iterator", f"{component}-iteration"]
        if len(set(templates)) != len(templates):
            raise PipelineError(f"template already exists: {sorted(templates)}")


def _wanted(task: Document, values: Document, where: str) -> bool:
    """Whether the task's condition holds. It sees the task's inputs."""
    condition = task.get("triggerPolicy", {}).get("condition")
    if condition is None:
        return True
    asked = re.fullmatch(r"inputs\.parameter_values\['(\w+)'\] == '(\w+)'", condition)
    if asked is None or asked[1] not in values:
        raise PipelineError(f"{where}: its condition cannot be evaluated: {condition}")
    return bool(values[asked[1]] == asked[2])


def _inputs(component: Document) -> Document:
    found: Document = component.get("inputDefinitions", {}).get("parameters", {})
    return found


def _filled(text: str, values: Mapping[str, Any], files: Mapping[str, Path]) -> str:
    text = re.sub(r"\{\{\$\.inputs\.parameters\['([^']*)'\]\}\}", lambda match: str(values[match.group(1)]), text)
    return re.sub(
        r"\{\{\$\.outputs\.parameters\['([^']*)'\]\.output_file\}\}", lambda match: str(files[match.group(1)]), text
    )
