"""The documents, read strictly by Kubeflow Pipelines' own protos: no field without a meaning leaves the laptop."""

from importlib import import_module, metadata, util
from pathlib import Path
from typing import Any

from .emit import Documents

DISTRIBUTION = "kfp-pipeline-spec"
MODULE = "kfp/pipeline_spec/pipeline_spec_pb2.py"


def check(documents: Documents) -> None:
    """Parse both documents; protobuf's ParseError names a field that no proto knows or that has another type."""
    spec, parse = load(DISTRIBUTION, MODULE), import_module("google.protobuf.json_format").ParseDict
    parse(documents.pipeline, spec.PipelineSpec())
    parse(documents.pipeline["deploymentSpec"], spec.PipelineDeploymentConfig())
    parse(documents.platform, spec.PlatformSpec())


def load(distribution: str, path: str) -> Any:
    """A module of a distribution by its file: `import kfp.…` would import the whole SDK where it is installed."""
    file = Path(str(metadata.distribution(distribution).locate_file(path)))
    found = util.spec_from_file_location(file.stem, file)
    assert found is not None and found.loader is not None, file
    module = util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
