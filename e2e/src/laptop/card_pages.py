"""What a card says, without what must differ between two runs: ids, times, and the picture's bytes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

# Metaflow writes a card's components into its page as base64 of JSON, under an id of the card's own.
_DATA = re.compile(r"""__MF_DATA__\["[^"]*"\]\s*=\s*["']([A-Za-z0-9+/=]+)["']""")
# Cards whose page is the user's alone, and one that is made of the user's components alone.
PLAIN, BLANK, DEFAULT = "html", "blank", "default"


def content(kind: str, page: str) -> Any:
    """What can be compared of a card's page.

    Of type html the page itself; of type blank its components, less their ids; of the default card, which tells of
    run and task, the kinds and titles of its components in their order. Of other types None: nobody knows them here.
    A page of Metaflow's without components raises ValueError.
    """
    if kind == PLAIN:
        return page
    if kind == BLANK:
        return _said(_components(page))
    if kind == DEFAULT:
        return tuple(_outline(_components(page)))
    return None


def _components(page: str) -> Any:
    found = _DATA.search(page)
    if found is None:
        raise ValueError("the card's page holds no components")
    return json.loads(base64.b64decode(found[1]))["components"]


def _said(value: Any) -> Any:
    """A component as nested tuples. Of a picture only its format: programs write their versions into it."""
    if isinstance(value, dict):
        return tuple((key, _said(each)) for key, each in sorted(value.items()) if key != "id")
    if isinstance(value, list):
        return tuple(map(_said, value))
    if isinstance(value, str) and value.startswith("data:"):
        return value.split(",", 1)[0]
    return value


def _outline(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        for each in value:
            yield from _outline(each)
    elif isinstance(value, dict) and "type" in value:
        yield value["type"], value.get("title")
        yield from _outline(value.get("contents", []))
