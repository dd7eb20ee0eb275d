"""The yardstick: a chain of container steps as Kubeflow Pipelines runs them, without Metaflow."""

from __future__ import annotations

import json
from typing import Any

NAME = "bench-bare-chain"


def chain(length: int, image: str) -> str:
    """The pipeline spec of `length` steps, one after the other, each of which starts Python and ends."""
    tasks: dict[str, Any] = {}
    for number in range(length):
        task: dict[str, Any] = {
            "cachingOptions": {},
            "componentRef": {"name": "comp-step"},
            "taskInfo": {"name": f"step-{number}"},
        }
        if number:
            task["dependentTasks"] = [f"step-{number - 1}"]
        tasks[f"step-{number}"] = task
    container = {
        "image": image,
        "command": ["python3", "-c", "print('a bare step')"],
        "resources": {"resourceCpuRequest": "100m", "resourceMemoryRequest": "256M"},
    }
    spec = {
        "components": {"comp-step": {"executorLabel": "exec-step"}},
        "deploymentSpec": {"executors": {"exec-step": {"container": container}}},
        "pipelineInfo": {"name": NAME},
        "root": {"dag": {"tasks": tasks}},
        "schemaVersion": "2.1.0",
        "sdkVersion": "tributary-bench",
    }
    return json.dumps(spec)
