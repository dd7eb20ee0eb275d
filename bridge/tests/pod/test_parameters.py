"""What the pipeline hands to the first step, made into what Metaflow's command line takes."""

import json
from typing import Any

import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.read import encode
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import parameters
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.record import Encoding, ParameterRecord

STORED = json.dumps({"text": "x" * 20_000}).encode()


def recall(key: str) -> bytes:
    assert key == parameters.reference(STORED).removeprefix(parameters.REFERENCE)
    return STORED


def values(text: str, encoding: Encoding = "json", unset: str | None = "") -> dict[str, str]:
    return parameters.values([ParameterRecord("x", "in_x", encoding, unset)], {"in_x": text}, recall)


@pytest.mark.parametrize(
    ("encoding", "unset", "text", "value"),
    [
        ("json", "", '"a \\"b\\""', 'a "b"'),
        ("json", "", '""', ""),
        ("json", "", "", None),
        ("json", "", "1.5", "1.5"),
        ("json", "", "9007199254740993", "9007199254740993"),
        ("json", "", "true", "true"),
        ("json", "", '{"a":[1,null]}', '{"a": [1, null]}'),
        ("json", "", '"mfref:abc"', "mfref:abc"),
        ("text", None, "", ""),
        ("value", "", '"fast"', '"fast"'),
        ("value", "", '"12"', '"12"'),
        ("value", "", "null", "null"),
        ("value", "", "[1]", "[1]"),
        ("text", "unset", "unset", None),
        ("text", None, '"kept"', '"kept"'),
    ],
)
def test_a_text_becomes_the_value(encoding: Encoding, unset: str | None, text: str, value: str | None) -> None:
    assert values(text, encoding, unset) == ({} if value is None else {"x": value})


def test_a_reference_becomes_the_value_that_is_stored() -> None:
    assert json.loads(values(parameters.reference(STORED))["x"]) == json.loads(STORED)


@pytest.mark.parametrize("value", ["a$$b", "$$$$", "$$$", "$$(X)", "$(X)", "{{x}}", {"$$": ["$$$x"]}])
def test_neither_argo_nor_the_kubelet_finds_a_thing_to_replace_in_a_value(value: Any) -> None:
    text = encode(value)
    assert json.loads(text) == value
    assert not [each for each in ("$$", "$(", "{{") if each in text]


def test_another_value_under_the_key_is_refused() -> None:
    record = [ParameterRecord("x", "in_x", "json", "")]
    with pytest.raises(
        parameters.ParameterError, match=r"parameter .x.: what lies in the datastore under .* is another"
    ):
        parameters.values(record, {"in_x": parameters.reference(STORED)}, lambda key: b'"other"')


@pytest.mark.parametrize("text", ["hello", "{", "mfref", "'a'"])
def test_what_is_no_json_is_named(text: str) -> None:
    with pytest.raises(parameters.ParameterError, match=r"parameter .x.: .* is not JSON"):
        values(text)


def test_a_parameter_that_the_pipeline_does_not_carry_is_left_to_its_default() -> None:
    assert parameters.values([ParameterRecord("x", "in_x", "json", "")], {}, recall) == {}
