"""Metaflow's command line in a process of its own, with settings that touch neither a person's own nor a network."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

SETTINGS = {
    "METAFLOW_HOME": "/nonexistent",
    "METAFLOW_USER": "tester",
    "METAFLOW_DEFAULT_DATASTORE": "s3",
    "METAFLOW_DATASTORE_SYSROOT_S3": "s3://bucket/metaflow",
    "METAFLOW_DEFAULT_METADATA": "service",
    "METAFLOW_SERVICE_URL": "http://127.0.0.1:9",
    "METAFLOW_KUBERNETES_CONTAINER_IMAGE": "registry/task:1",
    "METAFLOW_KUBEFLOW_PIPELINES_STEPS_CONFIG": "steps-config",
    "METAFLOW_KUBEFLOW_PIPELINES_STEPS_SECRET": "steps-secret",
}


def command(
    flow: Path, *arguments: str, settings: Mapping[str, str | None] | None = None, python: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run `python flow arguments…` with SETTINGS and these; None takes a setting away.

    `python` are words that stand between the interpreter and the flow.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("METAFLOW_", "AWS_"))}
    wanted = {**SETTINGS, **(settings or {})}
    return subprocess.run(
        [sys.executable, *python, flow.name, "--no-pylint", *arguments],
        cwd=flow.parent,
        env={**kept, **{name: value for name, value in wanted.items() if value is not None}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
