"""Values of a flow's parameters as inputs of its pipeline: JSON texts, the large ones by reference.

Kubeflow Pipelines takes 10,000 bytes of parameters for a run. Where there are more, the largest are stored in the
flow's datastore and a short text stands for each; the first step's runner puts the value in its place.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from . import names
from .compiler.ir import Flow
from .compiler.read import encode
from .pod.parameters import reference
from .provenance import DeploymentNotes
from .refusals import Refused

# Kubeflow Pipelines' limit for all parameters of a run together.
LIMIT_BYTES = 10_000

# What stands for a stored value: the reference's prefix and a SHA-1.
_REFERENCE_BYTES = len(reference(b""))

# Go writes these three as \u003c and so on, where Python writes them as they are.
_ESCAPED_BY_GO = "<>&"

Store = Callable[[bytes], object]
"""Puts a blob into the flow's datastore under its content's key."""


def texts(notes: DeploymentNotes | None, values: Mapping[str, Any], version: str) -> dict[str, str]:
    """Pipeline input -> text, for values by parameter name. A value that is callable is asked for last.

    Refused when a parameter that must be given is missing, or one is given that the deployed version does not take.
    """
    taken = notes.parameters if notes is not None else None
    if taken is None:
        inputs = names.input_names(values)
    else:
        inputs = names.input_names(each.name for each in taken)
        if unknown := sorted(set(values) - set(inputs)):
            raise Refused(
                f"{_named(unknown)}: the deployed version {version!r} has no such parameter. "
                "Deploy the flow again: kubeflow-pipelines create."
            )
        if missing := [each.name for each in taken if each.required and each.name not in values]:
            raise Refused(f"{_named(missing)}: must be given. Add " + " ".join(f"--{name} VALUE" for name in missing))
    return {inputs[name]: encode(value() if callable(value) else value) for name, value in values.items()}


def fitting(given: Mapping[str, str], store: Store) -> dict[str, str]:
    """The texts, as many of the largest replaced by references as it takes for all to fit. Refused when none can."""
    fitted = dict(given)
    for name in sorted(given, key=lambda each: (-_size({each: given[each]}), each)):
        if _size(fitted) <= LIMIT_BYTES:
            break
        if len(given[name].encode()) > _REFERENCE_BYTES:
            blob = given[name].encode()
            store(blob)
            fitted[name] = reference(blob)
    if (size := _size(fitted)) > LIMIT_BYTES:
        raise Refused(
            f"parameters: {len(given)} of them take {size} bytes even by reference, and Kubeflow Pipelines allows "
            f"{LIMIT_BYTES} for a run. Put several into one of type JSON."
        )
    return fitted


def settled(flow: Flow, files: Mapping[str, Any], store: Store) -> Flow:
    """The flow with its defaults as the pipeline will carry them.

    `files` holds what stands for the default file of each IncludeFile. Defaults go through every pod's arguments as
    given values do, so together they are held to the same size.
    """
    parameters = [
        replace(each, default=encode(files[each.name])) if each.name in files else each for each in flow.parameters
    ]
    defaults = fitting({each.name: each.default for each in parameters if each.default is not None}, store)
    return replace(
        flow, parameters=tuple(replace(each, default=defaults.get(each.name, each.default)) for each in parameters)
    )


def _size(given: Mapping[str, str]) -> int:
    """Bytes of these parameters as Kubeflow Pipelines counts them: its own JSON of all."""
    written = json.dumps(dict(given), separators=(",", ":"))
    return len(written) + 5 * sum(written.count(each) for each in _ESCAPED_BY_GO)


def _named(parameters: list[str]) -> str:
    return f"parameter{'s' if len(parameters) > 1 else ''} {', '.join(map(repr, parameters))}"
