"""A laptop that is configured for the platform, as a user's shell is after `source env.sh`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_EXPORT = re.compile(r"""^export ([A-Z_]+)=(["']?)(.*)\2$""")
RUN_ENDS_WITHIN = 900.0
USER = "laptop"


class CommandFailed(AssertionError):
    """A command of the laptop ended with an exit code that nobody expected; the message holds its output."""


@dataclass(frozen=True)
class Finished:
    """What a command left: its exit code, and its standard output and error as text."""

    code: int
    out: str
    err: str


def exports(env_file: Path) -> dict[str, str]:
    """The variables that env.sh exports; lines that are not plain exports are passed over."""
    found = (_EXPORT.match(line.strip()) for line in env_file.read_text().splitlines())
    return {match[1]: match[3] for match in found if match}


@dataclass(frozen=True)
class Laptop:
    """Runs flows with a client folder that the playbooks wrote (config.json, credentials, env.sh)."""

    client: Path
    python: str = sys.executable

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a command: this process's, less its Metaflow settings, and the client's."""
        ours = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("METAFLOW_", "AWS_")) and name != "COVERAGE_PROCESS_START"
        }
        # Nodes of a gang are started with the first python of the path, as in a virtual environment that is active.
        path = os.pathsep.join((str(Path(self.python).parent), os.environ["PATH"]))
        # A run that is killed leaves its temporary files; they should not lie beside the flow.
        return (
            ours
            | {"METAFLOW_USER": USER, "METAFLOW_TEMPDIR": tempfile.gettempdir(), "PATH": path}
            | exports(self.client / "env.sh")
        )

    def call(
        self,
        argv: Sequence[str],
        *,
        within: float = RUN_ENDS_WITHIN,
        expect: int | None = 0,
        also: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Finished:
        """Run a command to its end; within is seconds, expect the exit code (None: any).

        Raises CommandFailed when the exit code is another one, subprocess.TimeoutExpired when time is up.
        """
        done = subprocess.run(
            list(argv),
            cwd=folder,
            env=self.environment | dict(also or {}),
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
        if expect is not None and done.returncode != expect:
            raise CommandFailed(
                f"{' '.join(argv)}: exit code {done.returncode}, expected {expect}\n{done.stdout}\n{done.stderr}"
            )
        return Finished(done.returncode, done.stdout, done.stderr)

    def flow(self, file: Path, *words: str, options: Sequence[str] = (), expect: int | None = 0) -> Finished:
        """`python FILE [options] WORDS…`: options stand before the command, as Metaflow wants them."""
        return self.call([self.python, str(file), "--no-pylint", *options, *words], expect=expect, folder=file.parent)

    def run_locally(
        self, file: Path, *, tags: Sequence[str] = (), parameters: Sequence[str] = (), options: Sequence[str] = ()
    ) -> str:
        """Run the flow here, against the platform's service and store; gives the run id."""
        tagged = [word for tag in tags for word in ("--tag", tag)]
        written = self.client / f"run-id-{file.stem}-{os.getpid()}"
        self.flow(file, "run", *tagged, "--run-id-file", str(written), *parameters, options=options)
        run_id = written.read_text().strip()
        written.unlink()
        return run_id

    def deploy(self, file: Path, *words: str, options: Sequence[str] = ()) -> Finished:
        """`kubeflow-pipelines create`."""
        return self.flow(file, "kubeflow-pipelines", "create", *words, options=options)

    def trigger(self, file: Path, *parameters: str, options: Sequence[str] = ()) -> str:
        """`kubeflow-pipelines trigger`; gives the run id, kfp-<id of the Kubeflow run>."""
        written = self.client / f"triggered-{file.stem}-{os.getpid()}"
        words = ("kubeflow-pipelines", "trigger", "--run-id-file", str(written), *parameters)
        self.flow(file, *words, options=options)
        run_id = written.read_text().strip()
        written.unlink()
        return run_id
