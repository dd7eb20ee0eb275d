"""Strict reading of the two documents by Kubeflow Pipelines' own protos, loaded without its SDK."""

import json
from importlib import metadata, util
from pathlib import Path
from types import ModuleType
from typing import Any

from google.protobuf import json_format


def check(text: str) -> None:
    """Parse both documents; ParseError on a field that no proto knows or that has another type."""
    spec, kubernetes = (
        _module("kfp-pipeline-spec", "kfp/pipeline_spec/pipeline_spec_pb2.py"),
        _module("kfp", "kfp/kubernetes/kubernetes_executor_config_pb2.py"),
    )
    pipeline, platform = (json.loads(part) for part in text.split("\n---\n"))
    json_format.ParseDict(pipeline, spec.PipelineSpec())
    json_format.ParseDict(pipeline["deploymentSpec"], spec.PipelineDeploymentConfig())
    json_format.ParseDict(platform, spec.PlatformSpec())
    for executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        json_format.ParseDict(executor, kubernetes.KubernetesExecutorConfig())


def _module(distribution: str, path: str) -> ModuleType | Any:
    file = Path(str(metadata.distribution(distribution).locate_file(path)))
    loader = util.spec_from_file_location(file.stem, file)
    assert loader is not None and loader.loader is not None
    module = util.module_from_spec(loader)
    loader.loader.exec_module(module)
    return module
