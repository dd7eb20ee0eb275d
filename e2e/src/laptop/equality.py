"""What counts as equal between an artifact of the laptop and one of the cluster."""

from __future__ import annotations

from typing import Any


def equal(a: Any, b: Any) -> bool:
    """Equality of two loaded artifacts: arrays by array_equal, models by their predictions, the rest by ==.

    Of an exception that @catch kept, the type and the message count; its stack is that of another machine.
    """
    if type(a) is not type(b):
        return False
    if hasattr(a, "predict"):
        return _predicts_alike(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    if hasattr(a, "__array__"):
        import numpy

        return bool(numpy.array_equal(a, b))
    if type(a).__name__ == "MetaflowExceptionWrapper":
        return bool(a.type == b.type) and _message(a.exception) == _message(b.exception)
    if isinstance(a, BaseException):
        return str(a) == str(b)
    if vars_a := getattr(a, "__dict__", None):
        return equal(vars_a, b.__dict__)
    return bool(a == b)


def _message(text: str) -> str:
    """The first line: behind it @timeout quotes the stack down to the program that called Metaflow."""
    return text.split("\n", 1)[0]


def _predicts_alike(a: Any, b: Any) -> bool:
    import numpy

    width = getattr(a, "n_features_in_", None)
    if width is None:
        raise TypeError(f"a model of type {type(a).__name__} does not say how many features it takes")
    inputs = numpy.random.default_rng(7).uniform(0, 16, size=(200, width))
    return bool(numpy.array_equal(a.predict(inputs), b.predict(inputs)))
