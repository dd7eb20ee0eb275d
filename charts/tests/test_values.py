"""values.yaml, its schema and the templates say the same."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from charts.tests.conftest import Chart

CHART = Path(__file__).parents[1] / "tributary"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
TEMPLATES = sorted(path for path in (CHART / "templates").rglob("*") if path.is_file())


def leaves(values: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def nested(path: tuple[str, ...], value: object) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def schema_at(path: tuple[str, ...]) -> dict[str, Any]:
    found = SCHEMA
    for key in path:
        found = found["properties"][key]
        if reference := found.get("$ref"):
            found = SCHEMA["definitions"][reference.rsplit("/", 1)[1]]
    return found


CHOICES = {path: schema_at(path).get("enum") for path, _ in leaves(VALUES)}
# Keys whose meaning is that of the group they stand in, which has the comment.
PARTS = {"image", "repository", "tag", "size", "className", "cpu", "memory", "memoryLimit"}
SWITCHES = [path for path, value in leaves(VALUES) if isinstance(value, bool) or CHOICES[path]]


def objects_of(values: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    yield path, values
    for key, value in values.items():
        if isinstance(value, dict):
            yield from objects_of(value, (*path, key))


@pytest.mark.parametrize(("path", "values"), list(objects_of(VALUES)), ids=lambda each: ".".join(each))
def test_the_schema_has_the_keys_of_the_values_and_no_others(path: tuple[str, ...], values: dict[str, Any]) -> None:
    schema = schema_at(path)
    assert schema["additionalProperties"] is False
    assert schema["properties"].keys() == values.keys()
    assert set(schema["required"]) == values.keys()


def test_every_key_is_explained_by_a_comment_that_begins_with_it() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    unexplained = []
    for number, line in enumerate(lines):
        if (key := re.match(r" *(\w+):", line)) and key[1] not in PARTS:
            comment = list(itertools.takewhile(lambda above: above.lstrip().startswith("#"), reversed(lines[:number])))
            if not comment or not re.match(rf" *# {key[1]}\b", comment[-1]):
                unexplained.append(line)
    assert unexplained == [f"    {name}: 0" for name in ("metadataService", "objectStore", "ui")], (
        "beyond the node ports"
    )


def test_every_value_reaches_some_object(chart: Chart) -> None:
    """Each leaf gets a mark of its own; the marks must come out again."""
    marks = {path: f"mark{number:03d}" for number, (path, _) in enumerate(leaves(VALUES))}
    numbers = {path: 41000 + number for number, path in enumerate(marks)}
    rendered = ""
    for mode in ("internal", "external"):
        values: dict[str, Any] = {}
        for path, value in leaves(VALUES):
            put: object = marks[path]
            if path in SWITCHES:
                put = {"mode": mode, "type": "NodePort"}.get(path[-1], True)
            elif isinstance(value, list):
                put = [marks[path]]
            elif isinstance(value, int):
                put = numbers[path]
            place = values
            for key in path[:-1]:
                place = place.setdefault(key, {})
            place[path[-1]] = put
        rendered += chart.text(values, flags=["--skip-schema-validation"])
    lost = [
        ".".join(path)
        for path in marks
        if path not in SWITCHES and not re.search(f"{marks[path]}|{numbers[path]}", rendered)
    ]
    assert not lost


@pytest.mark.parametrize("path", SWITCHES, ids=".".join)
def test_every_switch_changes_something(chart: Chart, path: tuple[str, ...]) -> None:
    base = chart.text(profile="production", flags=["--skip-schema-validation"])
    outcomes = {
        chart.text(nested(path, choice), profile="production", flags=["--skip-schema-validation"])
        for choice in CHOICES[path] or [True, False]
    }
    assert base in outcomes
    assert len(outcomes) == 2


def test_the_values_stay_readable() -> None:
    assert len((CHART / "values.yaml").read_text().splitlines()) <= 200
    assert len(list(leaves(VALUES))) <= 90


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(CHART / "templates")))
def test_a_template_is_short_and_asks_nobody(template: Path) -> None:
    text = template.read_text()
    assert len(text.splitlines()) <= 150
    code = " ".join(re.findall(r"{{.*?}}", re.sub(r"{{-? /\*.*?\*/ -?}}", "", text, flags=re.DOTALL)))
    assert not re.findall(r"\b(lookup|tpl|default|rand\w*|genPrivateKey|genCA|genSelfSigned\w*|uuidv4|now)\b", code)
