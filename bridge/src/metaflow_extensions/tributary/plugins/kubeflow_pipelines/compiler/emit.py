"""Scopes to the two documents of a pipeline: the spec, and what it asks of Kubernetes.

All steps whose pods are alike share one component and one executor, and a task says by a constant which step it runs.
Kubeflow Pipelines copies a component's text into the workflow once, so a further step costs its task and no more.

Two traps of Kubeflow Pipelines 2.14 shape this. It keeps component specs by the hash of their *container*: components
with equal containers must have equal inputs and outputs, so every input stands in the arguments, and `items` is
declared wherever there is an index. And it names a template after an iterator's *component*: a component that is
iterated is used by one task only.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..names import (
    AMONG_INPUT,
    CHOICE,
    ITEMS_INPUT,
    ORIGIN_INPUT,
    SPLITS_OUTPUT,
    STEP_INPUT,
    index_input,
    spec_name,
)
from . import pods
from .ir import Flow, Parameter, Step, Target
from .wiring import Again, Scope, Task, Tell

# A limit that is never reached. Argo counts it from the first attempt's start, so a short one forbids late retries.
LONGEST_BACKOFF = "2592000s"

# So many pods of one foreach fit into a run's Argo workflow with room to spare: each takes some 550 bytes of its 1 MiB.
MOST_BATCHES = 1000

Document = dict[str, Any]
_TEXT = {"parameterType": "STRING"}
_ORIGIN = {**_TEXT, "defaultValue": "", "description": "Set by `kubeflow-pipelines resume`; leave it empty."}

# What a step's container gives back to the pipeline, by the kind of the step. The runner has an option of that name.
_OUTPUTS = {"foreach": SPLITS_OUTPUT, "split-switch": CHOICE}


@dataclass(frozen=True)
class Payload:
    """What every step's container starts with: its command, and where the deployment record lies."""

    command: tuple[str, ...]
    record_url: str


@dataclass(frozen=True)
class Documents:
    """The pipeline spec and the platform spec; and the service account of runs, for which neither has a place."""

    pipeline: Document
    platform: Document
    service_account: str | None = None

    def text(self, indent: int | None = None) -> str:
        """Both as Kubeflow Pipelines takes them: two YAML documents, each in JSON. Equal flows give equal bytes."""
        separators = (",", ":") if indent is None else (",", ": ")
        parts = [
            json.dumps(each, sort_keys=True, indent=indent, separators=separators)
            for each in (self.pipeline, self.platform)
        ]
        return "\n---\n".join(parts) + "\n"


def emit(flow: Flow, root: Scope, target: Target, payload: Payload) -> Documents:
    """The documents for the flow wired as `root`."""
    printer = _Printer(flow, target, payload)
    dag = {"tasks": printer.tasks(root)}
    inputs = {each.input: _root_input(each) for each in flow.parameters} | {ORIGIN_INPUT: _ORIGIN}
    root_component: Document = {"dag": dag, "inputDefinitions": {"parameters": inputs}}
    info: Document = {"name": spec_name(target.pipeline)}
    if target.title:
        info["displayName"] = target.title
    if description := target.description or flow.help:
        info["description"] = description
    pipeline = {
        "components": printer.components,
        "deploymentSpec": {"executors": printer.executors},
        "pipelineInfo": info,
        "root": root_component,
        "schemaVersion": "2.1.0",
    }
    kubernetes: Document = {"deploymentSpec": {"executors": printer.platforms}}
    if target.workflow_timeout is not None:
        kubernetes["pipelineConfig"] = {"activeDeadlineSeconds": target.workflow_timeout}
    return Documents(pipeline, {"platforms": {"kubernetes": kubernetes}}, pods.service_account(flow))


@dataclass
class _Printer:
    flow: Flow
    target: Target
    payload: Payload
    components: Document = field(default_factory=dict)
    executors: Document = field(default_factory=dict)
    platforms: Document = field(default_factory=dict)
    _labels: dict[str, str] = field(default_factory=dict)

    @cached_property
    def chooses(self) -> bool:
        """Whether tasks run or are skipped by a choice. Such a task has it as an input."""
        return any(step.kind == "split-switch" for step in self.flow.steps.values())

    def tasks(self, scope: Scope) -> Document:
        return {task.name: self._task(task) for task in scope.tasks}

    def _task(self, task: Task) -> Document:
        inherited = range(task.depth if task.splits_of is None else task.depth - 1)
        inputs: Document = {index_input(depth): {"componentInputParameter": index_input(depth)} for depth in inherited}
        printed: Document = {"cachingOptions": {}, "taskInfo": {"name": task.name}}
        component, constants = self._work(task)
        inputs |= {name: {"runtimeValue": {"constant": value}} for name, value in constants.items()}
        if isinstance(task.work, Step):
            if task.work.name == self.flow.start:
                inputs |= {name: {"componentInputParameter": name} for name in self._given()}
            if task.work.retries or task.work.fallbacks:
                printed["retryPolicy"] = _retry_policy(task.work)
        if task.splits_of is not None:
            inputs[ITEMS_INPUT] = _output_of(task.splits_of, SPLITS_OUTPUT)
            printed["parameterIterator"] = {
                "itemInput": index_input(task.depth - 1),
                "items": {"inputParameter": ITEMS_INPUT},
            }
            printed["iteratorPolicy"] = {"parallelismLimit": self.target.max_workers}
        inputs |= _choice(task)
        if task.when is not None:
            printed["triggerPolicy"] = {"condition": f"inputs.parameter_values['{CHOICE}'] == '{task.when}'"}
        if inputs:
            printed["inputs"] = {"parameters": inputs}
        if task.after:
            printed["dependentTasks"] = list(task.after)
        return {**printed, "componentRef": {"name": component}}

    def _work(self, task: Task) -> tuple[str, Mapping[str, str]]:
        """The component that does a task's work, and the inputs by which it is told what to do."""
        match task.work:
            case Scope() as scope:
                return self._body(task, scope), {}
            case Again(scope=name):
                return _body_name(name), {}
            case Tell(step, among):
                return self._teller(task, step), {STEP_INPUT: step.name, AMONG_INPUT: ",".join(among)}
            case Step() as step:
                return self._step(task, step), {STEP_INPUT: ",".join(each.name for each in task.steps)}

    def _body(self, task: Task, scope: Scope) -> str:
        """The component of a DAG inside another: it hands the indexes on, and a choice."""
        name = _body_name(task.name)
        declared = {index_input(depth): _TEXT for depth in range(task.depth)}
        if task.splits_of is not None:
            declared[ITEMS_INPUT] = _optional()
        elif self.chooses:
            declared[CHOICE] = _optional()
        self.components[name] = {"dag": {"tasks": self.tasks(scope)}, "inputDefinitions": {"parameters": declared}}
        return name

    def _step(self, task: Task, step: Step) -> str:
        """The component that runs these steps: shared by tasks whose pods are alike, the task's own when iterated."""
        platform = pods.platform(step, self.target, pods.deadline(task.steps, in_batches=task.in_batches))
        label = self._executor(pods.container(step), platform, self._arguments(task, step))
        name = f"comp-{label}" if task.splits_of is None else f"comp-{task.name}-item"
        declared: Document = {index_input(depth): _TEXT for depth in range(task.depth)} | {STEP_INPUT: _TEXT}
        if task.depth:
            declared[ITEMS_INPUT] = _optional()
        if self.chooses:
            declared[CHOICE] = _optional()
        if step.name == self.flow.start:
            declared |= dict.fromkeys(self._given(), _TEXT)
        component: Document = {"executorLabel": label, "inputDefinitions": {"parameters": declared}}
        if output := _output(task):
            component["outputDefinitions"] = {"parameters": {output: _TEXT}}
        self.components[name] = component
        return name

    def _teller(self, task: Task, step: Step) -> str:
        """The component that tells where the ways from this step have led. It runs no step, and asks for little."""
        arguments = [*self._indexes(task), f"--{AMONG_INPUT}", _input(AMONG_INPUT), *_written(CHOICE)]
        platform = pods.platform(step, self.target, pods.deadline([step]))
        label = self._executor(pods.small_container(step), platform, arguments)
        declared: Document = {index_input(depth): _TEXT for depth in range(task.depth)}
        declared |= {STEP_INPUT: _TEXT, AMONG_INPUT: _TEXT}
        outputs = {"parameters": {CHOICE: _TEXT}}
        self.components[f"comp-{label}"] = {
            "executorLabel": label,
            "inputDefinitions": {"parameters": declared},
            "outputDefinitions": outputs,
        }
        return f"comp-{label}"

    def _executor(self, asked: Document, platform: Document, arguments: Iterable[str]) -> str:
        container = {
            **asked,
            "command": list(self.payload.command),
            "args": [self.payload.record_url, _input(STEP_INPUT), *arguments],
        }
        key = json.dumps([container, platform], sort_keys=True)
        label = self._labels.setdefault(key, f"pod-{len(self._labels) + 1}")
        self.executors[label] = {"container": container}
        self.platforms[label] = platform
        return label

    def _arguments(self, task: Task, step: Step) -> Iterator[str]:
        yield from self._indexes(task)
        if output := _output(task):
            yield from _written(output)
        if task.batched:
            yield from ("--batches", str(min(self.target.max_workers, MOST_BATCHES)))
            if (splits := self.target.splits_per_pod) is not None:
                yield from ("--splits-per-pod", str(splits))
        if step.name == self.flow.start:
            for parameter in self.flow.parameters:
                # One word: a value such as -1e-05 would read as an option if it stood alone.
                yield f"--parameter={parameter.input}={_input(parameter.input)}"
            yield f"--origin={_input(ORIGIN_INPUT)}"

    def _indexes(self, task: Task) -> Iterator[str]:
        for depth in range(task.depth):
            yield from ("--index", _input(index_input(depth)))

    def _given(self) -> Iterator[str]:
        """The pipeline's inputs, which the first step is handed."""
        yield from (each.input for each in self.flow.parameters)
        yield ORIGIN_INPUT


def _output(task: Task) -> str | None:
    """What the task's container gives back to the pipeline."""
    return _OUTPUTS.get(task.last.kind) if task.last else None


def _root_input(parameter: Parameter) -> Document:
    """A pipeline input. Its default is JSON text; the empty text means that there is no value."""
    declared: Document = {"parameterType": "STRING"}
    if not parameter.required:
        declared["defaultValue"] = parameter.default or ""
    if parameter.help:
        declared["description"] = parameter.help
    return declared


def _retry_policy(step: Step) -> Document:
    """One pod for each attempt of the user's code.

    The fallback of @catch runs in the last of them; one pod more is for the case that this pod dies before it can.
    A pod of a step that follows itself makes all attempts, with the user's minutes between them. A further one goes on
    for a pod that died, so nothing is to be waited for.
    """
    minutes = 0 if step.recursive else step.minutes_between_retries
    return {
        "maxRetryCount": step.retries + (1 if step.fallbacks else 0),
        "backoffDuration": f"{minutes * 60}s",
        "backoffFactor": 1,
        "backoffMaxDuration": LONGEST_BACKOFF,
    }


def _choice(task: Task) -> Document:
    """The input of a task by whose choice it, or a task within it, runs or is skipped."""
    if task.choice_of is not None:
        return {CHOICE: _output_of(task.choice_of, CHOICE)}
    return {} if task.when is None else {CHOICE: {"componentInputParameter": CHOICE}}


def _output_of(task: str, output: str) -> Document:
    return {"taskOutputParameter": {"producerTask": task, "outputParameterKey": output}}


def _body_name(task: str) -> str:
    return f"comp-{task}-body"


def _input(name: str) -> str:
    return f"{{{{$.inputs.parameters['{name}']}}}}"


def _written(output: str) -> tuple[str, str]:
    """The option that says where the container writes an output."""
    return (f"--{output}", f"{{{{$.outputs.parameters['{output}'].output_file}}}}")


def _optional() -> Document:
    return {"parameterType": "STRING", "isOptional": True}
