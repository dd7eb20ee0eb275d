"""Previews of artifacts: what is plain is shown, what would be executed is only named."""

from __future__ import annotations

import collections
import datetime
import gzip
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ui_backend.datastore.artifacts import MOST, MOST_STORED, Preview, plain, preview
from ui_backend.datastore.files import LocalFiles
from ui_backend.datastore.pickles import Unreadable


def _stored(folder: Path, content: bytes) -> Preview:
    (folder / "blob").write_bytes(content)
    return preview(LocalFiles(folder), "blob")


def _preview(folder: Path, value: object, protocol: int = 4) -> Preview:
    return _stored(folder, gzip.compress(pickle.dumps(value, protocol)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 2**40, 1.5, "text", "Ähre 流 \U0001f600", [], {}, [1, [2, [3]]], {"a": {"b": [None, False]}},
        [{"x": 1, "y": "z"}] * 3, {"1": [1.0, 2.5]},
    ],
)  # fmt: skip
def test_plain_values_are_shown_whole(tmp_path: Path, value: object, protocol: int) -> None:
    assert _preview(tmp_path, value, protocol) == Preview("value", (tmp_path / "blob").stat().st_size, value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ((1, 2), [1, 2]),
        ({3: "a", (1, "b"): None}, {"3": "a", "(1, b)": None}),
        (2**63, str(2**63)),
        (float("nan"), "nan"),
        ({1}, [1]),
        (collections.OrderedDict(a=1), {"a": 1}),
    ],
)
def test_what_json_cannot_hold_is_shown_as_something_near(tmp_path: Path, value: object, shown: object) -> None:
    assert _preview(tmp_path, value).value == shown


class Told:
    """Would run a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self._command,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_executed(tmp_path: Path, protocol: int) -> None:
    ran = tmp_path / "ran"
    found = _preview(tmp_path, [1, Told(f"touch {ran}")], protocol)
    assert (found.kind, found.value) == ("part", [1, {"class": f"{os.name}.system"}])
    assert not ran.exists()
    with pytest.raises(Unreadable):
        plain(LocalFiles(tmp_path), "blob")


def test_objects_are_named_by_their_class(tmp_path: Path) -> None:
    found = _preview(tmp_path, {"at": datetime.datetime(2026, 1, 1), "in": Path})
    assert found.kind == "part"
    assert found.value == {"at": {"class": "datetime.datetime"}, "in": f"<{Path.__module__}.Path>"}


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_show_their_shape_and_first_numbers(tmp_path: Path, protocol: int) -> None:
    found = _preview(tmp_path, np.arange(24, dtype=np.float32).reshape(4, 6), protocol)
    assert found.kind == "part"
    assert found.value == {
        "class": "numpy.ndarray",
        "dtype": "f4",
        "shape": [4, 6],
        "head": [float(number) for number in range(10)],
    }
    assert _preview(tmp_path, np.float64(2.5), protocol).value["head"] == [2.5]
    assert _preview(tmp_path, np.array([1, 2], dtype=">i2"), protocol).value["head"] == [1, 2]


def test_long_ones_are_cut(tmp_path: Path) -> None:
    found = _preview(tmp_path, {"list": list(range(1000)), "text": "x" * 10_000, "bytes": b"x" * 999})
    assert found.kind == "part"
    assert (len(found.value["list"]), found.value["list"][-1]) == (51, "… 950 more")
    assert len(found.value["text"]) == 2001
    assert found.value["bytes"] == "<999 bytes>"


def _laughs() -> bytes:
    """A list that holds the last one twice, fifty times over."""
    value: list[Any] = []
    for _ in range(50):
        value = [value, value]
    return pickle.dumps(value, 4)


_DEEP_KEY = b"\x80\x02}" + b")" + b"\x85" * 150_000 + b"K\x01s."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "none"),
        (b"no pickle at all", "none"),
        (b"\x80\x04", "none"),
        (b"\x80\x04.", "none"),
        (b"\x80\x04(.", "none"),
        (b"\x80\x04h\x07.", "none"),
        (gzip.compress(b"\x80\x04N.", mtime=0)[:-12], "none"),
        (_laughs(), "part"),
        (_DEEP_KEY, "none"),
        (b"\x80\x02" + b")" + b"\x85" * 150_000 + b".", "part"),
        (b"\x80\x02" + b"]" * 90_000 + b"a" * 80_000 + b".", "part"),
        (b"\x80\x02N" + b"2" * 250_000 + b".", "none"),
        (pickle.dumps(1 << 2_000_000), "value"),
        (pickle.dumps("\ud800", 0), "value"),
        (gzip.compress(pickle.dumps(b"\0" * (MOST + 1)), mtime=0), "none"),
        (b"\0" * (MOST_STORED + 1), "none"),
    ],
)  # fmt: skip
def test_nothing_breaks_it(tmp_path: Path, content: bytes, kind: str) -> None:
    found = _stored(tmp_path, content)
    assert found.kind == kind, found
    assert (found.why is None) == (kind != "none")


def test_a_list_that_holds_itself(tmp_path: Path) -> None:
    value: list[Any] = []
    value.append(value)
    assert _preview(tmp_path, value).kind == "part"
