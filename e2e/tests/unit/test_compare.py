"""The oracle itself: what counts as equal between a laptop and a cluster."""

from __future__ import annotations

import numpy
import pytest
from sklearn.linear_model import LinearRegression

from laptop.compare import equal


class MetaflowExceptionWrapper:
    """Has the name and the fields of what @catch keeps."""

    def __init__(self, exception: str, kind: str = "ValueError") -> None:
        self.exception, self.type, self.stacktrace = exception, kind, object()


def model(slope: float) -> LinearRegression:
    inputs = numpy.arange(6.0).reshape(3, 2)
    return LinearRegression().fit(inputs, slope * inputs.sum(axis=1))


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (1, 1, True),
        (1, 1.0, False),
        ([1, {"x": (2,)}], [1, {"x": (2,)}], True),
        ([1, {"x": (2,)}], [1, {"x": (3,)}], False),
        ([1], [1, 2], False),
        (numpy.array([1, 2]), numpy.array([1, 2]), True),
        (numpy.array([1, 2]), numpy.array([1, 3]), False),
        ({"x": numpy.array([1.5])}, {"x": numpy.array([1.5])}, True),
        (model(2), model(2), True),
        (model(2), model(3), False),
        (ValueError("a"), ValueError("b"), False),
        (
            MetaflowExceptionWrapper('File "/here/f.py", line 1'),
            MetaflowExceptionWrapper('File "/there/f.py", line 1'),
            True,
        ),
        (
            MetaflowExceptionWrapper('File "/here/f.py", line 1'),
            MetaflowExceptionWrapper('File "/here/f.py", line 2'),
            False,
        ),
        (MetaflowExceptionWrapper("x"), MetaflowExceptionWrapper("x", "KeyError"), False),
    ],
)
def test_equal(a: object, b: object, same: bool) -> None:
    assert equal(a, b) is same
