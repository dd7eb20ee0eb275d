"""kind clusters, on Docker with published images or on podman with images made from packages."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster import command, debian, node_image, ownership, programs
from cluster.errors import Failed, Refused
from cluster.kubectl import Kubectl
from cluster.providers.nodes import Nodes
from cluster.providers.provider import Health
from cluster.settings import Settings
from cluster.steps import Say, Step
from image_builder import golang

# What the node's container shows on 127.0.0.1: the node port of each service, and the name of our port.
NODE_PORTS = {"metadata_service": 30080, "object_store": 30900, "kubeflow_pipelines": 30888, "ui": 30083}
# A node that is started again is waited for as long as it goes on starting things, and in all for this many seconds.
_COMES_BACK_WITHIN = 1200
_NOTHING_NEW_FOR = 180
# A node that may hold something is asked this often before it counts as silent.
_ASKED = 3
# Programs on this machine that podman, kind and the builds start, by the Debian package that brings each.
_MACHINE = {
    "podman": "/usr/bin/podman",
    "netavark": "/usr/lib/podman/netavark",
    "aardvark-dns": "/usr/lib/podman/aardvark-dns",
    "catatonit": "/usr/bin/catatonit",
    "runc": "/usr/sbin/runc",
    "conmon": "/usr/bin/conmon",
    "iptables": "/usr/sbin/iptables",
    "mmdebstrap": "/usr/bin/mmdebstrap",
    "gcc": "/usr/bin/gcc",
    "libc6-dev": "/usr/include/stdio.h",
}


@dataclass(frozen=True)
class Kind:
    """One kind cluster of one node."""

    settings: Settings
    nodes: Nodes

    @property
    def name(self) -> str:
        return f"kind-{self.nodes.engine}"

    @property
    def from_packages(self) -> bool:
        return self.nodes.engine == "podman"

    def problems(self) -> list[str]:
        found = []
        silent = (
            not self.from_packages and command.try_run(["docker", "info"], environment=self.nodes.environment) is None
        )
        if silent:
            found.append("docker: the engine does not answer. Start Docker, or set PROVIDER=kind-podman.")
        if self.from_packages and (os.geteuid() != 0 or not debian.is_debian()):
            found.append(
                "PROVIDER: kind-podman needs root on Debian. Start a Docker engine, or run this as root there."
            )
        if shutil.which("go") is None and not (self._on_path("kind") and self._on_path("kubectl")):
            found.append("go: not on PATH, and it builds what this machine lacks. Install Go 1.25 or newer.")
        if not silent and self._is_foreign():
            found.append(self._foreign())
        return found

    def health(self) -> Health:
        if not self.nodes.exists():
            return Health.ABSENT
        if self._is_foreign():
            return Health.FOREIGN
        if not self.nodes.processes():
            return Health.STOPPED
        return Health.READY if self._kubectl().answers() else Health.BROKEN

    def steps(self) -> Sequence[Step]:
        machine = Step("machine", self._machine_is_ready, self._prepare_machine)
        tools = Step("programs", lambda: self._built(), self._build)
        node = Step("node-image", self._node_image_is_there, self._make_node_image)
        cluster = Step("cluster", lambda: self._made.exists() and self.health() is Health.READY, self._make_cluster)
        answers = Step("answers", self._is_settled, self._settle)
        return [machine, tools, node, cluster, answers] if self.from_packages else [tools, cluster, answers]

    def kubectl(self) -> Path:
        found = self._on_path("kubectl")
        return found if found and not self.from_packages else self._tool("kubectl")

    def processes(self) -> list[int]:
        """The processes that hold the cluster, for drills that kill them."""
        return self.nodes.processes()

    def down(self, say: Say) -> None:
        if self.from_packages and not Path(_MACHINE["podman"]).exists():
            return
        if self._is_foreign():
            raise Refused(self._foreign())
        if self.nodes.exists():
            say(f"removing the kind cluster {self.settings.cluster}")
        self.nodes.remove()

    # Whose it is.

    def _is_foreign(self) -> bool:
        """Whether a node of this name is there that we did not make."""
        state = self.settings.state
        if not self.nodes.exists() or ownership.is_older(state):
            return False
        return ownership.mount_point(state) not in self.nodes.mounts()

    def _foreign(self) -> str:
        name, engine = self.settings.cluster, self.nodes.engine
        return ownership.foreign(
            f"kind cluster on {engine}", name, self.settings.state, f"kind delete cluster --name {name}"
        )

    # The machine and the programs.

    def _machine_is_ready(self) -> bool:
        return all(Path(path).exists() for path in _MACHINE.values()) and Path("/lib/modules").is_dir()

    def _prepare_machine(self, say: Say) -> None:
        debian.install(_MACHINE, log=self.settings.logs / "machine.log", say=say)
        # kind mounts it into the node, also where the kernel has no modules.
        Path("/lib/modules").mkdir(exist_ok=True)

    def _tool(self, name: str) -> Path:
        wanted = programs.KIND if name == "kind" else programs.kubectl()
        return golang.path_of(wanted, cache=self.settings.cache)

    def _on_path(self, name: str) -> Path | None:
        found = shutil.which(name)
        return Path(found) if found else None

    def _kind(self) -> Path:
        found = self._on_path("kind")
        return found if found and not self.from_packages else self._tool("kind")

    def _built(self) -> bool:
        return self._kind().exists() and self.kubectl().exists()

    def _build(self, say: Say) -> None:
        wanted = [] if self._kind().exists() else [programs.KIND]
        if self.from_packages:
            wanted += programs.kubernetes()
        elif not self.kubectl().exists():
            wanted.append(programs.kubectl())
        golang.build(wanted, cache=self.settings.cache, say=say)

    def _node_image_is_there(self) -> bool:
        """A node that exists has its image, also when it stands still."""
        return self.nodes.exists()

    def _make_node_image(self, say: Say) -> None:
        """Its names are written down, so that the next step can be run by itself."""
        image = node_image.build(self.settings.cache, self.settings.logs, say)
        self.settings.state.mkdir(parents=True, exist_ok=True)
        self._image_file.write_text(json.dumps({"reference": image.reference, "images": str(image.control_plane)}))

    @property
    def _image_file(self) -> Path:
        return self.settings.state / "node-image.json"

    def _node_image(self) -> dict[str, str]:
        if not self._image_file.exists():
            raise Failed("The node image is not made yet. Run the step node-image first.")
        found: dict[str, str] = json.loads(self._image_file.read_text())
        return found

    # The cluster.

    def _make_cluster(self, say: Say) -> None:
        if self._is_foreign():
            raise Refused(self._foreign())
        if self.nodes.exists():
            if self._comes_back(say):
                return
            self._say_what_is_lost(say)
            self.nodes.remove()
            if self.from_packages:
                self._make_node_image(say)
        self._made.unlink(missing_ok=True)
        ownership.claim(self.settings.state, ownership.Record(self.name, self.settings.ports.base))
        config = self.settings.state / "kind.yaml"
        config.write_text(yaml.safe_dump(self._config(), sort_keys=False))
        image = ["--image", self._node_image()["reference"]] if self.from_packages else []
        argv = [
            str(self._kind()), "create", "cluster", "--name", self.settings.cluster, "--config", str(config),
            "--kubeconfig", str(self.settings.kubeconfig), "--wait", "180s", *image,
        ]  # fmt: skip
        log = self.settings.logs / "kind.log"
        self._forget_kubeconfig()
        say("kind makes the node and starts Kubernetes in it")
        command.run(argv, log=log, environment=self.nodes.environment, timeout=900)
        self._made.touch()

    @property
    def _made(self) -> Path:
        """Written when the cluster was complete for the first time: one without it is half made and holds nothing."""
        return self.settings.state / "made"

    def _comes_back(self, say: Say) -> bool:
        """Whether a cluster that is there can be had again with its data, if it was ever complete.

        Raises Failed where its node runs and does not say how it is reached: that is no reason to lose what it holds.
        """
        if self.nodes.processes() and self._export_kubeconfig(say) and self._answers_within(20):
            return self._is_complete()
        if not self._made.exists():
            return False
        say("the cluster stands still; starting its node again with the data it has")
        try:
            self.nodes.start_again()
        except command.CommandFailed as reason:
            say(f"the node does not start: {reason}")
            return False
        if self._export_kubeconfig(say):
            return self._answers_in_the_end(say)
        if self.nodes.processes():
            raise Failed(
                "The cluster's node runs, but kind does not say how it is reached, so it is left as it is. "
                f"Look at {self.settings.logs / 'kind.log'}."
            )
        return False

    def _is_complete(self) -> bool:
        """Whether kind came to its end, ever: the storage class is the last thing that it makes.

        What was complete once and answers is kept, whatever became of that class, and what has a volume holds data. Of
        the rest no silence is taken for a no. Raises Failed where there is no answer.
        """
        if self._made.exists():
            return True
        for attempt in range(_ASKED):
            time.sleep(command.PAUSE * attempt)
            if (found := self._kubectl().ask("get", "storageclass,persistentvolume", "--output=name")) is not None:
                break
        else:
            raise Failed("The cluster answers, but does not say whether it is complete, so it is left as it is.")
        names = found.split()
        if "storageclass.storage.k8s.io/standard" not in names and not any(
            name.startswith("persistentvolume/") for name in names
        ):
            return False
        self._made.touch()
        return True

    def _say_what_is_lost(self, say: Say) -> None:
        if self._made.exists():
            say("the cluster does not come back: what its PostgreSQL and MinIO held is lost; a new one is made")
        else:
            say("a half-made cluster is removed; anything it held is lost")

    def _answers_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self._kubectl().answers(timeout=5):
            if time.monotonic() >= deadline:
                return False
            time.sleep(1)
        return True

    def _answers_in_the_end(self, say: Say) -> bool:
        """Wait for a node that was started again. Its data is lost with it, so it is given up only when it dies or
        when for long nothing began to run in it that was not seen before.
        """
        began = moved = time.monotonic()
        seen: set[str] = set()
        while not self._kubectl().answers(timeout=5):
            now, tasks = time.monotonic(), self.nodes.tasks()
            if tasks - seen:
                seen |= tasks
                moved = now
                say(f"{len(tasks)} containers run in the node; the API server does not answer yet")
            if now - moved >= _NOTHING_NEW_FOR or now - began >= _COMES_BACK_WITHIN or not self.nodes.processes():
                return False
            time.sleep(1)
        return True

    def _export_kubeconfig(self, say: Say) -> bool:
        """Take the kubeconfig from the living node: the one that lies here may be of an earlier cluster."""
        self._forget_kubeconfig()
        argv = [str(self._kind()), "export", "kubeconfig", "--name", self.settings.cluster]
        argv += ["--kubeconfig", str(self.settings.kubeconfig)]
        log = self.settings.logs / "kind.log"
        try:
            command.run(argv, log=log, environment=self.nodes.environment, attempts=_ASKED)
        except command.CommandFailed as reason:
            say(f"the node does not say how it is reached: {reason}")
            return False
        return True

    def _forget_kubeconfig(self) -> None:
        """kind reads the file that it writes, and waits for its lock: neither may be left by one that was ended."""
        for file in (self.settings.kubeconfig, self.settings.kubeconfig.with_name("kubeconfig.lock")):
            file.unlink(missing_ok=True)

    def _config(self) -> dict[str, Any]:
        ports = self.settings.ports
        mappings = [
            {"containerPort": inside, "hostPort": getattr(ports, name), "listenAddress": "127.0.0.1"}
            for name, inside in NODE_PORTS.items()
        ]
        networking: dict[str, Any] = {"apiServerAddress": "127.0.0.1", "apiServerPort": ports.kubernetes}
        # Nothing is read there; that it is mounted tells that the node is ours.
        mark = {"hostPath": "/dev/null", "containerPath": ownership.mount_point(self.settings.state), "readOnly": True}
        node: dict[str, Any] = {"role": "control-plane", "extraPortMappings": mappings, "extraMounts": [mark]}
        if self.from_packages:
            networking |= {"disableDefaultCNI": True, "kubeProxyMode": "iptables", "serviceSubnet": node_image.SERVICES}
            # The control plane asks for half of two cores by itself; steps need some of that more.
            patches = {"kind": "InitConfiguration", "patches": {"directory": node_image.PATCHES_IN_NODE}}
            # There is one of each. Where the processor is busy they would lose their leases, and end.
            control: dict[str, Any] = {"kind": "ClusterConfiguration"}
            control |= {each: {"extraArgs": {"leader-elect": "false"}} for each in ("controllerManager", "scheduler")}
            images = {"hostPath": self._node_image()["images"], "containerPath": node_image.IMAGES_IN_NODE}
            node["extraMounts"].append(images | {"readOnly": True})
            node["kubeadmConfigPatches"] = [yaml.safe_dump(patches), yaml.safe_dump(control)]
        return {
            "kind": "Cluster",
            "apiVersion": "kind.x-k8s.io/v1alpha4",
            "networking": networking,
            "nodes": [node],
        }

    # After the start.

    def _kubectl(self) -> Kubectl:
        return Kubectl.of(self.settings, self.kubectl())

    def _is_settled(self) -> bool:
        ready = self._kubectl().ask(
            "get", "deployments", "--namespace=kube-system", "--output=jsonpath={.items[*].status.readyReplicas}"
        )
        return ready == "1" and self._kubectl().ask("get", "storageclass", "standard") is not None

    def _settle(self, say: Say) -> None:
        kubectl = self._kubectl()
        if not self._answers_within(60):
            raise Failed(f"The API server does not answer. Look at {self.settings.logs / 'kind.log'}.")
        say("waiting for DNS and storage")
        kubectl.run("scale", "deployment/coredns", "--namespace=kube-system", "--replicas=1")
        for deployment, namespace in (("coredns", "kube-system"), ("local-path-provisioner", "local-path-storage")):
            kubectl.run("rollout", "status", f"deployment/{deployment}", f"--namespace={namespace}", "--timeout=120s")
