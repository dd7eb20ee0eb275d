"""Metaflow is imported here once: it warns about itself while it is imported, and warnings are errors in tests."""

import warnings
from collections.abc import Iterator

import pytest

from bridge.tests.lib.kubeflow import Kubeflow, serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import metaflow  # noqa: F401


@pytest.fixture
def kubeflow() -> Iterator[Kubeflow]:
    """A Kubeflow Pipelines of our own, with nothing in it."""
    with serving(Kubeflow()) as running:
        yield running
