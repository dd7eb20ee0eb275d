"""Every version that the cluster is made of, in one place."""

KUBERNETES = "v1.34.4"
KIND = "v0.33.0"
ETCD = "v3.6.8"
HELM = "v3.20.2"
COREDNS = "v1.14.7"
LOCAL_PATH_PROVISIONER = "v0.0.30"
ARGO = "v3.7.14"

# Pipelines 2.14.3 has no tag that the Go module proxy knows: this pseudo-version is its commit.
KUBEFLOW_PIPELINES = "2.14.3"
KUBEFLOW_PIPELINES_MODULE = "v0.0.0-20250902140602-fc3214d4b4d3"

# The generator of the Go types that this release of Pipelines was made with.
PROTOC_GEN_GO = "v1.36.6"

# The tags under which kubeadm of this Kubernetes asks for what it does not bring along.
PAUSE = "3.10.1"
ETCD_TAG = "3.6.5-0"
COREDNS_TAG = "v1.12.1"
