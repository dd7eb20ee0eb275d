"""What a pickle says, told without doing it.

A pickle is a program for a small machine (docs of `pickletools`). This one runs it on plain values only: where it asks
for a class or a call, a `Thing` is put that remembers the name and the arguments. Nothing is imported, nothing called.
What does not end within the limits, or is no pickle, raises Unreadable.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

MOST_STEPS = 200_000
_MOST_DEPTH = 10_000


class Unreadable(Exception):
    """`str()` of it says why in a sentence."""


class Thing:
    """An object of a class, as far as the pickle tells: what it is made with, and the state that it gets then."""

    def __init__(self, name: str, arguments: tuple[Any, ...] = ()) -> None:
        self.name = name
        self.arguments = arguments
        self.state: Any = None
        self.items: list[Any] = []
        self.pairs: list[tuple[Any, Any]] = []


class Name:
    """A class or a function, by its name."""

    def __init__(self, name: str) -> None:
        self.name = name


_MARK = object()

_VALUES = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    }
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_NOTHING = frozenset({"PROTO", "FRAME"})


def read(data: bytes) -> Any:
    """The value: plain Python, with a Thing or a Name wherever the pickle means more. Raises Unreadable."""
    machine = _Machine()
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if number > MOST_STEPS:
                raise Unreadable(f"It has more than {MOST_STEPS} parts.")
            if opcode.name == "STOP":
                return machine.pop()
            machine.step(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise Unreadable("It is no pickle that can be followed.") from error
    raise Unreadable("It ends too early.")


class _Machine:
    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark is no value")
        return value

    def step(self, name: str, argument: Any) -> None:
        if name in _NOTHING:
            return
        if name in _VALUES:
            self._push(argument)
        elif name in _CONSTANTS:
            self._push(_CONSTANTS[name]())
        else:
            method: Callable[[Any], None] | None = getattr(self, "_do_" + name.lower(), None)
            if method is None:
                raise Unreadable(f"It uses {name}, which is not followed here.")
            method(argument)

    def _push(self, value: Any) -> None:
        if len(self._stack) > _MOST_DEPTH * 20:
            raise Unreadable("It is too deep.")
        self._stack.append(value)

    def _until_mark(self) -> list[Any]:
        items = []
        while (value := self._stack.pop()) is not _MARK:
            items.append(value)
        return items[::-1]

    def _do_mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    def _do_pop(self, _: Any) -> None:
        self._stack.pop()

    def _do_pop_mark(self, _: Any) -> None:
        self._until_mark()

    def _do_dup(self, _: Any) -> None:
        self._push(self._stack[-1])

    def _do_memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _do_put(self, number: Any) -> None:
        self._memo[number] = self._stack[-1]

    _do_binput = _do_long_binput = _do_put

    def _do_get(self, number: Any) -> None:
        self._push(self._memo[number])

    _do_binget = _do_long_binget = _do_get

    def _do_tuple(self, _: Any) -> None:
        self._push(tuple(self._until_mark()))

    def _do_tuple1(self, _: Any) -> None:
        self._push((self.pop(),))

    def _do_tuple2(self, _: Any) -> None:
        second, first = self.pop(), self.pop()
        self._push((first, second))

    def _do_tuple3(self, _: Any) -> None:
        third, second, first = self.pop(), self.pop(), self.pop()
        self._push((first, second, third))

    def _do_list(self, _: Any) -> None:
        self._push(self._until_mark())

    def _do_dict(self, _: Any) -> None:
        items = self._until_mark()
        self._push({_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)})

    def _do_frozenset(self, _: Any) -> None:
        self._push(frozenset(_key(item) for item in self._until_mark()))

    def _do_append(self, _: Any) -> None:
        self._extend([self.pop()])

    def _do_appends(self, _: Any) -> None:
        self._extend(self._until_mark())

    def _do_additems(self, _: Any) -> None:
        items = self._until_mark()
        if isinstance(self._stack[-1], set):
            self._stack[-1].update(_key(item) for item in items)
        else:
            self._extend(items)

    def _do_setitem(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self._set([(key, value)])

    def _do_setitems(self, _: Any) -> None:
        items = self._until_mark()
        self._set(list(zip(items[::2], items[1::2], strict=True)))

    def _do_global(self, argument: Any) -> None:
        self._push(Name(str(argument).replace(" ", ".", 1)))

    def _do_stack_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        self._push(Name(f"{module}.{name}"))

    def _do_reduce(self, _: Any) -> None:
        arguments, called = self.pop(), self.pop()
        if isinstance(called, Name) and called.name == "_codecs.encode" and arguments[1:] == ("latin1",):
            # How bytes are written where the protocol has no words for them.
            self._push(arguments[0].encode("latin-1"))
            return
        self._push(Thing(_named(called), tuple(arguments) if isinstance(arguments, tuple) else (arguments,)))

    def _do_newobj(self, _: Any) -> None:
        self._do_reduce(None)

    def _do_newobj_ex(self, _: Any) -> None:
        named, arguments, made = self.pop(), self.pop(), self.pop()
        self._push(Thing(_named(made), (*arguments, named)))

    def _do_inst(self, argument: Any) -> None:
        arguments = tuple(self._until_mark())
        self._push(Thing(str(argument).replace(" ", ".", 1), arguments))

    def _do_obj(self, _: Any) -> None:
        made, *arguments = self._until_mark()
        self._push(Thing(_named(made), tuple(arguments)))

    def _do_build(self, _: Any) -> None:
        state = self.pop()
        if isinstance(self._stack[-1], Thing):
            self._stack[-1].state = state

    def _do_persid(self, argument: Any) -> None:
        self._push(Thing("persistent", (argument,)))

    def _do_binpersid(self, _: Any) -> None:
        self._push(Thing("persistent", (self.pop(),)))

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        (target.items if isinstance(target, Thing) else target).extend(items)

    def _set(self, pairs: list[tuple[Any, Any]]) -> None:
        target = self._stack[-1]
        if isinstance(target, Thing):
            target.pairs.extend(pairs)
        else:
            target.update((_key(key), value) for key, value in pairs)


def _named(called: Any) -> str:
    return called.name if isinstance(called, (Name, Thing)) else type(called).__name__


def _key(value: Any) -> Any:
    """A value that can be a key: one without parts, or a tuple of such. Python hashes deep ones until it crashes."""
    parts = value if isinstance(value, tuple) else (value,)
    if any(isinstance(part, (tuple, list, dict, set, frozenset, bytearray)) for part in parts):
        raise Unreadable("It has keys that are not followed here.")
    return value
