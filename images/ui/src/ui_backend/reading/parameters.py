"""Runs by the values of their parameters, without a look into the datastore.

Metaflow stores a parameter as an artifact of the step `_parameters`: its pickle, under the SHA-1 of that
(metaflow/datastore/content_addressed_store.py). A plain value has one pickle in each protocol, so its checksum can be
computed, and the database knows which run has it.
"""

from __future__ import annotations

import hashlib
import math
import pickle
from collections.abc import Iterator

from metadata_service.storage.selecting import Conditions
from ui_backend.reading.lists import ParameterFilter

_PROTOCOLS = (2, 4)
"""Of which Metaflow has written pickles."""

_WORDS: dict[str, bool | None] = {"true": True, "false": False, "none": None, "null": None}


def holding(name: str, text: str) -> ParameterFilter:
    """Finds runs whose parameter is what somebody means by the text: these words, or a number, truth value or None."""
    made = (pickle.dumps(value, protocol) for value in _meant(text) for protocol in _PROTOCOLS)
    return ParameterFilter(name, tuple(hashlib.sha1(data, usedforsecurity=False).hexdigest() for data in made))


def add_parameters(conditions: Conditions, filters: tuple[ParameterFilter, ...], alias: str) -> None:
    """The conditions that a run was given these values."""
    for one in filters:
        checksums = ", ".join(conditions.bind(checksum) for checksum in one.checksums)
        conditions.add(
            f"EXISTS (SELECT 1 FROM artifact_v3 AS p WHERE p.flow_id = {alias}.flow_id"
            f" AND p.run_number = {alias}.run_number AND p.step_name = '_parameters'"
            f" AND p.name = {conditions.bind(one.name)} AND p.sha IN ({checksums}))"
        )


def _meant(text: str) -> Iterator[str | int | float | bool | None]:
    yield text
    if text.lower() in _WORDS:
        yield _WORDS[text.lower()]
    if not text.isascii() or len(text) > 40 or "_" in text:
        return
    try:
        number = float(text)
    except ValueError:
        return
    yield number
    if math.isfinite(number) and text.lstrip("+-").isdigit():
        yield int(text)
