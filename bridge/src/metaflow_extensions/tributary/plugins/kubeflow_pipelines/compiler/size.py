"""How large a run's Argo workflow becomes, guessed before anything is uploaded.

Argo keeps a whole run in one object: the spec as it is, and a record for every node, all of them compressed and in
base64. Past 1 MiB it cannot write it any more, and the run is lost half-way. So what Kubeflow Pipelines 2.14 makes of
a pipeline is imitated here: its templates from the tasks, and nodes for as many pods as a foreach is expected to start.
"""

import base64
import gzip
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .emit import Documents
from .ir import Flow, Target
from .problem import Problem

# Argo's MAX_WORKFLOW_SIZE where nobody has set it, less what annotations, labels and conditions of a run take.
LIMIT = 1024 * 1024 - 24 * 1024

# Templates for drivers and launchers that stand in each workflow.
_TEMPLATES = 8_000

# What Kubeflow Pipelines writes around the JSON of a task: its two Argo tasks with their arguments.
_AROUND_CONTAINER = 1_050
_AROUND_DAG = 900

_NO_LIMIT = 10**9
_WIDEST = 2**16

# Nodes are compressed together; so many are made to see what one costs. Real ones, of 2.14.3, took a tenth more.
_SAMPLE = 48
_REAL = 1.1

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Estimate:
    """Bytes of a run's workflow: its spec, and its nodes when each foreach has `splits` splits."""

    spec: int
    nodes: int
    splits: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.spec + self.nodes

    @property
    def fits(self) -> bool:
        """Whether Argo can keep it."""
        return self.total <= LIMIT


def estimate(documents: Documents, target: Target, splits: int = 1) -> Estimate:
    """The size of a run in which every outermost foreach has this many splits and every inner one a single one."""
    sizes = _Sizes(documents, target)
    root = documents.pipeline["root"]["dag"]
    containers, dags = sizes.pods(root, splits)
    per_container, per_dag = sizes.bytes_of_nodes()
    return Estimate(sizes.spec(), int(containers * per_container + dags * per_dag), splits)


def problems(flow: Flow, documents: Documents, target: Target) -> list[Problem]:
    """What is said of a flow whose run would be lost for its size even if no foreach were wide."""
    found = estimate(documents, target)
    if found.fits:
        return []
    wrong = f"its runs would take some {found.total:,} bytes in Argo, which keeps 1,048,576 of a run at most"
    fewer = "give steps that follow each other the same image, resources and retries, so that they share a pod"
    instead = f"Leave --no-fuse out, or {fewer}" if not target.fuse else f"Use fewer steps, or {fewer}"
    return [Problem(f"{flow.place}: flow {flow.name!r}", wrong, instead)]


def widest(documents: Documents, target: Target) -> int:
    """About how many splits each outermost foreach may have, all of them together fitting; 0 when none fits, and no
    more is said than that a very wide one does.
    """
    fits, wide = 0, 1
    while wide <= _WIDEST and estimate(documents, target, wide).fits:
        fits, wide = wide, 2 * wide
    while wide - fits > max(1, fits // 50):
        middle = (fits + wide) // 2
        fits, wide = (middle, wide) if estimate(documents, target, middle).fits else (fits, middle)
    return fits


def note(documents: Documents, target: Target) -> str | None:
    """What its user should know of a flow's width; None where batches keep the pods of every foreach few."""
    if not _Sizes(documents, target).unlimited(documents.pipeline["root"]["dag"]):
        return None
    splits = widest(documents, target)
    return f"A foreach that is not run in batches may have some {splits:,} splits in all: Argo keeps no larger run."


class _Sizes:
    def __init__(self, documents: Documents, target: Target) -> None:
        self.target = target
        self.components: Document = documents.pipeline["components"]
        self.executors: Document = documents.pipeline["deploymentSpec"]["executors"]
        self.platforms: Document = documents.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        self.root: Document = documents.pipeline["root"]

    def spec(self) -> int:
        """Bytes of the workflow's spec: arguments and templates. The JSON in them is quoted once more."""
        size = _TEMPLATES + _quoted(self.root)
        for component in self.components.values():
            size += _quoted(component) + 200
            if label := component.get("executorLabel"):
                size += _quoted(self.executors[label]["container"]) + _quoted(self.platforms[label]) + 400
        for task in self._tasks():
            around = _AROUND_DAG if "dag" in self._component(task) else _AROUND_CONTAINER
            copies = 2 if "parameterIterator" in task else 1
            size += copies * (_quoted(task) + around)
        return size

    def pods(self, dag: Document, splits: int, inside: frozenset[str] = frozenset()) -> tuple[int, int]:
        """How many tasks of containers and of DAGs run; iterations count as one of the latter. A component that stands
        in itself, a round of a step that follows itself, is counted once.
        """
        containers = dags = 0
        for task in dag["tasks"].values():
            name, component = task["componentRef"]["name"], self._component(task)
            if name in inside:
                continue
            times = 1
            if "parameterIterator" in task:
                times, dags = min(splits, self._batches(dag, task)), dags + 1
            if "dag" in component:
                # The arms of a switch are in a DAG of their own, which is no deeper.
                inner = self.pods(component["dag"], 1 if "parameterIterator" in task else splits, inside | {name})
                containers, dags = containers + times * inner[0], dags + times * (inner[1] + 1)
            else:
                containers += times
        return containers, dags

    def unlimited(self, dag: Document, inside: frozenset[str] = frozenset()) -> bool:
        """Whether there is an outermost foreach that has pods for each of its splits, however many these are."""
        for task in dag["tasks"].values():
            name, component = task["componentRef"]["name"], self._component(task)
            if "parameterIterator" in task:
                if self._batches(dag, task) == _NO_LIMIT:
                    return True
            elif "dag" in component and name not in inside and self.unlimited(component["dag"], inside | {name}):
                return True
        return False

    def bytes_of_nodes(self) -> tuple[float, float]:
        """What the nodes of one container task take, and of one DAG task."""
        tasks = [task for task in self._tasks() if "executorLabel" in self._component(task)]
        random_ids = random.Random(0)
        containers = [
            node
            for number in range(_SAMPLE)
            for node in self._nodes_of_container(tasks[number % len(tasks)], number, random_ids)
        ]
        random_ids.shuffle(containers)
        dags = [node for number in range(_SAMPLE) for node in self._nodes_of_dag(number, random_ids)]
        return _REAL * _compressed(containers) / _SAMPLE, _REAL * _compressed(dags) / _SAMPLE

    def _batches(self, dag: Document, task: Document) -> int:
        """How many pods the splits of a foreach have at most, as its step's runner is told."""
        source = task["inputs"]["parameters"][task["parameterIterator"]["items"]["inputParameter"]]
        component = self._component(dag["tasks"][source["taskOutputParameter"]["producerTask"]])
        return self._told(self.executors[component["executorLabel"]]["container"]) or _NO_LIMIT

    def _told(self, container: Document) -> int:
        words = container["args"]
        return int(words[words.index("--batches") + 1]) if "--batches" in words else 0

    def _tasks(self) -> Iterator[Document]:
        dags = [self.root["dag"], *(each["dag"] for each in self.components.values() if "dag" in each)]
        return (task for dag in dags for task in dag["tasks"].values())

    def _component(self, task: Document) -> Document:
        component: Document = self.components[task["componentRef"]["name"]]
        return component

    def _nodes_of_container(self, task: Document, number: int, ids: random.Random) -> Iterator[Document]:
        component = self._component(task)
        label = component["executorLabel"]
        container = self.executors[label]["container"]
        handed = {"inputs": {"parameterValues": {"step": "step", "i0": str(number)}}, "outputs": {}}
        command = ["/kfp-launcher/launch", "--run_id", "0" * 36, "--execution_id", str(ids.randrange(10**5))]
        command += ["--executor_input", json.dumps(handed), "--component_spec", json.dumps(component)]
        args = [*container["command"], *container["args"]]
        patch = json.dumps({"containers": [{"name": "main", "command": command, "args": args}]})
        given = {
            "component": json.dumps(component),
            "task": json.dumps(task),
            "container": json.dumps(container),
            "kubernetes-config": json.dumps(self.platforms[label]),
            "iteration-index": str(number),
            "parent-dag-id": str(ids.randrange(10**5)),
        }
        name = f"root.{task['taskInfo']['name']}.iteration-iterations({number}:{number}).iteration-item"
        yield self._node(f"{name}-driver", "Pod", ids, given, {"pod-spec-patch": patch, "condition": "true"})
        yield self._node(name, "DAG", ids, {"pod-spec-patch": patch, "cached-decision": "false"}, {})
        yield self._node(f"{name}.executor", "Pod", ids, {"pod-spec-patch": patch}, {})
        if "parameterIterator" in task:
            yield self._node(name.rpartition(".")[0], "DAG", ids, {"parent-dag-id": given["parent-dag-id"]}, {})

    def _nodes_of_dag(self, number: int, ids: random.Random) -> Iterator[Document]:
        given = {"component": json.dumps({"dag": {}}), "task": "{}", "parent-dag-id": str(ids.randrange(10**5))}
        name = f"root.each.iteration-iterations({number}:{number}).iteration-item"
        found = {"execution-id": str(ids.randrange(10**5)), "iteration-count": "0", "condition": "true"}
        yield self._node(f"{name}-driver", "Pod", ids, given, found)
        yield self._node(name, "DAG", ids, {"parent-dag-id": found["execution-id"]}, {})

    def _node(
        self, name: str, kind: str, ids: random.Random, inputs: Mapping[str, str], outputs: Mapping[str, str]
    ) -> Document:
        workflow = f"{self.target.pipeline}-abcde"

        def values(given: Mapping[str, str]) -> list[Document]:
            return [{"name": key, "value": value} for key, value in given.items()]

        times = [f"2026-01-01T{ids.randrange(24):02}:{ids.randrange(60):02}:{ids.randrange(60):02}Z" for _ in range(2)]
        return {
            "id": f"{workflow}-{ids.randrange(10**10)}",
            "name": f"{workflow}.{name}",
            "displayName": name.rsplit(".", 1)[-1],
            "type": kind,
            "templateName": "system-container-driver",
            "templateScope": f"local/{workflow}",
            "phase": "Succeeded",
            "boundaryID": f"{workflow}-{ids.randrange(10**10)}",
            "startedAt": times[0],
            "finishedAt": times[1],
            "progress": "1/1",
            "resourcesDuration": {"cpu": ids.randrange(10), "memory": ids.randrange(100)},
            "inputs": {"parameters": values(inputs)},
            "outputs": {"parameters": values(outputs), "exitCode": "0"},
            "children": [f"{workflow}-{ids.randrange(10**10)}"],
            "hostNodeName": "node",
        }


def _quoted(document: Any) -> int:
    """Bytes of a document's JSON as a text inside JSON."""
    return len(json.dumps(json.dumps(document, separators=(",", ":"))))


def _compressed(nodes: list[Document]) -> int:
    text = json.dumps({str(node["id"]): node for node in nodes}, separators=(",", ":"))
    return len(base64.b64encode(gzip.compress(text.encode())))
