"""All that @kubernetes can ask of a pod, in two steps that share a volume and read what they were given."""

import os

from metaflow import FlowSpec, kubernetes, step

KEPT = "/kept/word"


class AskedFlow(FlowSpec):
    """Each step keeps what its pod shows it of what was asked."""

    @kubernetes(
        labels={"team": "blue"},
        annotations={"note": "asked for"},
        tolerations=[{"key": "pond", "operator": "Exists", "effect": "NoSchedule"}],
        node_selector={"kubernetes.io/os": "linux"},
        image_pull_policy="IfNotPresent",
        image_pull_secrets=["asked-registry"],
        service_account="asked-steps",
        secrets=["asked-words"],
        persistent_volume_claims={"asked-folder": "/kept"},
        use_tmpfs=True,
        tmpfs_size=16,
        tmpfs_path="/scratch",
        shared_memory=32,
        qos="Guaranteed",
        cpu=0.25,
        memory=400,
        extended_resources={"example.com/fish": 1},
    )
    @step
    def start(self):
        with open(KEPT, "w") as file:
            file.write(os.environ["WORD"])
        with open(os.path.join(os.environ["METAFLOW_TEMPDIR"], "scratch"), "w") as file:
            file.write("in memory")
        self.in_memory = [path for path in ("/scratch", "/dev/shm") if f" {path} tmpfs " in open("/proc/mounts").read()]
        self.next(self.end)

    @kubernetes(
        service_account="asked-steps",
        persistent_volume_claims={"asked-folder": "/kept"},
        compute_pool="pond",
        gpu=1,
        cpu=0.25,
        memory=400,
    )
    @step
    def end(self):
        with open(KEPT) as file:
            self.kept = file.read()
        self.has_word = "WORD" in os.environ


if __name__ == "__main__":
    AskedFlow()
