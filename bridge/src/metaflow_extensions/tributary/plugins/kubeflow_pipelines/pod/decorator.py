"""Writes into a task's metadata where it ran, so that a task is found from its pod and a pod from its task."""

import os
from typing import Any

from metaflow.decorators import StepDecorator
from metaflow.metadata_provider import MetaDatum

# Metadata field -> the environment variable that the pipeline spec gives every step's container.
FIELDS = {
    "kubeflow-pipelines-run-id": "TRIBUTARY_RUN",
    "kubeflow-pipelines-pipeline": "TRIBUTARY_PIPELINE",
    "kubeflow-pipelines-node-name": "TRIBUTARY_NODE",
    "kubernetes-pod-name": "TRIBUTARY_POD",
    "kubernetes-pod-namespace": "TRIBUTARY_NAMESPACE",
}


class KubeflowPipelinesInternalDecorator(StepDecorator):  # type: ignore[misc]
    """Attached by the runner to every step that runs in a pod; users do not write it."""

    name = "kubeflow_pipelines_internal"

    def task_pre_step(
        self,
        step_name: str,
        task_datastore: Any,
        metadata: Any,
        run_id: str,
        task_id: str,
        flow: Any,
        graph: Any,
        retry_count: int,
        max_user_code_retries: int,
        ubf_context: str | None,
        inputs: Any,
    ) -> None:
        """Register the fields whose variable is set, under this attempt."""
        tags = [f"attempt_id:{retry_count}"]
        metadata.register_metadata(
            run_id,
            step_name,
            task_id,
            [
                MetaDatum(field=field, value=value, type=field, tags=tags)
                for field, variable in FIELDS.items()
                if (value := os.environ.get(variable))
            ],
        )
