"""Somebody's laptop: flows that are run there, and what Metaflow's client tells of them there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FLOWS = Path(__file__).parents[2] / "tests" / "flows"


class Laptop:
    """A place to run flows from: a folder of its own, one kind of metadata, and the Metaflow of an interpreter."""

    def __init__(self, folder: Path, python: str | Path = sys.executable, **config: str) -> None:
        self._folder = folder
        self._python = str(python)
        folder.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("METAFLOW_")}
        self._environ = {
            **kept,
            "HOME": str(folder),
            "METAFLOW_HOME": str(folder / "home"),
            "METAFLOW_USER": "ann",
            "METAFLOW_DEFAULT_DATASTORE": "local",
            "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder / "store"),
            **config,
        }

    def flow(self, name: str, *arguments: str, code: int = 0, **environ: str) -> str:
        """Run a command of a flow; gives the id of the run that it made, if it made one."""
        command = [self._python, str(FLOWS / name), "--quiet", "--no-pylint", *arguments]
        id_file = self._folder / "run-id"
        id_file.unlink(missing_ok=True)
        if arguments[0] in ("run", "resume"):
            command += ["--run-id-file", str(id_file)]
        self._run(command, code, environ)
        return id_file.read_text() if id_file.exists() else ""

    def python(self, *arguments: str, **environ: str) -> str:
        """Run a Python program to its success; gives what it printed."""
        return self._run([self._python, *arguments], 0, environ)

    def describe(self, pathspec: str) -> dict[str, Any]:
        """What the client API tells about a run."""
        described: dict[str, Any] = json.loads(self.python(str(FLOWS / "describe_run.py"), pathspec).splitlines()[-1])
        return described

    def _run(self, command: list[str], code: int, environ: dict[str, str]) -> str:
        done = subprocess.run(
            command, cwd=self._folder, env={**self._environ, **environ}, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


def comparable(description: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The tasks of a run, without what differs from run to run."""
    return sorted(
        (
            task["step"],
            task["indexes"],
            task["finished"],
            task["successful"],
            task["exception"],
            task["attempt"],
            sorted(task["artifacts"].items()),
            [datum for datum in task["metadata"] if datum[0] != "script-name"],
            task["attempt_metadata"],
            len(task["parents"]),
            len(task["children"]),
        )
        for task in description["tasks"]
    )
