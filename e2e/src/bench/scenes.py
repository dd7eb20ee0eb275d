"""What is run, and how."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import bare, runs
from bench.table import Row
from cluster import kubectl
from cluster.errors import Refused
from cluster.settings import Settings
from installer import demo
from laptop.shell import Laptop

FLOWS = Path(__file__).parent / "flows"
CHAIN, NESTED, WIDE = (FLOWS / f"{name}_flow.py" for name in ("chain", "nested", "wide"))
CHAIN_LENGTH = 6
ROUNDS = 3
NESTED_TASKS = 17

# What metaflow-kubeflow 0.0.4's scheme would start: two pods for each task, and a driver for the run, for each of the 3
# loops, and for each of their 8 items.
RIVAL_PODS = 2 * NESTED_TASKS + 1 + 3 + 8

# A step of the bench asks for what a bare step does, so that many fit on one small node.
SMALL = "kubernetes:cpu=0.1,memory=256"


@dataclass(frozen=True)
class Cluster:
    """The cluster under test, the laptop beside it, and the image of its steps."""

    laptop: Laptop
    kubectl: kubectl.Kubectl
    namespace: str
    image: str

    @classmethod
    def of(cls, settings: Settings) -> Cluster:
        """The cluster that `make install` has left. Refused where there is none."""
        if not settings.images.exists():
            raise Refused(f"{settings.images}: not there yet. Run `{settings.make('install')}` first.")
        program = kubectl.Kubectl.of(settings, kubectl.program(settings))
        return cls(Laptop(settings.client), program, settings.kubeflow_namespace, demo.image(settings))

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
            config = json.loads((self.laptop.client / "config.json").read_text())
            client: Any = kfp.Client(host=config["METAFLOW_KUBEFLOW_PIPELINES_URL"])
            run = client.create_run_from_pipeline_package(str(file), enable_caching=False).run_id
        return self._measured(f"bare chain of {length}", run, length, within)

    def _measured(self, name: str, run: str, tasks: int, within: float) -> Row:
        def say(line: str) -> None:
            print(f"  {name}: {line}", file=sys.stderr, flush=True)

        found = runs.watch(self.kubectl, self.namespace, run, within=within, say=say)
        return Row(name, tasks, found.pods, found.seconds, found.workflow_bytes)


def chains(cluster: Cluster) -> list[list[Row]]:
    """Rounds of bare steps one after the other, as many of Metaflow's, and these in one pod; a first run warms the node
    up. One round would not do: from one bare chain to the next, Kubeflow Pipelines and Argo alone differ by seconds.
    """
    cluster.bare(1, within=600)
    return [
        [
            cluster.bare(CHAIN_LENGTH, within=600),
            cluster.flow("chain, a pod for each step", CHAIN, CHAIN_LENGTH, "--no-fuse", within=600),
            cluster.flow("chain, as it is", CHAIN, CHAIN_LENGTH, within=600),
        ]
        for _ in range(ROUNDS)
    ]


def nested(cluster: Cluster) -> list[Row]:
    """A foreach over a foreach: as it is, and with more and less in a pod."""
    found = [Row("nested, as metaflow-kubeflow (computed)", NESTED_TASKS, RIVAL_PODS)]
    for words in (
        ("--no-fuse",),
        (),
        ("--splits-per-pod", "3"),
        ("--max-workers", "1", "--splits-per-pod", "1"),
        ("--max-workers", "1"),
    ):
        name = f"nested, {' '.join(words) or 'as it is'}"
        found.append(cluster.flow(name, NESTED, NESTED_TASKS, *words, within=900))
    return found


def width(cluster: Cluster, splits: int) -> list[Row]:
    """One wide foreach, batched for the few workers that one node can have."""
    words = ("--max-workers", "8")
    parameters = ("--width", str(splits))
    return [cluster.flow(f"foreach of {splits}", WIDE, splits + 3, *words, parameters=parameters, within=3600)]
