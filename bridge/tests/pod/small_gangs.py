"""The cluster that a gang's driver asks for pods, in small: every pod of a gang is a process of this machine, with the
command and the variables that its pod has.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.tests.lib.kubernetes import INDEX, Kubernetes, serving

NAMESPACE = "runs"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


@dataclass
class Gangs:
    """`usual` are the variables that every process has beside those of its pod, `flows` the folder that it runs in."""

    kubernetes: Kubernetes
    usual: Mapping[str, str]
    flows: Path
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _waiting: list[threading.Thread] = field(default_factory=list)

    def driver(self, name: str, argv: list[str], variables: Mapping[str, str]) -> dict[str, str]:
        """Let there be the driver's pod; gives the variables that its process has beside those given."""
        container = {"name": "main", "image": "image", "env": [{"name": k, "value": v} for k, v in variables.items()]}
        metadata = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}"}
        pod = {"metadata": metadata, "spec": {"containers": [container]}, "status": {"phase": "Running"}}
        self.kubernetes.put(f"{_PODS}/{name}", pod)
        return {**self._of_the_cluster(), "TRIBUTARY_COMMAND": json.dumps(argv)}

    def start(self, pod: dict[str, Any]) -> None:
        """The process of a gang's pod."""
        (container,) = pod["spec"]["containers"]
        name, index = pod["metadata"]["name"], pod["metadata"]["annotations"][INDEX]
        given = {each["name"]: each["value"] for each in container["env"]}
        gang = json.loads(given["TRIBUTARY_GANG"])
        # There is no DNS here that knows the Service.
        assert gang["main"].endswith(f".{pod['spec']['subdomain']}")
        given["TRIBUTARY_GANG"] = json.dumps({**gang, "main": "localhost"})
        self.processes[name] = process = subprocess.Popen(
            [word.replace("$$(", "$(") for word in container["command"]],
            cwd=self.flows,
            env={**self.usual, **given, **self._of_the_cluster(), "TRIBUTARY_POD": name, "JOB_COMPLETION_INDEX": index},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.kubernetes.report(int(index), "Running", {"running": {}})
        waits = threading.Thread(target=self._wait, args=(process, int(index), name))
        self._waiting.append(waits)
        waits.start()

    def stop(self, path: str) -> None:
        """What the kubelet does with a pod that is deleted."""
        process = self.processes.get(path.rsplit("/", 1)[-1])
        if process is not None and process.poll() is None:
            process.terminate()

    def end(self) -> None:
        """Wait for all processes; none may be left by a driver that has ended."""
        for waits in self._waiting:
            waits.join(60)
        left = [name for name, process in self.processes.items() if process.poll() is None]
        for name in left:
            os.kill(self.processes[name].pid, signal.SIGKILL)
        assert not left, f"still running: {left}"

    def _wait(self, process: subprocess.Popen[str], index: int, name: str) -> None:
        _out, err = process.communicate()
        last = err.strip().splitlines()[-1] if err.strip() else ""
        state = {"exitCode": process.returncode, "reason": "Error" if process.returncode else "Completed"}
        with self.kubernetes.changed:
            if name in {pod["metadata"]["name"] for pod in self.kubernetes.pods().values()}:
                phase = "Failed" if process.returncode else "Succeeded"
                self.kubernetes.report(index, phase, {"terminated": {**state, "message": last}})

    def _of_the_cluster(self) -> dict[str, str]:
        return {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.kubernetes.port),
            "SMALL_ACCOUNT": str(self.kubernetes.folder),
            "TRIBUTARY_NAMESPACE": NAMESPACE,
        }


@contextmanager
def gangs(folder: Path, usual: Mapping[str, str], flows: Path) -> Iterator[Gangs]:
    """A cluster for gangs; its API is real HTTPS."""
    folder.mkdir()
    with serving(Kubernetes(folder)) as kubernetes:
        cluster = Gangs(kubernetes, usual, flows)
        kubernetes.on_pod, kubernetes.on_delete = cluster.start, cluster.stop
        yield cluster
        cluster.end()
