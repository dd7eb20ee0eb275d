"""The default storage class of a cluster without a registry: local-path-provisioner by its own manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cluster import programs, versions
from image_builder import golang

# The same class name and folder as in kind's published node image.
CLASS = "standard"
PROVISIONER_IMAGE = f"docker.io/rancher/local-path-provisioner:{versions.LOCAL_PATH_PROVISIONER}"
HELPER_IMAGE = "localhost/tributary/shell:1"
_FOLDER = "/var/local-path-provisioner"


def manifest(cache: Path) -> str:
    """Upstream's manifest with our helper image, as the default class. Raises GoBuildError."""
    program = programs.LOCAL_PATH_PROVISIONER
    module = golang.module_folder(program.module, program.version, cache=cache)
    text = (module / "deploy" / "local-path-storage.yaml").read_text()
    return yaml.safe_dump_all([_adapted(document) for document in yaml.safe_load_all(text)], sort_keys=False)


def _adapted(document: dict[str, Any]) -> dict[str, Any]:
    match document["kind"]:
        case "Deployment":
            document["spec"]["template"]["spec"]["containers"][0]["image"] = PROVISIONER_IMAGE
        case "StorageClass":
            document["metadata"]["name"] = CLASS
            document["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
        case "ConfigMap":
            data = document["data"]
            data["config.json"] = data["config.json"].replace("/opt/local-path-provisioner", _FOLDER)
            data["helperPod.yaml"] = data["helperPod.yaml"].replace("image: busybox", f"image: {HELPER_IMAGE}")
    return document
