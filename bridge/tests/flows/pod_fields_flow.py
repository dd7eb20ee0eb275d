"""What a pod is asked to be: labels, tolerations, folders in memory, limits, an interpreter. Any cluster can do it."""

import os
import sys

from metaflow import FlowSpec, current, kubernetes, step


def in_pods(**fields):
    """@kubernetes, but for `run`: that would start Kubernetes jobs of Metaflow's own for it, and not run here."""
    return (lambda step: step) if "run" in sys.argv else kubernetes(**fields)


class PodFieldsFlow(FlowSpec):
    """Writes into the folders that it is given."""

    @in_pods(
        labels={"team": "blue"},
        annotations={"note": "pod fields"},
        tolerations=[{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        node_selector={"kubernetes.io/os": "linux"},
        image_pull_policy="IfNotPresent",
        use_tmpfs=True,
        tmpfs_size=16,
        tmpfs_path="/tmp/scratch",
        shared_memory=32,
        qos="Guaranteed",
        cpu=0.25,
        memory=400,
    )
    @step
    def start(self):
        folder = os.environ.get("METAFLOW_TEMPDIR", "/tmp")
        with open(os.path.join(folder, "kept"), "w") as file:
            file.write("in memory")
        with open(os.path.join(folder, "kept")) as file:
            self.kept = file.read()
        self.attempt = current.retry_count
        self.next(self.end)

    @in_pods(executable="python3 -X utf8", cpu=0.25, memory=400)
    @step
    def end(self):
        self.result = f"{self.kept}, attempt {self.attempt}"
        self.version = sys.version_info[0]


if __name__ == "__main__":
    PodFieldsFlow()
