"""The values of the run's parameters, out of the texts that the pipeline hands to the first step."""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1

from ..record import ParameterRecord

# Begins the text that stands for a value kept in the datastore: this, and the key there. Every other text is JSON, and
# no JSON begins so; a text value has its quotes.
REFERENCE = "mfref:"

Recall = Callable[[str], bytes]
"""Gives what lies in the flow's datastore under a key."""


class ParameterError(ValueError):
    """A parameter's text is no value. The message names the parameter."""


def reference(blob: bytes) -> str:
    """The text that stands for this value where it is stored in the flow's datastore."""
    return REFERENCE + sha1(blob, usedforsecurity=False).hexdigest()


def values(parameters: Sequence[ParameterRecord], given: Mapping[str, str], recall: Recall) -> dict[str, str]:
    """Parameter -> its value as Metaflow's command line takes it, for each that has one. `given` is by pipeline input.

    ParameterError when a text is neither JSON nor a reference, or what it refers to is another value.
    """
    found = {}
    for parameter in parameters:
        text = given.get(parameter.input)
        if text is None or text == parameter.unset:
            continue
        found[parameter.name] = text if parameter.encoding == "text" else _plain(parameter, text, recall)
    return found


def _plain(parameter: ParameterRecord, text: str, recall: Recall) -> str:
    name = parameter.name
    if text.startswith(REFERENCE):
        text = _recalled(name, text.removeprefix(REFERENCE), recall)
    try:
        value = json.loads(text)
    except ValueError:
        raise ParameterError(
            f"parameter {name!r}: {_short(text)} is not JSON, as every input of the pipeline is. "
            "Put a text in double quotes."
        ) from None
    return value if isinstance(value, str) and parameter.encoding == "json" else json.dumps(value)


def _recalled(name: str, key: str, recall: Recall) -> str:
    blob = recall(key)
    if reference(blob) != REFERENCE + key:
        raise ParameterError(f"parameter {name!r}: what lies in the datastore under {key} is another value.")
    return blob.decode()


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
