"""What the runner leaves to Kubernetes when it cannot even begin, and when it breaks."""

import sys
from pathlib import Path

import pytest

from bridge.tests.pod.small_kubeflow import FLOWS, describe
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import outputs, runner


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The termination message."""
    file = tmp_path / "said"
    file.touch()
    monkeypatch.setattr(outputs, "TERMINATION_LOG", file)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    return file


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["other"], "arguments of the container: no step 'other' was deployed. Deploy the flow again."),
        (["start,other"], "arguments of the container: no step 'other' was deployed. Deploy the flow again."),
        (["start", "--index", "x"], "arguments of the container: argument --index: 'x' is no index"),
        (["start", "--index", "0:"], "arguments of the container: argument --index: '0:' is no index"),
        (
            ["start", "--new", "1"],
            "arguments of the container: unrecognized arguments: --new 1. Deploy the flow again.",
        ),
        (["start", "--index", "0"], "step start: got 1 foreach indices for the foreaches none"),
    ],
)
def test_arguments_that_are_none_of_a_pipelines_are_said(
    words: list[str], wanted: str, said: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = describe(FLOWS / "linear_flow.py", tmp_path).to_json()
    assert runner.main(record, words) == 1
    assert said.read_text().startswith(wanted)
    assert capsys.readouterr().err == f"{said.read_text()}\n"


def test_a_record_of_another_version_is_said(said: Path) -> None:
    assert runner.main('{"schema_version": 0}', ["start"]) == 1
    assert said.read_text().startswith("deployment record: has schema version 0")


def test_what_nobody_foresaw_is_shown_whole_and_its_last_line_left(
    said: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        raise KeyError("nobody's")
    except KeyError as error:
        outputs.report_crash(type(error), error, error.__traceback__)
    assert said.read_text() == 'KeyError: "nobody\'s"'
    assert "Traceback" in capsys.readouterr().err
