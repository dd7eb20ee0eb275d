"""The log: one line of JSON for each event, on standard error."""

from __future__ import annotations

import datetime
import json
import logging
import sys

import msgspec

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonLines(logging.Formatter):
    """Each record as one line. Fields that a record carries besides the text become members; so does a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
        line: dict[str, object] = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _one_line(line)


def _one_line(content: dict[str, object]) -> str:
    """The content as JSON in ASCII: other scripts have characters that also end a line."""
    try:
        text = _encoder.encode(content)
    except (ValueError, OverflowError):
        # Halves of characters, and numbers that are too large, which only the standard library writes.
        text = b"\xff"
    return text.decode() if text.isascii() else json.dumps(content, default=str)


def configure(level: str) -> None:
    """Send all logging of this process to standard error as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    # No line says where in the program it was written or by which thread, and finding out costs a third of a line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # The pool reports each failed attempt; what matters of it is said once, by the connections themselves.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
