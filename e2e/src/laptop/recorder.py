"""Programs in the place of Docker, kind, minikube and kubectl: they write down their words and answer from a table."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROGRAM = """\
#!{python} -IS
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
words = [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]
environment = {{name: os.environ[name] for name in sorted(os.environ) if name.startswith(("KIND_", "KUBECONFIG"))}}
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps([words, environment]) + "\\n")
answers = json.loads((folder / "answers").read_text())
for number, (start, answer, code, once) in enumerate(answers):
    if words[: len(start)] == start:
        if once:
            (folder / "answers").write_text(json.dumps(answers[:number] + answers[number + 1 :]))
        print(answer, end="")
        if code:
            sys.exit(code)
        break
if words[0] == "kind" and "--kubeconfig" in words:
    pathlib.Path(words[words.index("--kubeconfig") + 1]).touch()
"""


@dataclass
class Recorder:
    """Programs on PATH that record. What they are not told to answer, they answer with nothing and code 0. Where it
    ends well, kind leaves the kubeconfig that it is told to write, empty.
    """

    folder: Path

    def stand_in_for(self, *names: str) -> None:
        for name in names:
            program = self.folder / "bin" / name
            program.write_text(_PROGRAM.format(python=sys.executable, folder=str(self.folder)))
            program.chmod(0o755)

    def answer(self, *start: str, text: str = "", code: int = 0, once: bool = False) -> None:
        """The newest answer to a beginning holds; with `once`, for one call."""
        file = self.folder / "answers"
        file.write_text(json.dumps([[list(start), text, code, once], *json.loads(file.read_text())]))

    def calls(self, program: str) -> list[list[str]]:
        """What a program was called with, without its name."""
        return [words[1:] for words, _ in self._recorded() if words[0] == program]

    def environment_of(self, *start: str) -> dict[str, str]:
        """The telling part of the environment of the last call that begins so."""
        found = [environment for words, environment in self._recorded() if words[: len(start)] == list(start)]
        return dict(found[-1])

    def forget(self) -> None:
        (self.folder / "calls").unlink(missing_ok=True)

    def _recorded(self) -> list[Any]:
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
