"""What this extension adds to Metaflow."""

STEP_DECORATORS_DESC = [
    ("kubeflow_pipelines_internal", ".kubeflow_pipelines.pod.decorator.KubeflowPipelinesInternalDecorator"),
]
