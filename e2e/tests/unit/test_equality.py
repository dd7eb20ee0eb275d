"""The oracle itself: what counts as equal between a laptop and a cluster."""

from __future__ import annotations

import numpy
import pytest
from sklearn.linear_model import LinearRegression

from laptop.equality import equal


class MetaflowExceptionWrapper(Exception):
    """Has the name and the fields of what @catch keeps."""

    def __init__(self, exception: str, kind: str = "ValueError") -> None:
        super().__init__(f"{exception} {id(self)}")
        self.exception, self.type = exception, kind


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
            MetaflowExceptionWrapper("late\nat /here/f.py"),
            MetaflowExceptionWrapper("late\nat /there/f.py"),
            True,
        ),
        (
            MetaflowExceptionWrapper("late\nat /here/f.py"),
            MetaflowExceptionWrapper("later\nat /here/f.py"),
            False,
        ),
        (MetaflowExceptionWrapper("x"), MetaflowExceptionWrapper("x", "KeyError"), False),
    ],
)
def test_equal(a: object, b: object, same: bool) -> None:
    assert equal(a, b) is same
