"""A deployment as Kubernetes resources, for a Kubeflow Pipelines that keeps its pipelines so (from 2.14 on).

Applied by hand, or by what keeps a cluster like a folder in Git: a Pipeline, and the PipelineVersion of this content.
"""

import json
import re
from typing import Any

from .compiler.capabilities import Feature
from .compiler.emit import Documents
from .compiler.ir import Target
from .provenance import DeploymentNotes, describe_pipeline, describe_version
from .refusals import Refused

API_VERSION = "pipelines.kubeflow.org/v2beta1"

NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
LONGEST_NAME = 253


def resources(documents: Documents, target: Target, noted: DeploymentNotes, version: str, namespace: str | None) -> str:
    """Both resources as YAML documents, each in JSON. Equal flows give equal bytes.

    `version` names the version; versions of all pipelines share the names of a namespace, so the pipeline's is put in
    front. Refused when the server is too old, or Kubernetes could not use the name.
    """
    if lack := target.capabilities.lack(Feature.PIPELINE_RESOURCES):
        raise Refused(f"--format resource: {lack}. Use --format spec, or say another --server-version.")
    name = f"{target.pipeline}-{version}"
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise Refused(
            f"--version-name {version!r}: is not a name for Kubernetes. Use lower case letters, digits, '-' and '.'."
        )
    made: list[dict[str, Any]] = [
        {
            "apiVersion": API_VERSION,
            "kind": "Pipeline",
            "metadata": _metadata(target.pipeline, namespace),
            "spec": {"description": describe_pipeline(noted.identity), "displayName": target.pipeline},
        },
        {
            "apiVersion": API_VERSION,
            "kind": "PipelineVersion",
            "metadata": _metadata(name, namespace),
            "spec": {
                "description": describe_version(noted),
                "displayName": version,
                "pipelineName": target.pipeline,
                "pipelineSpec": documents.pipeline,
                "platformSpec": documents.platform,
            },
        },
    ]
    return "---\n".join(json.dumps(each, sort_keys=True, indent=2) + "\n" for each in made)


def _metadata(name: str, namespace: str | None) -> dict[str, Any]:
    return {"name": name, "namespace": namespace} if namespace else {"name": name}
