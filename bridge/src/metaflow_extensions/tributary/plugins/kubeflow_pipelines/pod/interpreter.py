"""A step's own interpreter: what @conda, @pypi, uv and @kubernetes(executable=...) put in place of the container's.

Metaflow says by shell commands how an environment is set up, and how its interpreter is called then, as its Argo
integration writes both into one script. Here the commands run once in a pod, as a process of their own; what they
export is kept for the processes that follow.

A step whose variables a process reads when it begins has an interpreter of its own as well, the container's: a fork
of the runner has begun long before. It is called by no shell, which not every image has.
"""

import os
import re
import sys
from pathlib import Path
from typing import ClassVar

from ..record import StepRecord

# Metaflow's commands speak these words of its own logging; the runner keeps the output anyway. Some images have
# python3 only, and Metaflow's commands say python.
_WORDS = """\
flush_mflogs() { :; }
mflog() { echo "$@"; }
command -v python >/dev/null || python() { python3 "$@"; }
"""

# What Python, the dynamic linker and the C library read at a process's beginning or when they are first used. All
# processes here have PYTHONUNBUFFERED.
_READ_AT_START = re.compile(r"(?!PYTHONUNBUFFERED$)(?:PYTHON|LD_|LC_|MALLOC_|GLIBC_)|(?:LANG|LANGUAGE|TZ|TZDIR)$")

# Run by the interpreter in place of the flow's file: a command line holds parameters, and Linux takes 128 KiB in a
# word of it. Python puts the file's folder before all others, unless it is told not to.
_PROGRAM = """\
import os, runpy, sys
sys.argv = {argv}
if not getattr(sys.flags, "safe_path", False):
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
runpy.run_path(os.path.abspath(sys.argv[0]), run_name="__main__")
"""

# What a shell sets for itself.
_OF_THE_SHELL = frozenset({"_", "PWD", "OLDPWD", "SHLVL"})


class Interpreter:
    """What runs a step that has an interpreter of its own."""

    # What has been set up in this pod, whichever task it was for: a pod may run several.
    _made: ClassVar[set[tuple[str, ...]]] = set()

    def __init__(self, executable: str | None, commands: tuple[str, ...], folder: Path) -> None:
        """`executable` is in the words of a shell; None is the container's own Python."""
        self._executable = executable
        self._commands = commands
        self._exported = folder / "exported"
        self._program = folder / "command.py"

    @classmethod
    def of(cls, record: StepRecord, folder: Path) -> "Interpreter | None":
        """The step's own interpreter; None when it is run by a fork of the runner."""
        if record.interpreter is not None:
            return cls(record.interpreter, record.bootstrap, folder)
        if any(_READ_AT_START.match(name) for name in record.environment):
            return cls(None, (), folder)
        return None

    def setup(self) -> list[str] | None:
        """The program that sets the environment up; None when there is nothing to do, or it has been done."""
        if not self._commands or self._commands in self._made:
            return None
        script = " && ".join((*self._commands, 'env -0 > "$0"'))
        return ["bash", "-c", f"{_WORDS}{script}", str(self._exported)]

    def take_over(self) -> None:
        """Give this process, and so all that it starts, the variables that the setup exported."""
        if self._exported.exists():
            self._made.add(self._commands)
            pairs = (each.partition(b"=") for each in self._exported.read_bytes().split(b"\0") if each)
            ours = {name: value for name, _, value in pairs if os.fsdecode(name) not in _OF_THE_SHELL}
            os.environb.update({name: value for name, value in ours.items() if os.environb.get(name) != value})

    def program(self, argv: list[str]) -> list[str]:
        """The program that runs Metaflow's command line `argv` by this interpreter."""
        self._program.write_text(_PROGRAM.format(argv=ascii(argv)))
        if self._executable is None:
            return [sys.executable, str(self._program)]
        return ["bash", "-c", f'{_WORDS}exec {self._executable} "$@"', "step", str(self._program)]
