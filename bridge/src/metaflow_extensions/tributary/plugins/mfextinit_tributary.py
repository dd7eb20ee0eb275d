"""What this extension adds to Metaflow."""

CLIS_DESC = [("kubeflow-pipelines", ".kubeflow_pipelines.cli.cli")]

STEP_DECORATORS_DESC = [
    ("kubeflow_pipelines_internal", ".kubeflow_pipelines.pod.decorator.KubeflowPipelinesInternalDecorator"),
]
