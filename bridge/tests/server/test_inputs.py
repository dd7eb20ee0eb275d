"""Values of parameters on their way to a run: who must give which, and how much fits."""

import json
from typing import Any

import pytest

from bridge.tests.lib.graphs import flow
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import inputs
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Parameter
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.parameters import REFERENCE
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.provenance import (
    DeploymentNotes,
    FlowIdentity,
    TakenParameter,
)
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused

NOTES = DeploymentNotes(
    FlowIdentity("TestFlow"),
    "alice",
    parameters=(
        TakenParameter("learning-rate", "float"),
        TakenParameter("learning_rate", "float"),
        TakenParameter("text", "str", required=True),
        TakenParameter("file", "FilePath"),
    ),
)


def stored(given: dict[str, str]) -> tuple[dict[str, str], list[bytes]]:
    kept: list[bytes] = []
    return inputs.fitting(given, kept.append), kept


def test_values_reach_the_inputs_of_the_deployed_version() -> None:
    found = inputs.texts(NOTES, {"learning_rate": 0.5, "text": "ü {{x}}", "file": lambda: {"url": "s3://…"}}, "v1")
    assert {name: json.loads(text) for name, text in found.items()} == {
        "learning_rate2": 0.5,
        "text": "ü {{x}}",
        "file": {"url": "s3://…"},
    }
    assert "{{" not in found["text"]


def test_what_must_be_given_is_named_and_no_file_is_stored_first() -> None:
    def store() -> Any:
        raise AssertionError("the file is stored for a run that never begins")

    with pytest.raises(Refused, match=r"parameter .text.: must be given\. Add --text VALUE"):
        inputs.texts(NOTES, {"file": store}, "v1")


def test_a_parameter_that_the_deployed_version_does_not_have_is_named() -> None:
    with pytest.raises(Refused, match="parameters 'more', 'new': the deployed version 'v1' has no such parameter"):
        inputs.texts(NOTES, {"text": "", "new": 1, "more": 2}, "v1")


def test_a_version_that_does_not_say_its_parameters_takes_what_is_given() -> None:
    assert inputs.texts(None, {"learning-rate": 1}, "v1") == {"learning_rate": "1"}


def test_what_fits_is_left_as_it_is() -> None:
    given = {"a": '"x"', "b": json.dumps("y" * 9_900)}
    assert stored(given) == (given, [])


def test_the_largest_goes_by_reference_and_the_rest_stays() -> None:
    large = json.dumps("y" * 9_000)
    given = {"a": json.dumps("x" * 2_000), "b": large, "c": "1"}
    fitted, kept = stored(given)
    assert kept == [large.encode()]
    assert fitted["a"] == given["a"] and fitted["c"] == "1"
    assert fitted["b"].startswith(REFERENCE)
    with pytest.raises(json.JSONDecodeError):
        json.loads(fitted["b"])


@pytest.mark.parametrize("character", ["<", "&", '"', "\\", "ü", "\n"])
def test_bytes_are_counted_as_kubeflow_pipelines_counts_them(character: str) -> None:
    """Go writes <, > and & as six bytes each; a text in JSON in JSON has its backslashes twice."""
    _, kept = stored({"a": json.dumps(character * 6_000)})
    assert len(kept) == 1


def test_more_than_references_can_carry_is_refused() -> None:
    with pytest.raises(Refused, match=r"300 of them take .* bytes even by reference"):
        stored({f"p{number}": json.dumps("x" * 100) for number in range(300)})


def test_defaults_are_held_to_the_same_size_and_files_stand_in_theirs() -> None:
    kept: list[bytes] = []
    parameters = (
        Parameter("file", "file", "FilePath", None, False, file="somewhere"),
        Parameter("large", "large", "str", json.dumps("x" * 20_000), False),
        Parameter("none", "none", "str", None, False),
    )
    settled = inputs.settled(flow("start > end", parameters), {"file": {"url": "s3://…"}}, kept.append)
    file, large, none = settled.parameters
    assert json.loads(file.default or "") == {"url": "s3://…"}
    assert (large.default or "").startswith(REFERENCE) and len(kept) == 1
    assert none.default is None
