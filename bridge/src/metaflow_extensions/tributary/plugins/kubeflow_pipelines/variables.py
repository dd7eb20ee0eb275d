"""Which of the variables that Metaflow's Argo integration gives to its pods ours have, and why not the others.

Data, from which the deployment record's variables are made; a test reads the names out of Metaflow's own code.
"""

from collections.abc import Mapping
from typing import Literal

Origin = Literal["setting", "settings", "runner", "config", "left out"]
"""`setting`: the deployer's setting of that name, in the deployment record. `settings`: all that begin so. `runner`:
set in the pod. `config`: what the pods' own Metaflow config says, for that knows the way inside the cluster.
"""

VARIABLES: Mapping[str, tuple[Origin, str]] = {
    # Where data lies, and how it is written.
    "METAFLOW_DATASTORE_SYSROOT_S3": ("setting", "where artifacts are"),
    "METAFLOW_DATATOOLS_S3ROOT": ("setting", "where metaflow.S3(run=self) writes"),
    "METAFLOW_CARD_S3ROOT": ("setting", "where cards are"),
    "METAFLOW_S3_SERVER_SIDE_ENCRYPTION": ("setting", "how the object store encrypts"),
    "METAFLOW_S3_ENDPOINT_URL": ("config", "a laptop reaches the store by another address"),
    "METAFLOW_SERVICE_URL": ("config", "a laptop reaches the service by another address"),
    "METAFLOW_SERVICE_HEADERS": (
        "config",
        "a token of theirs is METAFLOW_SERVICE_AUTH_KEY, of the steps' Secret; a record must not hold it",
    ),
    # @secrets
    "METAFLOW_DEFAULT_SECRETS_BACKEND_TYPE": ("setting", "@secrets"),
    "METAFLOW_DEFAULT_SECRETS_ROLE": ("setting", "@secrets; Argo's pods have only the default"),
    "METAFLOW_AWS_SECRETS_MANAGER_DEFAULT_REGION": ("setting", "@secrets"),
    "METAFLOW_GCP_SECRET_MANAGER_PREFIX": ("setting", "@secrets"),
    "METAFLOW_AZURE_KEY_VAULT_PREFIX": ("setting", "@secrets"),
    # @conda and @pypi, and what Metaflow says of itself
    "METAFLOW_CONDA_": ("settings", "how environments are made"),
    "METAFLOW_DEBUG_": ("settings", "what Metaflow says of itself"),
    # The script of a sandbox
    "METAFLOW_INIT_SCRIPT": ("runner", "the container's command runs it first"),
    "METAFLOW_KUBERNETES_SANDBOX_INIT_SCRIPT": ("setting", "for what a step starts itself"),
    # The task
    "METAFLOW_CODE_DS": ("runner", "the code package"),
    "METAFLOW_CODE_METADATA": ("runner", "the code package"),
    "METAFLOW_CODE_SHA": ("runner", "the code package"),
    "METAFLOW_CODE_URL": ("runner", "the code package"),
    "METAFLOW_DEFAULT_DATASTORE": ("runner", "the flow's datastore"),
    "METAFLOW_DEFAULT_METADATA": ("runner", "the flow's metadata provider"),
    "METAFLOW_FLOW_CONFIG_VALUE": ("runner", "Config values lie in the code package"),
    "METAFLOW_FLOW_FILENAME": ("runner", "the flow"),
    "METAFLOW_FLOW_NAME": ("runner", "the flow"),
    "METAFLOW_OWNER": ("runner", "the deployer"),
    "METAFLOW_PRODUCTION_TOKEN": ("runner", "the deployment"),
    "METAFLOW_RETRY_COUNT": ("runner", "the attempt"),
    "METAFLOW_RUNTIME_ENVIRONMENT": ("runner", "kubernetes"),
    "METAFLOW_RUN_ID": ("runner", "the run"),
    "METAFLOW_STEP_NAME": ("runner", "the step"),
    "METAFLOW_TASK_ID": ("runner", "the task"),
    "METAFLOW_TEMPDIR": ("runner", "@kubernetes(use_tmpfs=True)"),
    "METAFLOW_USER": ("runner", "kubeflow-pipelines"),
    # What Metaflow's own Kubernetes decorator would read in the pod
    "METAFLOW_KUBERNETES_WORKLOAD": (
        "left out",
        "it starts two processes beside each step; the runner stores the logs",
    ),
    "METAFLOW_KUBERNETES_FETCH_EC2_METADATA": ("left out", "only read with METAFLOW_KUBERNETES_WORKLOAD"),
    "METAFLOW_KUBERNETES_JOBSET_NAME": ("left out", "a gang's own metadata says it"),
    "METAFLOW_KUBERNETES_NAMESPACE": ("left out", "TRIBUTARY_NAMESPACE has it, and the task's metadata"),
    "METAFLOW_KUBERNETES_NODE_IP": ("left out", "TRIBUTARY_HOST_IP has it, and the task's metadata"),
    "METAFLOW_KUBERNETES_POD_ID": ("left out", "TRIBUTARY_POD_ID has it, and the task's metadata"),
    "METAFLOW_KUBERNETES_POD_NAME": ("left out", "TRIBUTARY_POD has it, and the task's metadata"),
    "METAFLOW_KUBERNETES_POD_NAMESPACE": ("left out", "TRIBUTARY_NAMESPACE has it, and the task's metadata"),
    "METAFLOW_KUBERNETES_SERVICE_ACCOUNT_NAME": ("left out", "TRIBUTARY_ACCOUNT has it, and the task's metadata"),
    "METAFLOW_VERSION": ("left out", "Metaflow does not read it"),
    # Other datastores, which the checks refuse
    "METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT": ("left out", "the datastore is S3"),
    "METAFLOW_CARD_AZUREROOT": ("left out", "the datastore is S3"),
    "METAFLOW_CARD_GSROOT": ("left out", "the datastore is S3"),
    "METAFLOW_DATASTORE_SYSROOT_AZURE": ("left out", "the datastore is S3"),
    "METAFLOW_DATASTORE_SYSROOT_GS": ("left out", "the datastore is S3"),
    # Argo's own
    "ARGO_WORKFLOW_NAME": ("left out", "it would make Metaflow take the pod for one of Argo's"),
    "ARGO_WORKFLOW_NAMESPACE": ("left out", "it would make Metaflow take the pod for one of Argo's"),
    "ARGO_WORKFLOW_TEMPLATE": ("left out", "it would make Metaflow take the pod for one of Argo's"),
    "METAFLOW_ARGO_EVENTS_EVENT": ("left out", "events need the controller, which is not part of this release"),
    "METAFLOW_ARGO_EVENTS_EVENT_BUS": ("left out", "events need the controller"),
    "METAFLOW_ARGO_EVENTS_EVENT_SOURCE": ("left out", "events need the controller"),
    "METAFLOW_ARGO_EVENTS_SERVICE_ACCOUNT": ("left out", "events need the controller"),
    "METAFLOW_ARGO_EVENTS_WEBHOOK_AUTH": ("left out", "events need the controller"),
    "METAFLOW_ARGO_EVENTS_WEBHOOK_URL": ("left out", "events need the controller"),
    "METAFLOW_ARGO_WORKFLOWS_ENV_VARS_TO_SKIP": ("left out", "Argo's; METAFLOW_KUBERNETES_SECRETS is read"),
    "METAFLOW_ARGO_WORKFLOWS_KUBERNETES_SECRETS": ("left out", "Argo's; METAFLOW_KUBERNETES_SECRETS is read"),
}


def settings() -> tuple[str, ...]:
    """The deployer's settings that pods are given."""
    return tuple(name for name, (origin, _) in VARIABLES.items() if origin == "setting")


def prefixes() -> tuple[str, ...]:
    """The beginnings of names of which pods are given every setting."""
    return tuple(name for name, (origin, _) in VARIABLES.items() if origin == "settings")
