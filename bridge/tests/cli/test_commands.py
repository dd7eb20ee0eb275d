"""The commands as a user types them, against a Kubeflow Pipelines of our own."""

import json
from pathlib import Path

import pytest

from bridge.tests.lib.commands import command
from bridge.tests.lib.kubeflow import Kubeflow
from bridge.tests.lib.sources import two_steps
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.server import Server

# Each starts what a user types as a process of its own.
pytestmark = pytest.mark.slow

IMPORTS = """from metaflow._vendor import click
from metaflow import FlowSpec, JSONType, Parameter, step"""
PARAMETERS = """\
    alpha = Parameter("alpha", default=0.5)
    learning_rate = Parameter("learning-rate", type=float)
    text = Parameter("text", default="unsaid")
    shape = Parameter("shape", type=JSONType)
    quick = Parameter("quick", type=bool, default=False)
    colour = Parameter("colour", type=click.Choice(["red", "blue"]), default="red")
    must = Parameter("must", type=int, required=True)

"""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    path = tmp_path / "typed_flow.py"
    path.write_text(two_steps("TypedFlow", imports=IMPORTS, body=PARAMETERS))
    return path


@pytest.fixture
def kubeflow(kubeflow: Kubeflow) -> Kubeflow:
    server = Server(kubeflow.url)
    made = server.create_pipeline("typedflow", "Metaflow flow TypedFlow")
    server.upload_version(made, "v1", "{}", "")
    return kubeflow


def test_only_json_stores_nothing_and_is_the_same_twice(flow: Path, tmp_path: Path) -> None:
    first = command(flow, "--quiet", "kubeflow-pipelines", "create", "--only-json", "--tag", "a")
    again = command(
        flow, "kubeflow-pipelines", "create", "--only-json", "--tag", "a", "-o", str(tmp_path / "spec.yaml")
    )
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert again.stdout == ""
    assert (tmp_path / "spec.yaml").read_text() == first.stdout
    pipeline, _ = (json.loads(part) for part in first.stdout.split("\n---\n"))
    inputs = pipeline["root"]["inputDefinitions"]["parameters"]
    assert inputs.pop("resume_of")["defaultValue"] == ""
    assert inputs == {
        "alpha": {"defaultValue": "0.5", "parameterType": "STRING"},
        "learning_rate": {"defaultValue": "", "parameterType": "STRING"},
        "text": {"defaultValue": '"unsaid"', "parameterType": "STRING"},
        "shape": {"defaultValue": "", "parameterType": "STRING"},
        "quick": {"defaultValue": "false", "parameterType": "STRING"},
        "colour": {"defaultValue": '"red"', "parameterType": "STRING"},
        "must": {"parameterType": "STRING"},
    }


def test_trigger_sends_what_was_given_and_leaves_defaults_to_the_deployment(flow: Path, kubeflow: Kubeflow) -> None:
    given = ["--learning-rate", "0.25", "--text", "a {{b}} $(c) ü", "--shape", '{"a": [1, 2]}', "--quick", "true"]
    given += ["--colour", "blue", "--must", "9007199254740993"]
    done = command(
        flow,
        "kubeflow-pipelines",
        "--url",
        kubeflow.url,
        "trigger",
        *given,
        "--run-id-file",
        "run-id",
        "--experiment",
        "mine",
    )
    assert done.returncode == 0, done.stderr
    assert (flow.parent / "run-id").read_text() == "kfp-run-1"
    sent = kubeflow.runs["run-1"]["runtime_config"]["parameters"]
    assert {name: json.loads(value) for name, value in sent.items()} == {
        "learning_rate": 0.25,
        "text": "a {{b}} $(c) ü",
        "shape": {"a": [1, 2]},
        "quick": True,
        "colour": "blue",
        "must": 9007199254740993,
    }
    assert "{{" not in sent["text"] and "$(" not in sent["text"]
    assert kubeflow.experiments[0]["display_name"] == "mine"


def test_a_run_whose_answer_was_lost_is_told_as_any_other(flow: Path, kubeflow: Kubeflow) -> None:
    kubeflow.losing, kubeflow.losing_status = "POST /apis/v2beta1/runs ", 504
    done = command(flow, "kubeflow-pipelines", "--url", kubeflow.url, "trigger", "--run-id-file", "run-id")
    assert done.returncode == 0, done.stderr
    assert (flow.parent / "run-id").read_text() == "kfp-run-1"
    assert len(kubeflow.runs) == 1


def test_a_run_is_asked_after_ended_and_its_pipeline_deleted(flow: Path, kubeflow: Kubeflow) -> None:
    def ask(*arguments: str) -> str:
        done = command(flow, "--quiet", "kubeflow-pipelines", "--url", kubeflow.url, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    ask("trigger")
    assert ask("status", "kfp-run-1") == "Running\n"
    assert json.loads(ask("status", "kfp-run-1", "--json"))["state"] == "RUNNING"
    assert ask("list") == "typedflow\n"
    ask("terminate", "kfp-run-1")
    assert kubeflow.runs["run-1"]["state"] == "CANCELING"
    ask("delete")
    assert kubeflow.pipelines == {}
