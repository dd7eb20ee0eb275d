"""Metaflow's command line in a process of its own, with settings that touch neither a person's own nor a network."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

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
    flow: Path,
    *arguments: str,
    settings: Mapping[str, str | None] | None = None,
    python: Sequence[str] = (),
    interpreter: str | Path = sys.executable,
) -> subprocess.CompletedProcess[str]:
    """Run `python flow arguments…` with SETTINGS and these; None takes a setting away.

    `python` are words that stand between the interpreter and the flow.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("METAFLOW_", "AWS_"))}
    wanted = {**SETTINGS, **(settings or {})}
    return subprocess.run(
        [str(interpreter), *python, flow.name, "--no-pylint", *arguments],
        cwd=flow.parent,
        env={**kept, **{name: value for name, value in wanted.items() if value is not None}},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


# Imports Metaflow and what its commands need once, and runs each command line in a fork: importing is most of what a
# command costs. metaflow.cli itself asks for a flow's own options while it is imported, so each fork imports it.
_FORKS = """
import json, os, runpy, sys, warnings
warnings.simplefilter("ignore")
import boto3, metaflow
import metaflow_extensions.tributary.plugins.kubeflow_pipelines.deploy
for argv, out, err in json.load(sys.stdin):
    child = os.fork()
    if child == 0:
        for path, number in ((out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.chdir(os.path.dirname(argv[0]))
        sys.argv = [os.path.basename(argv[0]), *argv[1:]]
        sys.path.insert(0, os.getcwd())
        runpy.run_path(sys.argv[0], run_name="__main__")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status))
"""


def commands(asked: Sequence[tuple[Path, Sequence[str]]]) -> list[subprocess.CompletedProcess[str]]:
    """Run `python flow arguments…` for each, with SETTINGS, one after the other."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("METAFLOW_", "AWS_"))}
    argvs = [[str(flow.resolve()), "--no-pylint", *arguments] for flow, arguments in asked]
    with TemporaryDirectory() as folder:
        files = [(Path(folder, f"out-{number}"), Path(folder, f"err-{number}")) for number in range(len(argvs))]
        todo = [(argv, str(out), str(err)) for argv, (out, err) in zip(argvs, files, strict=True)]
        done = subprocess.run(
            [sys.executable, "-c", _FORKS],
            env={**kept, **SETTINGS},
            input=json.dumps(todo),
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )
        codes = [int(line) for line in done.stdout.split()]
        return [
            subprocess.CompletedProcess(argv, code, out.read_text(), err.read_text())
            for argv, code, (out, err) in zip(argvs, codes, files, strict=True)
        ]
