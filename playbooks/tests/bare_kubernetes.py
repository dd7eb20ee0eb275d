"""A real Kubernetes API server on etcd with nothing behind it: no nodes, no controllers, ready in seconds."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

from playbooks.module_utils.kube_api import KubeApi, connect
from playbooks.module_utils.kube_login import Refusal
from playbooks.tests.fake_kubernetes import kubeconfig

CONTEXT = "bare"
TOKEN = "a-token-of-the-bare-server"
# Of a user who may do nothing until a test lets them.
GUEST, GUEST_TOKEN = "guest", "a-token-of-a-guest"
Object = dict[str, Any]
VERSIONS = {"Role": "rbac.authorization.k8s.io/v1", "StorageClass": "storage.k8s.io/v1", "Deployment": "apps/v1"}


class Died(RuntimeError):
    """A process ended before it was ready; the message is the end of its log."""


class BareKubernetes:
    """The server, the kubeconfig that leads to it as administrator, and ways to set and look at objects."""

    context = CONTEXT

    def __init__(self, folder: Path, etcd: str, server: str) -> None:
        self.folder = folder
        self.kubeconfig = str(folder / "kubeconfig")
        self._programs = etcd, server
        self._key = folder / "service-accounts.key"
        (folder / "tokens.csv").write_text(f"{TOKEN},admin,1,system:masters\n{GUEST_TOKEN},{GUEST},2\n")
        subprocess.run(["openssl", "genrsa", "-out", str(self._key), "2048"], check=True, capture_output=True)

    def _commands(self) -> list[list[str]]:
        """How both are started on ports that are free now, where the kubeconfig then leads."""
        etcd, server = self._programs
        client, peer, port = _free_ports(3)
        certificates = self.folder / "certificates"
        authority = {"certificate-authority": str(certificates / "apiserver.crt")}
        config = kubeconfig(f"https://127.0.0.1:{port}", CONTEXT, TOKEN, **authority)
        Path(self.kubeconfig).write_text(yaml.safe_dump(config))
        keeper = f"http://127.0.0.1:{client}"
        return [
            [
                *(etcd, "--data-dir", str(self.folder / f"etcd-{client}"), "--unsafe-no-fsync"),
                *("--listen-client-urls", keeper, "--advertise-client-urls", keeper),
                *("--listen-peer-urls", f"http://127.0.0.1:{peer}"),
            ],
            [
                *(server, "--etcd-servers", keeper, "--bind-address", "127.0.0.1", "--secure-port", str(port)),
                *("--cert-dir", str(certificates), "--token-auth-file", str(self.folder / "tokens.csv")),
                *("--service-account-key-file", str(self._key), "--service-account-signing-key-file", str(self._key)),
                *("--service-account-issuer", "https://kubernetes.default.svc"),
                *("--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.0.0.0/24"),
                # No controller makes the accounts that this plugin would wait for.
                *("--disable-admission-plugins", "ServiceAccount"),
            ],
        ]

    def __enter__(self) -> BareKubernetes:
        try:
            self._start()
        except Died:
            # Somebody else may have taken a port after it was found free.
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def kubeconfig_of_guest(self, folder: Path) -> str:
        """The path of a kubeconfig that leads to it as the guest, by a context of that name."""
        config = yaml.safe_load(Path(self.kubeconfig).read_text())
        cluster = config["clusters"][0]["cluster"]
        made = kubeconfig(cluster.pop("server"), GUEST, GUEST_TOKEN, **cluster)
        (folder / "guest-kubeconfig").write_text(yaml.safe_dump(made))
        return str(folder / "guest-kubeconfig")

    @property
    def api(self) -> KubeApi:
        return connect(self.kubeconfig, CONTEXT)

    def put(self, definition: Object) -> None:
        """Make or replace an object as somebody else would."""
        api = self.api
        metadata = definition["metadata"]
        path = api.kind(definition["apiVersion"], definition["kind"]).path(metadata.get("namespace"))
        kept = {key: value for key, value in metadata.items() if key not in ("resourceVersion", "uid")}
        made = api.ask("POST", path, body={**definition, "metadata": kept})
        if made.status == 409:
            made = api.ask("PUT", f"{path}/{metadata['name']}", body={**definition, "metadata": kept})
        assert made.status in (200, 201), made.body

    def look(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """One object."""
        return self.api.get(VERSIONS.get(kind, "v1"), kind, namespace, name)

    def _start(self) -> None:
        """Start both and wait until they are ready. Raises Died, TimeoutError."""
        with contextlib.ExitStack() as stack:
            running: dict[Path, subprocess.Popen[bytes]] = {}
            for command in self._commands():
                file = self.folder / f"{Path(command[0]).name}.log"
                log = stack.enter_context(file.open("wb"))
                running[file] = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
                stack.callback(running[file].terminate)
            deadline = time.monotonic() + 300
            while not self._ready():
                for file, process in running.items():
                    if process.poll() is not None:
                        raise Died(f"{file.name}: {file.read_text()[-2000:]}")
                if time.monotonic() > deadline:
                    raise TimeoutError((self.folder / "kube-apiserver.log").read_text()[-2000:])
                time.sleep(0.2)
            self._running = stack.pop_all()

    def _ready(self) -> bool:
        try:
            return self.api.ask("GET", "/readyz").status == 200 and bool(self.look("Namespace", None, "default"))
        except Refusal:
            return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
