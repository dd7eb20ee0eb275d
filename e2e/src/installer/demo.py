"""The demo: scikit-learn's digits on Kubeflow Pipelines, found again when this very code has already run."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from cluster.settings import Settings
from laptop.eventually import NotYet, eventually
from laptop.shell import Laptop

FLOW_FILE = Path(__file__).parents[3] / "bridge" / "tests" / "flows" / "digits_flow.py"
FLOW_NAME = "DigitsFlow"
ENDS_WITHIN = 900.0

_LOOK = """
import json, sys
from metaflow import Flow, namespace
from metaflow.exception import MetaflowNotFound
namespace(None)
try:
    runs = [run for run in Flow(sys.argv[1]).runs(sys.argv[2])]
except MetaflowNotFound:
    runs = []
print(json.dumps([
    {"run_id": run.id, "finished": run.finished, "successful": run.successful,
     "tasks": {step.id: len(list(step)) for step in run},
     "report": run.data.report if run.successful else ""}
    for run in runs]))
"""


class DemoFailed(Exception):
    """The demo's run did not succeed; the message says what to look at."""


@dataclass(frozen=True)
class DemoRun:
    """A successful run of the demo as both sides see it."""

    run_id: str
    state: str
    tasks: dict[str, int]
    report: str


def image(settings: Settings) -> str:
    """The demo's image, as the install wrote it down in images.yaml."""
    found = yaml.safe_load((settings.images).read_text())["taskDemo"]["image"]
    return f"{found['repository']}:{found['tag']}"


def code_tag(settings: Settings) -> str:
    """The tag of this code's runs: a hash of the flow's file and of its image's name."""
    digest = hashlib.sha256(FLOW_FILE.read_bytes() + image(settings).encode()).hexdigest()
    return f"demo:{digest[:12]}"


def find(laptop: Laptop, tag: str) -> DemoRun | None:
    """The newest run with this tag that is successful in the metadata service and SUCCEEDED in Kubeflow."""
    done = laptop.call([laptop.python, "-c", _LOOK, FLOW_NAME, tag], within=120)
    for run in json.loads(done.out):
        if run["successful"] and (state := _state(laptop, run["run_id"])) == "SUCCEEDED":
            return DemoRun(run["run_id"], state, run["tasks"], run["report"])
    return None


def run(settings: Settings, laptop: Laptop, tag: str) -> DemoRun:
    """Deploy the demo, trigger it, and wait for its end with progress on the screen. Raises DemoFailed."""
    deployed = laptop.deploy(FLOW_FILE, "--tag", tag, options=["--with", f"kubernetes:image={image(settings)}"])
    print(deployed.out.strip() or deployed.err.strip(), flush=True)
    run_id = laptop.trigger(FLOW_FILE)
    print(f"Triggered {run_id}; waiting for its end.", flush=True)
    said = ""

    def not_ended() -> str | None:
        nonlocal said
        state = _state(laptop, run_id)
        if state != said:
            print(f"  {run_id} is {state}", flush=True)
            said = state
        return None if state in ("SUCCEEDED", "FAILED", "CANCELED") else f"{run_id} is {state}"

    try:
        eventually(not_ended, within=ENDS_WITHIN, every=3)
    except NotYet as late:
        raise DemoFailed(f"demo: {late}. {_hint(run_id)}") from late
    if said == "SUCCEEDED" and (found := find(laptop, tag)) and found.run_id == run_id:
        return found
    raise DemoFailed(f"demo: {run_id} ended {said} and is not successful in the metadata service. {_hint(run_id)}")


def show(settings: Settings, found: DemoRun, *, again: bool) -> str:
    """The lines that `make install` ends with: what ran, and what to run and open next."""
    config = json.loads((settings.client / "config.json").read_text())
    file = FLOW_FILE.relative_to(FLOW_FILE.parents[3])
    python = os.path.relpath(sys.executable, FLOW_FILE.parents[3])
    counts = ", ".join(f"{step} {count}" for step, count in found.tasks.items())
    return "\n".join(
        [
            "",
            f"The demo has {'already run with this code' if again else 'run'}: {FLOW_NAME}/{found.run_id}",
            f"  Kubeflow Pipelines says {found.state}, the metadata service says successful; tasks: {counts}",
            f"  {found.report}",
            "",
            "Configure this shell, then use Metaflow as always:",
            f'  eval "$({settings.make("env")})"',
            f"  {python} {file} run                                   # here",
            f"  {python} {file} --with kubernetes:image={image(settings)} kubeflow-pipelines create",
            f"  {python} {file} kubeflow-pipelines trigger            # on Kubeflow",
            f"  {python} {file} kubeflow-pipelines status {found.run_id}",
            f"  {python} {file} card view {found.run_id}/choose       # the card with the plot",
            "",
            "Addresses:",
            f"  metadata service     {config['METAFLOW_SERVICE_URL']}",
            f"  object store         {config['METAFLOW_S3_ENDPOINT_URL']}",
            f"  Kubeflow Pipelines   {config['METAFLOW_KUBEFLOW_PIPELINES_URL']}",
            *_of_the_ui(config.get("METAFLOW_UI_URL"), found),
        ]
    )


def _of_the_ui(url: str | None, found: DemoRun) -> list[str]:
    """What to open in a browser, where there is a UI."""
    if not url:
        return []
    return [f"  UI                   {url}", "", f"Look at this run: {url}/{FLOW_NAME}/{found.run_id}"]


def _state(laptop: Laptop, run_id: str) -> str:
    """The state of a run in Kubeflow Pipelines, as the bridge's own status says it."""
    done = laptop.flow(FLOW_FILE, "kubeflow-pipelines", "status", run_id, "--json", expect=None)
    if done.code:
        return "UNKNOWN"
    state: str = json.loads(done.out[done.out.index("{") :])["state"]
    return state


def _hint(run_id: str) -> str:
    return f"Look at `python {FLOW_FILE.name} kubeflow-pipelines status {run_id}`."
