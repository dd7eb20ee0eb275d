"""What can be shown of an artifact without loading it as Python would.

An artifact is a pickle, packed by gzip (metaflow/datastore/content_addressed_store.py). Of the file at most
`MOST_STORED` bytes are read and at most `MOST` unpacked; what is larger is described by its size alone.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import msgspec

from ui_backend.datastore import pickles
from ui_backend.datastore.files import Files
from ui_backend.datastore.pickles import Name, Thing, Unreadable

MOST_STORED = 2**20
MOST = 2**22

_MOST_TEXT = 2000
_MOST_ITEMS = 50
_MOST_DEPTH = 6
_MOST_NODES = 1000
_MOST_PLAIN = 100_000
_HEAD = 10
_SAFE_INTEGER = 2**53

_MOST_BITS = 1024

_GZIP = b"\x1f\x8b"

# Letters of numpy's kinds with their size in bytes, as struct reads them.
_NUMBERS = {
    **{f"i{size}": letter for size, letter in ((1, "b"), (2, "h"), (4, "i"), (8, "q"))},
    **{f"u{size}": letter for size, letter in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))},
    **{"f2": "e", "f4": "f", "f8": "d", "b1": "?"},
}


class Preview(msgspec.Struct, frozen=True):
    """`kind` is value (shown is all of it), part (some of it), or none (`why` says the reason)."""

    kind: str
    size: int
    """Of what is stored."""
    value: Any = None
    why: str | None = None


def preview(files: Files, path: str) -> Preview:
    """Raises NotStored and DatastoreAway."""
    size = files.size(path)
    if size > MOST_STORED:
        return Preview("none", size, why=f"It is larger than {MOST_STORED >> 20} MiB and was not read.")
    try:
        value = pickles.read(unpacked(files.read(path, 0, MOST_STORED)))
    except Unreadable as reason:
        return Preview("none", size, why=str(reason))
    shown = _Shown()
    made = shown.of(value, 0)
    return Preview("part" if shown.cut else "value", size, made)


def plain(files: Files, path: str) -> Any:
    """The artifact, if it is made of plain values only. Raises Unreadable otherwise, NotStored and DatastoreAway."""
    if files.size(path) > MOST_STORED:
        raise Unreadable(f"It is larger than {MOST_STORED >> 20} MiB.")
    value = pickles.read(unpacked(files.read(path, 0, MOST_STORED)))
    shown = _Shown(most=_MOST_PLAIN, depth=50, text=MOST)
    made = shown.of(value, 0)
    if shown.cut:
        raise Unreadable("It has more than plain values.")
    return made


def unpacked(data: bytes) -> bytes:
    """What the file holds. Raises Unreadable for what is broken or grows too large."""
    if not data.startswith(_GZIP):
        return data
    machine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        content = machine.decompress(data, MOST)
    except zlib.error as error:
        raise Unreadable("It cannot be unpacked.") from error
    if machine.unconsumed_tail:
        raise Unreadable(f"It is larger than {MOST >> 20} MiB when it is unpacked.")
    return content


class _Shown:
    """Values as JSON can hold them. `cut` tells whether something was left out or only described."""

    def __init__(self, most: int = _MOST_NODES, depth: int = _MOST_DEPTH, text: int = _MOST_TEXT) -> None:
        self.cut = False
        self._left, self._depth, self._text = most, depth, text
        self._items = _MOST_ITEMS if most == _MOST_NODES else most

    def of(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > self._depth:
            return self._described("…")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return _number(value)
        if isinstance(value, str):
            if len(value) <= self._text:
                return _text(value)
            return self._described(_text(value[: self._text]) + "…")
        if isinstance(value, (bytes, bytearray)):
            return self._described(f"<{len(value)} bytes>")
        if isinstance(value, (list, tuple, set, frozenset)):
            return self._list(list(value), depth)
        if isinstance(value, dict):
            return self._dict(list(value.items()), depth)
        return self._thing(value, depth)

    def _described(self, text: str) -> str:
        self.cut = True
        return text

    def _list(self, items: list[Any], depth: int) -> list[Any]:
        made = [self.of(item, depth + 1) for item in items[: self._items]]
        if len(items) > self._items:
            made.append(self._described(f"… {len(items) - self._items} more"))
        return made

    def _dict(self, pairs: list[tuple[Any, Any]], depth: int) -> dict[str, Any]:
        made = {self._key(key): self.of(value, depth + 1) for key, value in pairs[: self._items]}
        if len(pairs) > self._items:
            made["…"] = self._described(f"{len(pairs) - self._items} more")
        return made

    def _key(self, key: Any) -> str:
        if isinstance(key, tuple):
            return f"({', '.join(map(self._key, key))})"
        return _text(key[: self._text]) if isinstance(key, str) else str(self.of(key, self._depth))

    def _thing(self, value: Any, depth: int) -> Any:
        if isinstance(value, Name):
            return self._described(f"<{_text(value.name)}>")
        assert isinstance(value, Thing)
        if value.name == "collections.OrderedDict" and not value.arguments:
            return self._dict(value.pairs, depth)
        if value.name in ("metaflow.datastructures.MetaflowDict", "builtins.dict"):
            return self._dict(value.pairs, depth)
        self.cut = True
        if (array := _array(value)) is not None:
            return array
        return {"class": _text(value.name), **({"length": len(value.items)} if value.items else {})}


def _array(thing: Thing) -> dict[str, Any] | None:
    """Type, shape and first numbers of an array of numpy or of one of its numbers; None for anything else."""
    try:
        match thing.name.rpartition(".")[2]:
            case "_reconstruct" if isinstance(thing.state, tuple):
                _, shape, dtype, _, data = thing.state
            case "_frombuffer":
                data, dtype, shape, _ = thing.arguments
            case "scalar":
                (dtype, data), shape = thing.arguments, ()
            case _:
                return None
        letter = _text(str(dtype.arguments[0]))
        order = dtype.state[1] if isinstance(dtype.state, tuple) else "<"
        made = {"class": "numpy.ndarray", "dtype": letter, "shape": [_integer(int(length)) for length in shape]}
        if letter in _NUMBERS and isinstance(data, (bytes, bytearray)):
            size = int(letter[1:])
            count = min(_HEAD, len(data) // size)
            order = ">" if order == ">" else "<"
            numbers = struct.unpack(f"{order}{count}{_NUMBERS[letter]}", data[: count * size])
            made["head"] = [_number(number) for number in numbers]
    except (ValueError, TypeError, AttributeError, IndexError, struct.error):
        return {"class": _text(thing.name)}
    return made


def _number(number: Any) -> Any:
    if isinstance(number, float):
        return number if math.isfinite(number) else str(number)
    return number if isinstance(number, bool) else _integer(number)


def _integer(number: int) -> int | str:
    """As it is where a browser holds it exactly; as text otherwise, and without its digits when these are too many."""
    if abs(number) < _SAFE_INTEGER:
        return number
    bits = number.bit_length()
    return str(number) if bits <= _MOST_BITS else f"<a whole number of {bits} bits>"


def _text(text: str) -> str:
    """The text without halves of characters, which JSON cannot hold."""
    return text.encode("utf-8", "replace").decode()
