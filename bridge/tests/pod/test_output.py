"""What a command writes is kept, whatever holds up or refuses the logs."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from metaflow.mflog.mflog import parse

from bridge.tests.pod.small_kubeflow import environment
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.process import STREAMS, Logs

HELD_UP = """
import sys, threading
from pathlib import Path
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import process
class Logs(process.Logs):
    over = threading.Event()
    def add(self, stream, line):
        self.over.wait(60)
        super().add(stream, line)
    def save_until(self, stop):
        super().save_until(stop)
        self.over.set()
process._DRAIN_SECONDS = 0
try:
    process.run(sys.argv[2:], Logs(Path(sys.argv[1]), save=lambda files: True), process.Stop(), None)
except process.BecomeCommand as command:
    command.run()
"""

LAST_WORDS = """
import fcntl, signal, termios
signal.alarm(60)
print("first", flush=True)
while any(fcntl.ioctl(1, termios.FIONREAD, bytes(4))):
    pass
print("last words\\nno newline", end="", flush=True)
"""


FULL = """
import sys
from pathlib import Path
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import process
logs = process.Logs(Path(sys.argv[1]), save=lambda files: True)
logs.files = {stream: Path("/dev/full") for stream in process.STREAMS}
try:
    ended = process.run(sys.argv[2:], logs, process.Stop(), 60)
except process.BecomeCommand as command:
    command.run()
print(ended)
"""

MANY_WORDS = """
import sys
for _ in range(4000):
    print("x" * 99)
sys.exit("no space left")
"""


def drive(text: str, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that runs the command, both given as their text."""
    (folder / "command.py").write_text(command)
    return subprocess.run(
        [sys.executable, "-uc", text, str(folder / "logs"), "command.py"],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )


def test_what_a_command_wrote_last_is_kept_when_the_logs_are_slower_than_it(tmp_path: Path) -> None:
    assert drive(HELD_UP, LAST_WORDS, tmp_path).stdout == "first\nlast words\nno newline"


def test_a_full_disk_costs_the_stored_log_and_neither_the_step_nor_its_reason(tmp_path: Path) -> None:
    """A command that nobody reads any more waits for ever once its pipe is full."""
    done = drive(FULL, MANY_WORDS, tmp_path)
    *lines, ended = done.stdout.splitlines()
    assert lines == ["x" * 99] * 4000
    assert ended == "Ended(code=1, reason='no space left')"
    assert "no space left" in done.stderr.splitlines()
    assert done.stderr.count("lines are lost from here on: [Errno 28]") == 1


def test_a_note_behind_a_line_without_an_end_is_a_line_of_its_own(tmp_path: Path) -> None:
    logs = Logs(tmp_path, lambda files: True)
    for part in (b"whole\n", b"no end"):
        logs.add("stderr", part)
    logs.note("killed")
    lines = logs.files["stderr"].read_bytes().splitlines()
    assert [found.msg for line in lines if (found := parse(line))] == [b"whole", b"no end", b"killed"]


class Looks(threading.Event):
    """Is set after so many looks, and lets nobody wait."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def wait(self, timeout: float | None = None) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.mark.parametrize(("answers", "asked"), [([True], 1), ([False, False, True], 3)])
def test_logs_that_could_not_be_stored_are_stored_later_though_nothing_is_added(
    answers: list[bool], asked: int, tmp_path: Path
) -> None:
    stored: list[bytes] = []

    def save(files: dict[str, Path]) -> bool:
        stored.append(files["stdout"].read_bytes())
        return answers[len(stored) - 1]

    logs = Logs(tmp_path, save)
    assert set(logs.files) == set(STREAMS)
    logs.add("stdout", b"a line\n")
    logs.save_until(Looks(6))
    assert len(stored) == asked
    assert stored[-1].endswith(b"a line\n")
