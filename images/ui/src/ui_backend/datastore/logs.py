"""Logs of tasks, in windows of bytes: a log of any length costs what is shown of it.

A task writes `<attempt>.<source>_<stream>.log` below its folder, source `task` for what the code prints and `runtime`
for what Metaflow says about it; of a run on the user's own machine `runtime` has both. Lines bear a mark,
`[MFLOG|0|<time>Z|<source>|<id>]` (metaflow/mflog), which is taken off.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from ui_backend.datastore.files import Files, NotStored

SOURCES = ("task", "runtime")
STREAMS = {"out": "stdout", "err": "stderr"}

MOST = 2**20
"""Bytes of a window at most."""

MOST_OF_ROWS = 8 * 2**20
"""Bytes of each source that are shown in rows."""

_CHUNK = 2**20
_SEARCHED = 64 * _CHUNK
_HITS = 200
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_MARK = re.compile(rb"(?:\[!)?\[MFLOG\|0\|([^|\]\n]{1,40})Z\|[^|\]\n]{1,40}\|[^|\]\n]{1,64}\]")


class Line(msgspec.Struct, frozen=True):
    at: int
    """Where it begins, in bytes."""
    time: str | None
    """In UTC, as the task's clock had it."""
    text: str


class Window(msgspec.Struct, frozen=True):
    """Whole lines between `start` and `end` of a log of `size` bytes."""

    start: int
    end: int
    size: int
    lines: list[Line]


class Hits(msgspec.Struct, frozen=True):
    """Lines that hold a text; `next` is where to go on, None when the log was looked through."""

    lines: list[Line]
    next: int | None
    size: int


@dataclass(frozen=True)
class Log:
    """A log that may still grow, or may not have begun: then it is empty."""

    files: Files
    path: str

    def size(self) -> int:
        try:
            return self.files.size(self.path)
        except NotStored:
            return 0

    def after(self, start: int, length: int) -> Window:
        """Lines from `start`, which is where a line begins. One that is longer than the window is given in parts."""
        size = self.size()
        start = min(start, size)
        data = self.files.read(self.path, start, min(length, size - start)) if start < size else b""
        end = start + len(data)
        if end < size and (cut := data.rfind(b"\n")) >= 0:
            data = data[: cut + 1]
        return Window(start, start + len(data), size, _lines(data, start))

    def before(self, end: int | None, length: int) -> Window:
        """The last whole lines before `end`, by default those at the end of the log."""
        size = self.size()
        end = size if end is None else min(end, size)
        start = max(0, end - length)
        data = self.files.read(self.path, start, end - start) if start < end else b""
        # The first line has begun before the window, unless that begins with the log.
        if start > 0 and (cut := data.find(b"\n")) >= 0 and cut + 1 < len(data):
            start, data = start + cut + 1, data[cut + 1 :]
        return Window(start, end, size, _lines(data, start))

    def search(self, text: str, start: int) -> Hits:
        """Lines with the text, upper and lower case alike, from `start` on. One call looks through 64 MiB at most."""
        size, wanted, found = self.size(), text.lower(), []
        last = min(size, start + _SEARCHED)
        while start < last:
            window = self.after(start, _CHUNK)
            if window.end == start:
                break
            found += [line for line in window.lines if wanted in line.text.lower()]
            start = window.end
            if len(found) >= _HITS:
                break
        return Hits(found, start if start < size else None, size)

    def chunks(self) -> Iterator[bytes]:
        """All of its text without the marks, as much as there is now."""
        start, size = 0, self.size()
        while start < size:
            data = self.files.read(self.path, start, min(_CHUNK, size - start))
            if not data:
                return
            if start + len(data) < size and (cut := data.rfind(b"\n")) >= 0:
                data = data[: cut + 1]
            start += len(data)
            yield b"".join(_MARK.sub(b"", line, count=1) for line in _LINE.findall(data))


class Row(msgspec.Struct, frozen=True):
    """A line as upstream shows it."""

    row: int
    line: str
    timestamp: int | None
    """Milliseconds since 1970."""


def rows(logs: Sequence[Log]) -> list[Row]:
    """The lines of all sources by their times, numbered from 0. Of a longer log the last `MOST_OF_ROWS` bytes."""
    timed = []
    for number, log in enumerate(logs):
        last = -1
        for place, line in enumerate(log.before(None, MOST_OF_ROWS).lines):
            # A line without a time belongs to the one before it.
            last = max(last, _milliseconds(line.time))
            timed.append((last, number, place, line.text))
    timed.sort()
    return [Row(row, text, at if at >= 0 else None) for row, (at, _, _, text) in enumerate(timed)]


def _milliseconds(time: str | None) -> int:
    """Since 1970; -1 for what is no time."""
    try:
        moment = datetime.datetime.fromisoformat(time or "").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return -1
    return int(moment.timestamp() * 1000)


def log_of(files: Files, task: str, attempt: int, source: str, stream: str) -> Log:
    """The log of an attempt of the task whose folder is `task`."""
    return Log(files, f"{task}/{attempt}.{source}_{STREAMS[stream]}.log")


def _lines(data: bytes, start: int) -> list[Line]:
    lines = []
    # Not splitlines, which also parts at a carriage return: bars of progress are one line.
    for line in _LINE.findall(data):
        content = line.removesuffix(b"\n")
        mark = _MARK.match(content)
        text = content[mark.end() :] if mark else content
        time = mark[1].decode("ascii", "replace") if mark else None
        lines.append(Line(start, time, text.decode("utf-8", "replace")))
        start += len(line)
    return lines
