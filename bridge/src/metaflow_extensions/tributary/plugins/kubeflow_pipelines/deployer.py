"""`Deployer("flow.py").kubeflow_pipelines(...)`: how Metaflow's Deployer API finds this extension."""

from typing import TYPE_CHECKING, Any, ClassVar

from metaflow.runner.deployer_impl import DeployerImpl

from . import compat

if TYPE_CHECKING:
    from .deployed_flow import KubeflowPipelinesDeployedFlow


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
        version_name : str, optional, default None
            Name of the pipeline's version. A hash of its content is used without it.
        only_json : bool, optional, default False
            Compile and deploy nothing; `pipeline_documents` of what this gives holds the documents.

        Returns
        -------
        KubeflowPipelinesDeployedFlow
            The flow as it is deployed. RuntimeError with the command's words when it was refused.
        """
        deployed: KubeflowPipelinesDeployedFlow = self._create(self.deployed_flow_type(), **kwargs)
        return deployed


_addl_stubgen_modules = [
    "metaflow_extensions.tributary.plugins.kubeflow_pipelines.deployed_flow",
    "metaflow_extensions.tributary.plugins.kubeflow_pipelines.triggered_run",
]
