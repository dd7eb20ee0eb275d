"""Strict reading of the documents by the protos, and of the pods' fields by those that only the SDK has."""

import json

from google.protobuf import json_format

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler import protos
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.emit import Documents


def check(text: str) -> None:
    """Parse all of it; ParseError on a field that no proto knows or that has another type."""
    pipeline, platform = (json.loads(part) for part in text.split("\n---\n"))
    protos.check(Documents(pipeline, platform))
    kubernetes = protos.load("kfp", "kfp/kubernetes/kubernetes_executor_config_pb2.py")
    for executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        json_format.ParseDict(executor, kubernetes.KubernetesExecutorConfig())
