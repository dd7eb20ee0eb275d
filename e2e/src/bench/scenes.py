"""What is run, and how."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import bare, runs
from bench.runs import Measured
from bench.table import Row
from cluster import kubectl
from cluster.settings import Settings
from installer import demo
from laptop.shell import Laptop

FLOWS = Path(__file__).parent / "flows"
CHAIN, NESTED, WIDE = (FLOWS / f"{name}_flow.py" for name in ("chain", "nested", "wide"))
CHAIN_LENGTH = 6
NESTED_TASKS = 17

# metaflow-kubeflow has three pods for a task in a foreach and two for another, one for each loop and one for the run.
RIVAL_PODS = 46

# A step of the bench asks for what a bare step does, so that many fit on one small node.
SMALL = "kubernetes:cpu=0.1,memory=256"


class Cluster:
    """The cluster under test, the laptop beside it, and the image of its steps."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.laptop = Laptop(settings.client)
        self.kubectl = kubectl.Kubectl.of(settings, kubectl.program(settings))
        self.image = demo.image(settings)

    def flow(
        self, name: str, file: Path, tasks: int, *words: str, parameters: Sequence[str] = (), within: float
    ) -> Row:
        """Deploy the flow with these options of `create`, and run it."""
        self.laptop.deploy(file, *words, options=["--quiet", "--with", f"{SMALL},image={self.image}"])
        run = self.laptop.trigger(file, *parameters).removeprefix("kfp-")
        return self._measured(name, run, tasks, within)

    def bare(self, length: int, *, within: float) -> Row:
        """Run the yardstick."""
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")  # The SDK warns of itself.
            import kfp

            file = Path(folder, "bare.yaml")
            file.write_text(bare.chain(length, self.image))
            config = json.loads((self.settings.client / "config.json").read_text())
            client: Any = kfp.Client(host=config["METAFLOW_KUBEFLOW_PIPELINES_URL"])
            run = client.create_run_from_pipeline_package(str(file), enable_caching=False).run_id
        return self._measured(f"bare chain of {length}", run, length, within)

    def _measured(self, name: str, run: str, tasks: int, within: float) -> Row:
        def say(line: str) -> None:
            print(f"  {name}: {line}", file=sys.stderr, flush=True)

        found: Measured = runs.watch(self.kubectl, self.settings.kubeflow_namespace, run, within=within, say=say)
        return Row(name, tasks, found.seconds, found.pods, found.workflow_bytes)


def bridge(cluster: Cluster) -> list[Row]:
    """A step of Metaflow's beside a bare one, and a nested foreach; the first run of each image warms the node up."""
    cluster.bare(1, within=600)
    return [
        cluster.bare(CHAIN_LENGTH, within=600),
        cluster.flow("chain, a pod for each step", CHAIN, CHAIN_LENGTH, "--no-fuse", within=600),
        cluster.flow("chain, fused", CHAIN, CHAIN_LENGTH, within=600),
        Row("nested, as metaflow-kubeflow (computed)", NESTED_TASKS, 0.0, RIVAL_PODS, 0),
        cluster.flow("nested, not fused", NESTED, NESTED_TASKS, "--no-fuse", within=900),
        cluster.flow("nested, with defaults", NESTED, NESTED_TASKS, within=900),
        cluster.flow(
            "nested, --max-workers 1 --no-batch", NESTED, NESTED_TASKS, "--max-workers", "1", "--no-batch", within=900
        ),
        cluster.flow("nested, --max-workers 1", NESTED, NESTED_TASKS, "--max-workers", "1", within=900),
    ]


def width(cluster: Cluster, splits: int) -> list[Row]:
    """One wide foreach, batched for the few workers that one node can have."""
    words = ("--max-workers", "8")
    parameters = ("--width", str(splits))
    return [cluster.flow(f"foreach of {splits}", WIDE, splits + 3, *words, parameters=parameters, within=3600)]
