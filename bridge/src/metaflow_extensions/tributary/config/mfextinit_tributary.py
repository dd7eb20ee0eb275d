"""Settings of the extension. Each is METAFLOW_<name> in the environment or in Metaflow's config file."""

from metaflow.metaflow_config_funcs import from_conf

# Where Kubeflow Pipelines answers, for instance http://localhost:8888
KUBEFLOW_PIPELINES_URL = from_conf("KUBEFLOW_PIPELINES_URL")

# The namespace that runs live in; a Kubeflow for several users must be told it.
KUBEFLOW_PIPELINES_NAMESPACE = from_conf("KUBEFLOW_PIPELINES_NAMESPACE")

# The ConfigMap with Metaflow's config.json for pods, and the Secret with their key to the object store.
KUBEFLOW_PIPELINES_STEPS_CONFIG = from_conf("KUBEFLOW_PIPELINES_STEPS_CONFIG")
KUBEFLOW_PIPELINES_STEPS_SECRET = from_conf("KUBEFLOW_PIPELINES_STEPS_SECRET")
