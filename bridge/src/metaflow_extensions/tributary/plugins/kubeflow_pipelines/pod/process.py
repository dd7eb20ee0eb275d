"""One Metaflow command in a process of its own: its output kept as Metaflow's logs, its end turned into an exit code.

The process is a fork of the runner, which has imported metaflow by then. A fresh interpreter would import it once more,
which is most of what a step costs. The fork happens while the runner has no other thread, and no connection of the
runner is used in it.
"""

import contextlib
import errno
import fcntl
import os
import runpy
import select
import shutil
import signal
import sys
import tempfile
import termios
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from metaflow.mflog import TASK_LOG_SOURCE, update_delay
from metaflow.mflog.mflog import decorate

from . import stderr

STREAMS = ("stdout", "stderr")

# The exit code of a pod that was told to stop.
TERMINATED = 128 + signal.SIGTERM

# A process that was told to stop has this long before it is killed. Kubernetes gives the pod 30 seconds in all.
STOP_SECONDS = 10.0

# A process that ended may leave daemons that hold its output open; what they still write is not waited for.
_DRAIN_SECONDS = 2.0

_READ_BYTES = 65536


class BecomeCommand(BaseException):
    """Raised in the forked process, to leave the runner's stack behind: what is now to be run."""

    def __init__(self, argv: list[str]) -> None:
        super().__init__(argv)
        self.argv = argv

    def run(self) -> NoReturn:
        """Run the flow's file as `python file arguments` would, and end the interpreter as it would."""
        sys.argv = self.argv
        # Metaflow puts a class of its own into the module __main__, where its pickles look for it.
        pickled = {name: value for name, value in vars(sys.modules["__main__"]).items() if isinstance(value, type)}
        runpy.run_path(os.path.abspath(self.argv[0]), init_globals=pickled, run_name="__main__")
        sys.exit(0)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A new folder for what lies beside a task's artifacts while it runs. It goes when the block is left, but not when
    a forked process leaves it by BecomeCommand: the runner's process still works in it.
    """
    folder, maker = Path(tempfile.mkdtemp(prefix="tributary-")), os.getpid()
    try:
        yield folder
    finally:
        if os.getpid() == maker:
            try:
                shutil.rmtree(folder)
            except OSError as error:
                # A child that outlives its command may write into it, or take files away, meanwhile.
                if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                    raise


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (128 + the signal's number when a signal ended it), and why, as it said
    itself.
    """

    code: int
    reason: str


class Logs:
    """The log files of one attempt, in the form that Metaflow's client reads. `save` stores them, and tells whether it
    did.
    """

    def __init__(self, folder: Path, save: Callable[[dict[str, Path]], bool]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.files = {stream: folder / stream for stream in STREAMS}
        for file in self.files.values():
            file.touch()
        self._stderr: deque[str] = deque(maxlen=stderr.KEPT_LINES)
        self._save = save
        self._lost: OSError | None = None
        # The streams whose last line has no end yet.
        self._unended: set[str] = set()

    def note(self, line: str) -> None:
        """Add a line of the runner's own to the attempt's stderr, for whoever reads it with Metaflow's client."""
        self._keep("stderr", line.encode() + b"\n")

    def add(self, stream: str, line: bytes) -> None:
        """Pass one line of a stream on to the container's log, and add it."""
        out: IO[bytes] = getattr(sys, stream).buffer
        out.write(line)
        out.flush()
        if stream == "stderr":
            self._stderr.append(line.decode(errors="replace").rstrip())
        self._keep(stream, line)

    def reason(self) -> str:
        """Why the last command failed, as it said on stderr; empty when it said nothing."""
        return stderr.reason(self._stderr)

    def _keep(self, stream: str, line: bytes) -> None:
        """Write a line to the stream's file. A disk that takes no more costs the line and not the step, which would
        wait for ever for somebody to read what it writes.
        """
        # What Metaflow reads as a line begins with its mark, so what comes next must not go on with the last one.
        kept = b"\n" * (stream in self._unended) + decorate(TASK_LOG_SOURCE, line)
        (self._unended.discard if line.endswith(b"\n") else self._unended.add)(stream)
        try:
            with self.files[stream].open("ab") as file:
                file.write(kept)
        except FileNotFoundError:
            # Children that outlive their command may still write when the task has ended and its folder is gone.
            pass
        except OSError as error:
            if self._lost is None:
                print(f"{self.files[stream]}: lines are lost from here on: {error}", file=sys.stderr, flush=True)
            self._lost = error

    def save(self) -> bool:
        """Store the logs as they are now; whether that was done."""
        return self._save(self.files)

    def save_until(self, stop: threading.Event) -> None:
        """Store the logs whenever they have grown since they were stored, more and more seldom, until stop is set."""
        stored, waited = 0, 0.0
        while not stop.wait(delay := max(1.0, update_delay(waited))):
            waited += delay
            size = sum(file.stat().st_size for file in self.files.values())
            if size != stored and self.save():
                stored = size


class Stop:
    """SIGTERM to the runner: the running command is told, and killed when it does not listen; no further one is
    begun.
    """

    def __init__(self) -> None:
        self.asked = False
        self.timed_out = False
        self._process = 0
        signal.signal(signal.SIGTERM, self._on_terminate)
        signal.signal(signal.SIGALRM, self._on_alarm)

    def wait(self, process: int, limit: float | None) -> int:
        """Wait for a process and give its exit code. After `limit` seconds it is killed."""
        self._process, self.timed_out = process, False
        if self.asked:
            self._tell()
        elif limit is not None:
            signal.setitimer(signal.ITIMER_REAL, limit)
        _pid, status = os.waitpid(process, 0)
        self._process = 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        code = os.waitstatus_to_exitcode(status)
        return 128 - code if code < 0 else code

    def wait_for(self, seconds: float) -> None:
        """Wait so long, or until the runner is told to stop."""
        end = time.monotonic() + seconds
        while not self.asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 1.0))

    def _on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if self._process:
            self._tell()

    def _tell(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, STOP_SECONDS)

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        if self._process:
            self.timed_out = not self.asked
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)


def run(argv: list[str], logs: Logs, stop: Stop, limit: float | None, *, program: bool = False) -> Ended:
    """Run one Metaflow command to its end, keeping and storing its output. Raises BecomeCommand in the forked
    process. With `program`, argv is a program and its arguments, and not the flow's file.
    """
    pipes = {stream: os.pipe() for stream in STREAMS}
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process == 0:
        _become(argv, pipes, program)
    for _read, write in pipes.values():
        os.close(write)
    finished = threading.Event()
    ended, end = os.pipe()
    saver = threading.Thread(target=logs.save_until, args=(finished,))
    pumps = [threading.Thread(target=_pump, args=(pipes[stream][0], ended, stream, logs)) for stream in STREAMS]
    for thread in (saver, *pumps):
        thread.start()
    code = stop.wait(process, limit)
    # What it left running ends with it, as it would with a pod of its own: the next task may begin in this one.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    for pump in pumps:
        pump.join(_DRAIN_SECONDS)
    # All threads end here: with one left, the next command's fork could find a lock held for ever.
    os.close(end)
    finished.set()
    for thread in (saver, *pumps):
        thread.join()
    os.close(ended)
    return Ended(code, logs.reason())


def _become(argv: list[str], pipes: dict[str, tuple[int, int]], program: bool) -> NoReturn:
    os.setpgid(0, 0)
    for stream, number in (("stdout", 1), ("stderr", 2)):
        os.dup2(pipes[stream][1], number)
    for ends in pipes.values():
        for end in ends:
            os.close(end)
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    if program:
        try:
            os.execvp(argv[0], argv)
        except OSError as error:
            os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
            os._exit(127)
    raise BecomeCommand(argv)


def _pump(source: int, ended: int, stream: str, logs: Logs) -> None:
    """Keep what comes out of `source`, line by line, until nobody can write to it any more; or until the other end of
    `ended` is closed, and what the pipe held by then is kept too.
    """
    begun: list[bytes] = []

    def keep(read: bytes) -> None:
        *lines, rest = read.split(b"\n")
        for line in lines:
            logs.add(stream, b"".join((*begun, line, b"\n")))
            begun.clear()
        if rest:
            begun.append(rest)

    while ended not in select.select([source, ended], [], [])[0] and (read := os.read(source, _READ_BYTES)):
        keep(read)
    # The last words of a command that ended while this thread was held up: by its node, or by who takes the logs.
    held = int.from_bytes(fcntl.ioctl(source, termios.FIONREAD, bytes(4)), sys.byteorder)
    if held:
        keep(os.read(source, held))
    if begun:
        logs.add(stream, b"".join(begun))
    os.close(source)
