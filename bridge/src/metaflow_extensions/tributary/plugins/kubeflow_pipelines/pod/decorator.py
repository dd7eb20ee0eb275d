"""What a step does for the bridge while it runs: it writes into its task's metadata in which pod it is, and it holds
the step to the graph that the pipeline was made from.
"""

import os
from collections.abc import Callable
from typing import Any

from metaflow import current
from metaflow.decorators import StepDecorator
from metaflow.exception import MetaflowException
from metaflow.metadata_provider import MetaDatum
from metaflow.unbounded_foreach import UBF_CONTROL

from . import ids

# Metadata field -> the environment variable that the pipeline spec gives every step's container.
FIELDS = {
    "kubeflow-pipelines-run-id": "TRIBUTARY_RUN",
    "kubeflow-pipelines-pipeline": "TRIBUTARY_PIPELINE",
    "kubeflow-pipelines-node-name": "TRIBUTARY_NODE",
    "kubernetes-pod-name": "TRIBUTARY_POD",
    "kubernetes-pod-namespace": "TRIBUTARY_NAMESPACE",
    "kubernetes-pod-id": "TRIBUTARY_POD_ID",
    "kubernetes-pod-service-account-name": "TRIBUTARY_ACCOUNT",
    "kubernetes-node-ip": "TRIBUTARY_HOST_IP",
    "parallel-node-index": "MF_PARALLEL_NODE_INDEX",
}

# Where Metaflow's own pods have the notice that their node is about to be taken away. Nobody writes it here.
_SPOT_NOTICE = "/tmp/spot_termination_notice"


class OtherTransition(MetaflowException):  # type: ignore[misc]
    """The step went on to other steps than those its code was read to go on to."""

    headline = "Other transition"


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
        """Register the fields whose variable is set, under this attempt; and give `current` what @kubernetes gives it
        in Metaflow's own pods.
        """
        current._update_env({"spot_termination_notice": _SPOT_NOTICE})
        if folder := os.environ.get("TRIBUTARY_TEMPDIR"):
            current._update_env({"tempdir": folder})
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

    def task_decorate(
        self,
        step_func: Callable[..., None],
        flow: Any,
        graph: Any,
        retry_count: int,
        max_user_code_retries: int,
        ubf_context: str | None,
    ) -> Callable[..., None]:
        """In node 0 of a gang, note its nodes' tasks where Metaflow looks for them. A @kubernetes in the flow has noted
        ids of its own by now.
        """
        if ubf_context == UBF_CONTROL:
            control, nodes = current.task_id, current.parallel.num_nodes
            flow._control_mapper_tasks = [
                f"{current.run_id}/{current.step_name}/{task}" for task in ids.gang_of(control, nodes)
            ]
        return step_func

    def task_post_step(
        self, step_name: str, flow: Any, graph: Any, retry_count: int, max_user_code_retries: int
    ) -> None:
        """Raise OtherTransition when self.next() was called with other steps than stand in the graph.

        On a laptop the scheduler sees it. A pipeline has its tasks already, and would run the wrong one in silence.
        """
        wanted = list(graph[step_name].out_funcs)
        taken = list((getattr(flow, "_transition", None) or ([],))[0])
        if graph[step_name].type == "split-switch":
            if len(taken) == 1 and taken[0] in wanted:
                return
            raise OtherTransition(
                f"step {step_name}: goes on to {', '.join(taken)}, but was deployed to choose one of "
                f"{', '.join(dict.fromkeys(wanted))}. Call self.next once, in the last line of the step."
            )
        if taken != wanted:
            raise OtherTransition(
                f"step {step_name}: goes on to {', '.join(taken)}, but was deployed to go on to {', '.join(wanted)}. "
                "Call self.next once, in the last line of the step."
            )
