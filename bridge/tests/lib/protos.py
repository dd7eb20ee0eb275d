"""Strict reading of both documents by Kubeflow Pipelines' own protos, loaded by their files: `import kfp` is slow."""

import json
from importlib import metadata, util
from pathlib import Path
from typing import Any

from google.protobuf import json_format


def check(text: str) -> None:
    """Parse all of it; ParseError on a field that no proto knows or that has another type."""
    spec = _module("kfp-pipeline-spec", "kfp/pipeline_spec/pipeline_spec_pb2.py")
    kubernetes = _module("kfp", "kfp/kubernetes/kubernetes_executor_config_pb2.py")
    pipeline, platform = (json.loads(part) for part in text.split("\n---\n"))
    json_format.ParseDict(pipeline, spec.PipelineSpec())
    json_format.ParseDict(pipeline["deploymentSpec"], spec.PipelineDeploymentConfig())
    json_format.ParseDict(platform, spec.PlatformSpec())
    for executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        json_format.ParseDict(executor, kubernetes.KubernetesExecutorConfig())


def _module(distribution: str, path: str) -> Any:
    file = Path(str(metadata.distribution(distribution).locate_file(path)))
    found = util.spec_from_file_location(file.stem, file)
    assert found is not None and found.loader is not None, file
    module = util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
