"""Settings of the extension. Each is METAFLOW_<name> in the environment or in Metaflow's config file."""

from metaflow.metaflow_config_funcs import from_conf

# Where Kubeflow Pipelines answers, for instance http://localhost:8888
KUBEFLOW_PIPELINES_URL = from_conf("KUBEFLOW_PIPELINES_URL")

# The namespace that runs live in; a Kubeflow for several users must be told it.
KUBEFLOW_PIPELINES_NAMESPACE = from_conf("KUBEFLOW_PIPELINES_NAMESPACE")

# The version of that server, where it tells none or another shall be taken: 2.14
KUBEFLOW_PIPELINES_SERVER_VERSION = from_conf("KUBEFLOW_PIPELINES_SERVER_VERSION")

# What proves to it who asks: a token, a file that holds one, or the cookies of a login; and whose certificates it has.
KUBEFLOW_PIPELINES_TOKEN = from_conf("KUBEFLOW_PIPELINES_TOKEN")
KUBEFLOW_PIPELINES_TOKEN_FILE = from_conf("KUBEFLOW_PIPELINES_TOKEN_FILE")
KUBEFLOW_PIPELINES_COOKIES = from_conf("KUBEFLOW_PIPELINES_COOKIES")
KUBEFLOW_PIPELINES_CA_FILE = from_conf("KUBEFLOW_PIPELINES_CA_FILE")

# The ConfigMap with Metaflow's config.json for pods, and the Secret with their key to the object store.
KUBEFLOW_PIPELINES_STEPS_CONFIG = from_conf("KUBEFLOW_PIPELINES_STEPS_CONFIG")
KUBEFLOW_PIPELINES_STEPS_SECRET = from_conf("KUBEFLOW_PIPELINES_STEPS_SECRET")
