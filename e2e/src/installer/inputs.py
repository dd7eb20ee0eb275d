"""What is wrong with the user's words, found before anything is made. Needs neither a cluster nor Helm."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

from cluster.errors import Refused
from cluster.providers import provider_of
from cluster.settings import Settings

CHART = Path(__file__).parents[3] / "charts" / "tributary"


def refuse_problems(settings: Settings, *, profile: str, own_values: Sequence[Path]) -> None:
    """Raises Refused with every problem that is found."""
    if found := [*_profile(profile), *_values(own_values), *_context(settings)]:
        raise Refused("\n".join(found))


def _profile(profile: str) -> Iterator[str]:
    known = sorted(file.stem for file in (CHART / "profiles").glob("*.yaml"))
    if profile not in known:
        yield f"PROFILE: the chart has no profile {profile!r}. Use one of {', '.join(known)}."


def _values(files: Sequence[Path]) -> Iterator[str]:
    """Each file by itself against the chart's schema, less what the chart's own values bring along."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    for file in files:
        if not file.is_file():
            yield f"VALUES: no such file: {file}. Give the path of a YAML file."
            continue
        try:
            values = yaml.safe_load(file.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as reason:
            yield f"VALUES: {file} is no YAML: {' '.join(str(reason).split())}. Mend it."
            continue
        if values is not None and not isinstance(values, dict):
            yield f"VALUES: {file} is no mapping of values. Look at charts/tributary/values.yaml."
            continue
        default = yaml.safe_load((CHART / "values.yaml").read_text())
        for error in Draft7Validator(schema).iter_errors(_merged(default, values or {})):
            place = ".".join(map(str, error.absolute_path)) or "top"
            yield f"VALUES: {file}, at {place}: {error.message}. Look at charts/tributary/values.yaml."


def _context(settings: Settings) -> Iterator[str]:
    if not settings.context:
        return
    if found := provider_of(settings).problems():
        yield from found
    elif not settings.context.startswith("kind-") and not settings.registry:
        yield (
            f"CONTEXT: {settings.context!r} is no kind cluster, so images cannot be loaded into it. "
            "Set REGISTRY to a registry that it pulls from."
        )


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, `over` first where they meet, as helm merges values: a null takes a default away."""
    laid = {
        key: _merged(under[key], value) if isinstance(value, Mapping) and isinstance(under.get(key), Mapping) else value
        for key, value in over.items()
    }
    return {key: value for key, value in {**under, **laid}.items() if value is not None or key not in over}
