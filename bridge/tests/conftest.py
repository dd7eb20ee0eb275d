"""Metaflow is imported here once: it warns about itself while it is imported, and warnings are errors in tests."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import metaflow  # noqa: F401
