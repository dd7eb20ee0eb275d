"""`Deployer("flow.py").kubeflow_pipelines(...)`: how Metaflow's Deployer API finds this extension."""

from typing import TYPE_CHECKING, Any, ClassVar

from metaflow.runner.deployer_impl import DeployerImpl

from . import compat

if TYPE_CHECKING:
    from .deployed_flow import KubeflowPipelinesDeployedFlow


# Options of create() by other names: Metaflow's Argo integration's, and what our own command line says.
_OTHER_NAMES = {
    "given_token": "new_token",
    "user_namespace": "namespace",
    "workflow_title": "title",
    "workflow_description": "description",
    "format": "form",
}


class KubeflowPipelinesDeployer(DeployerImpl):  # type: ignore[misc]
    """
    Deployer implementation for Kubeflow Pipelines.

    Parameters
    ----------
    name : str, optional, default None
        Name of the pipeline. The flow's name in lower case is used without it.
    url : str, optional, default None
        Where Kubeflow Pipelines answers. METAFLOW_KUBEFLOW_PIPELINES_URL is used without it.
    kubeflow_namespace : str, optional, default None
        Namespace of runs, for a Kubeflow of several users.
    """

    TYPE: ClassVar[str | None] = "kubeflow-pipelines"

    def __init__(self, deployer_kwargs: dict[str, Any], **kwargs: Any) -> None:
        self._deployer_kwargs = deployer_kwargs
        compat.teach_types_of_options()
        super().__init__(**kwargs)

    @property
    def deployer_kwargs(self) -> dict[str, Any]:
        """The options of the command group."""
        return self._deployer_kwargs

    @staticmethod
    def deployed_flow_type() -> type["KubeflowPipelinesDeployedFlow"]:
        """What create() gives."""
        from .deployed_flow import KubeflowPipelinesDeployedFlow

        return KubeflowPipelinesDeployedFlow

    def create(self, **kwargs: Any) -> "KubeflowPipelinesDeployedFlow":
        """
        Deploy a new version of the flow to Kubeflow Pipelines.

        Parameters
        ----------
        authorize : str, optional, default None
            The deployment's production token, if somebody else made it.
        generate_new_token : bool, optional, default False
            Make a new production token, and so a new namespace.
        new_token : str, optional, default None
            Use this production token, and so this namespace, from now on.
        tags : list[str], optional, default None
            Tag every run of this deployment.
        namespace : str, optional, default None
            Metaflow namespace that steps read from, in place of the deployer's.
        max_workers : int, optional, default 100
            How many splits of one foreach run at a time.
        fuse : bool, optional, default True
            Run steps that follow each other in one pod where their pods would be alike.
        splits_per_pod : int, optional, default None
            Run so many splits of a foreach in one pod, one after the other, where its body is one pod. Without it each
            split has a pod of its own, until there are more than max_workers; with 1, always.
        version_name : str, optional, default None
            Name of the pipeline's version. A hash of its content is used without it.
        loops : str, optional, default "pod"
            "pod" runs all rounds of a step that follows itself in one pod, "pods" each in a pod of its own.
        experiment : str, optional, default None
            Experiment of the runs that @schedule starts.
        title : str, optional, default None
            Title of the pipeline, for people to read.
        description : str, optional, default None
            Description of the pipeline. The flow's docstring is used without it.
        workflow_timeout : int, optional, default None
            Seconds after which a run is stopped. Needs Kubeflow Pipelines 2.17.
        server_version : str, optional, default None
            Version of Kubeflow Pipelines to write for, where the server tells none.
        only_json : bool, optional, default False
            Compile and deploy nothing; `pipeline_documents` of what this gives holds the documents.
        format : str, optional, default "spec"
            With only_json: "spec" for the documents as they are uploaded, "resource" for Kubernetes resources.
        keep_code : bool, optional, default False
            With only_json: store the code too, which pods of these documents fetch.

        The names that Metaflow's Argo integration has for four of these are taken too: given_token for new_token,
        user_namespace for namespace, workflow_title for title, workflow_description for description.

        Returns
        -------
        KubeflowPipelinesDeployedFlow
            The flow as it is deployed. RuntimeError with the command's words when it was refused.
        """
        options = _ours(kwargs)
        deployed: KubeflowPipelinesDeployedFlow = self._create(self.deployed_flow_type(), **options)
        return deployed


def _ours(options: dict[str, Any]) -> dict[str, Any]:
    """The options by our names. TypeError where one is given twice."""
    said: dict[str, Any] = {}
    for name, value in options.items():
        ours = _OTHER_NAMES.get(name, name)
        if ours in said:
            raise TypeError(f"create(): {ours} is given by two names. Keep one of them.")
        said[ours] = value
    return said


_addl_stubgen_modules = [
    "metaflow_extensions.tributary.plugins.kubeflow_pipelines.deployed_flow",
    "metaflow_extensions.tributary.plugins.kubeflow_pipelines.triggered_run",
]
