"""The reason of a failure, out of the last lines that a process wrote to stderr: what its exception says, without the
way to it.
"""

from collections.abc import Sequence
from itertools import takewhile

# Enough for the message of an exception, whatever stands around it.
KEPT_LINES = 200
_REASON_CHARACTERS = 600


def reason(lines: Sequence[str]) -> str:
    """One line: the message of the last exception, else the last paragraph; empty when nothing was written."""
    ended = list(lines)
    while ended and not ended[-1].strip():
        ended.pop()
    frames = [number for number, line in enumerate(ended) if line.lstrip().startswith('File "')]
    message = _after_frames(ended[frames[-1] + 1 :]) if frames else []
    words = " ".join(message or _last_paragraph(ended)).split()
    text = " ".join(words)
    return text if len(text) <= _REASON_CHARACTERS else f"{text[: _REASON_CHARACTERS - 1]}…"


def _after_frames(lines: Sequence[str]) -> list[str]:
    """The exception's own lines: from the first that is not indented as source is, to the next empty one."""
    start = next((number for number, line in enumerate(lines) if line.strip() and not line.startswith("    ")), None)
    return [] if start is None else list(takewhile(str.strip, lines[start:]))


def _last_paragraph(lines: Sequence[str]) -> list[str]:
    paragraph = list(takewhile(str.strip, reversed(lines)))[::-1]
    # Metaflow's own errors stand below a line that only says which step failed.
    headed = paragraph and paragraph[0].startswith("<flow ") and len(paragraph) > 1
    return paragraph[1:] if headed else paragraph
