"""A module's options are written once, in its documentation, and read from there."""

from __future__ import annotations

from typing import Any

import yaml


def arguments(documentation: str) -> dict[str, dict[str, Any]]:
    """The argument spec that Ansible checks, out of the documentation that it prints."""
    return _specs(yaml.safe_load(documentation)["options"])


def _specs(options: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    specs = {}
    for name, option in options.items():
        spec = {key: value for key, value in option.items() if key != "description"}
        if "options" in spec:
            spec["options"] = _specs(spec["options"])
        specs[name] = spec
    return specs
