"""What a user sees who asks for what cannot be: one clear sentence for each mistake, exit code 2, no traceback.

A Metaflow process takes a second, so mistakes that show together are asked for together.
"""

import subprocess
from pathlib import Path

import pytest

from bridge.tests.lib.commands import command
from bridge.tests.lib.kubeflow import Kubeflow
from bridge.tests.lib.sources import two_steps

# Each starts what a user types as a process of its own.
pytestmark = pytest.mark.slow

FLOW = two_steps("TestedFlow", imports="from metaflow import *", body='    """A flow for tests."""\n')

WRONG = """from metaflow import *


@schedule(daily=True, timezone="Europe/Zurich")
class WrongFlow(FlowSpec):
    pair = Parameter("pair", type=int, nargs=2)
    document = IncludeFile("document", default="nowhere.txt")

    @batch
    @step
    def start(self):
        self.arm = "left"
        self.next({"left": self.left, "right": self.right}, condition="arm")

    @kubernetes(disk=20000, service_account="somebody", image_pull_policy="Sometimes")
    @step
    def left(self):
        self.next(self.end)

    @resources(disk=5)
    @step
    def right(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    WrongFlow()
"""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    path = tmp_path / "tested_flow.py"
    path.write_text(FLOW)
    return path


def refusal(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of a refusal, without what Metaflow says before."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return [line for line in done.stderr.splitlines() if line and not line.startswith(("Metaflow ", "Validating", " "))]


def test_every_construct_that_is_not_translated_is_named_at_once_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "wrong_flow.py"
    path.write_text(WRONG)
    said = refusal(command(path, "kubeflow-pipelines", "create", "--only-json"))
    places = [
        ("wrong_flow.py:11: step 'start'", "@batch"),
        ("wrong_flow.py:4", "@schedule(timezone='Europe/Zurich')"),
        ("wrong_flow.py:17: step 'left'", "@kubernetes(disk=20000)"),
        ("wrong_flow.py:22: step 'right'", "@resources(disk=5)"),
        ("wrong_flow.py:17: step 'left'", "@kubernetes(service_account='somebody')"),
        ("wrong_flow.py:17: step 'left'", "image_pull_policy='Sometimes'"),
        ("wrong_flow.py:4", "parameter 'pair' with nargs="),
        ("wrong_flow.py:4", "IncludeFile 'document': 'nowhere.txt' cannot be read"),
    ]
    assert len(said) == len(places), said
    for line, (place, what) in zip(said, places, strict=True):
        assert line.startswith(f"{place}: ") and what in line, line


def test_a_local_datastore_is_refused_in_one_sentence(flow: Path) -> None:
    # Metaflow says so when it makes this folder, and looks for one in every folder above.
    (flow.parent / ".metaflow").mkdir()
    (said,) = refusal(
        command(flow, "kubeflow-pipelines", "create", "--only-json", settings={"METAFLOW_DEFAULT_DATASTORE": "local"})
    )
    assert (
        said
        == "tested_flow.py:4: flow 'TestedFlow': --datastore local is refused: pods cannot read it. Use --datastore s3."
    )


def test_metaflows_own_checks_end_with_two_as_well(flow: Path) -> None:
    flow.write_text(FLOW.replace("self.next(self.end)", "pass"))
    (said,) = refusal(command(flow, "kubeflow-pipelines", "create", "--only-json"))
    assert said == (
        "tested_flow.py:7: Step start is missing a self.next() transition to the next step. "
        "Add a self.next() as the last line in the function."
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "no URL is known. Set METAFLOW_KUBEFLOW_PIPELINES_URL or give --url."),
        ("http://127.0.0.1:9", "Kubeflow Pipelines at http://127.0.0.1:9: cannot be reached"),
    ],
    ids=["none", "unreachable"],
)
def test_create_names_a_server_that_cannot_be_asked(flow: Path, url: str | None, words: str) -> None:
    (said,) = refusal(command(flow, "kubeflow-pipelines", "create", settings={"METAFLOW_KUBEFLOW_PIPELINES_URL": url}))
    assert words in said


def test_create_names_a_server_that_is_not_kubeflow(flow: Path, kubeflow: Kubeflow) -> None:
    kubeflow.health = {"status": "something else"}
    (said,) = refusal(command(flow, "kubeflow-pipelines", "--url", kubeflow.url, "create"))
    assert said.startswith(f"{kubeflow.url}: something answers there, but it is not Kubeflow Pipelines.")


def test_a_name_that_is_too_long_is_refused(flow: Path) -> None:
    (said,) = refusal(command(flow, "kubeflow-pipelines", "--name", "x" * 46, "status", "kfp-1"))
    assert "has 46 characters, 45 is the most" in said


def test_metaflow_kubeflow_beside_us_stops_every_command(flow: Path) -> None:
    installed = flow.parent / "metaflow_kubeflow-0.0.4.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: metaflow-kubeflow\nVersion: 0.0.4\n")
    (said,) = refusal(command(flow, "kubeflow-pipelines", "list"))
    assert said.startswith("metaflow-kubeflow: is installed beside this extension")
