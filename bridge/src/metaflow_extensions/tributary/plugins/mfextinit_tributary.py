"""What this extension adds to Metaflow."""

CLIS_DESC = [
    ("kubeflow-pipelines", ".kubeflow_pipelines.cli.cli"),
    ("kubeflow-pipelines-internal", ".kubeflow_pipelines.pod.internal.cli"),
]

STEP_DECORATORS_DESC = [
    ("kubeflow_pipelines_internal", ".kubeflow_pipelines.step_decorator.KubeflowPipelinesInternalDecorator"),
]

DEPLOYER_IMPL_PROVIDERS_DESC = [
    ("kubeflow-pipelines", ".kubeflow_pipelines.deployer.KubeflowPipelinesDeployer"),
]
