"""What the environment says about the cluster, and what follows from it: paths, ports, names."""

from __future__ import annotations

import os
import re
import shlex
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cluster import ownership
from cluster.errors import Refused

_DEFAULTS = {
    "CONTEXT": "",
    "CLUSTER": "tributary",
    "NAMESPACE": "tributary",
    "RELEASE": "tributary",
    "KUBEFLOW_NAMESPACE": "kubeflow",
    "REGISTRY": "",
    "PROVIDER": "auto",
}
PROVIDERS = ("auto", "kind-podman", "kind-docker", "minikube")

# The node's host name is the cluster's with this behind it, and a host name has 63 characters at most.
_NODE_SUFFIX = "-control-plane"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
# The chart puts the longest of its suffixes behind the release's name, and begins names of Services with it.
RELEASE_LIMIT = 63 - len("-setup-credentials-12345678")
_RELEASE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True)
class Ports:
    """The addresses on 127.0.0.1, counted from one base."""

    base: int

    @property
    def metadata_service(self) -> int:
        return self.base

    @property
    def object_store(self) -> int:
        return self.base + 1

    @property
    def kubeflow_pipelines(self) -> int:
        return self.base + 2

    @property
    def ui(self) -> int:
        return self.base + 3

    @property
    def object_store_console(self) -> int:
        return self.base + 4

    @property
    def kubernetes(self) -> int:
        return self.base + 9


@dataclass(frozen=True)
class Settings:
    """The choices of one user for one cluster. `context` is empty unless an existing cluster is to be used.

    `apart` is the folder that takes the place of the state, for a look that is to leave nothing behind.
    """

    cluster: str
    cache: Path
    context: str
    namespace: str
    release: str
    kubeflow_namespace: str
    provider: str
    registry: str
    ports: Ports
    apart: Path | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings. Raises Refused with every problem at once."""
        given = os.environ if environ is None else environ

        def word(name: str, default: str) -> str:
            return given.get(name) or default

        cluster, context = word("CLUSTER", _DEFAULTS["CLUSTER"]), word("CONTEXT", "")
        limits = {"NAMESPACE": 63, "RELEASE": RELEASE_LIMIT, "KUBEFLOW_NAMESPACE": 63}
        names = {
            **{name: (word(name, _DEFAULTS[name]), limit) for name, limit in limits.items()},
            "CLUSTER": (cluster, 63 - len(_NODE_SUFFIX)),
        }
        problems = [
            f"{name}: {value!r} is no Kubernetes name of at most {limit} characters. "
            "Use lower-case letters, digits and '-' inside."
            for name, (value, limit) in names.items()
            if not _LABEL.fullmatch(value) or len(value) > limit
        ]
        release = names["RELEASE"][0]
        if _LABEL.fullmatch(release) and not _RELEASE.fullmatch(release):
            problems.append(f"RELEASE: {release!r} begins the names of Services. Let it start with a letter.")
        provider = word("PROVIDER", "auto")
        if provider not in PROVIDERS:
            problems.append(f"PROVIDER: {provider!r} is unknown. Use one of {', '.join(PROVIDERS)}.")
        port = word("PORT", str(default_port(context or cluster)))
        if not (port.isdecimal() and 1024 <= int(port) <= 65000):
            problems.append(f"PORT: {port!r} is no port from 1024 to 65000. Ten ports from it on are used.")
        if problems:
            raise Refused("\n".join(problems))
        found = cls(
            cluster=cluster,
            cache=Path(word("CACHE", str(_default_cache(given)))).expanduser().absolute(),
            context=context,
            namespace=names["NAMESPACE"][0],
            release=release,
            kubeflow_namespace=names["KUBEFLOW_NAMESPACE"][0],
            provider=provider,
            registry=word("REGISTRY", ""),
            ports=Ports(int(port)),
        )
        return found._as_it_was_made(port_is_given=bool(given.get("PORT")))

    def _as_it_was_made(self, *, port_is_given: bool) -> Settings:
        """The provider and the ports with which the cluster was made hold ever after.

        Raises Refused where PROVIDER or PORT says another one. With CONTEXT nothing was made but port-forwards, and
        those take other ports when they are asked to.
        """
        record = ownership.recorded(self.state)
        kept = self.ports if record is None else Ports(record.port)
        if self.context:
            return self if port_is_given else replace(self, ports=kept)
        made_by = ownership.made_by(self.state) or self.provider
        problems = []
        if self.provider not in ("auto", made_by):
            problems.append(
                f"PROVIDER: the cluster {self.cluster!r} was made by {made_by}, not by {self.provider}. "
                f"Leave PROVIDER out, set CLUSTER to another name, or run `{self.make('down')}` without PROVIDER first."
            )
        if port_is_given and self.ports != kept:
            problems.append(
                f"PORT: the cluster {self.cluster!r} was made with ports from {kept.base} on, not {self.ports.base}. "
                f"Leave PORT out, set CLUSTER to another name, or run `{self.make('down')}` without PORT first."
            )
        if problems:
            raise Refused("\n".join(problems))
        return replace(self, provider=made_by, ports=kept)

    def make(self, target: str) -> str:
        """The command line of make for this very cluster: with each variable of ours that is not at its default.

        VALUES and PROFILE are of one install, and stand in no settings.
        """
        there = {"CONTEXT": self.context, "CLUSTER": "" if self.context else self.cluster, "CACHE": str(self.cache)}
        inside = {
            "NAMESPACE": self.namespace,
            "RELEASE": self.release,
            "KUBEFLOW_NAMESPACE": self.kubeflow_namespace,
        }
        given = there
        if target in ("install", "status", "uninstall"):
            given = there | inside
        if target == "install":
            made = ownership.made_by(self.state)
            given |= {
                "REGISTRY": self.registry,
                "PROVIDER": "" if made or self.context else self.provider,
                "PORT": str(self.ports.base),
            }
        default = _DEFAULTS | {
            "CACHE": str(_default_cache(os.environ).absolute()),
            "PORT": str(default_port(self.context or self.cluster)),
        }
        # make itself reads a dollar sign, after the shell.
        words = [
            f"{name}={shlex.quote(value.replace('$', '$$'))}"
            for name, value in given.items()
            if value not in ("", default[name])
        ]
        return " ".join((f"make {target}", *words))

    @property
    def state(self) -> Path:
        """All that is kept about this one cluster."""
        if self.apart:
            return self.apart
        name = self.cluster
        if self.context:
            slug = re.sub(r"[^a-z0-9]+", "-", self.context.lower()).strip("-")
            name = f"context-{slug[:40]}-{zlib.crc32(self.context.encode()):08x}"
        return self.cache / "clusters" / name

    @property
    def kubeconfig(self) -> Path:
        """The only kubeconfig that is ever written."""
        return self.state / "kubeconfig"

    @property
    def kube_context(self) -> str:
        """The one context that is ever touched."""
        return self.context or (self.cluster if self.provider == "minikube" else f"kind-{self.cluster}")

    @property
    def client(self) -> Path:
        """The laptop's Metaflow config, as the playbooks leave it."""
        return self.state / "client"

    @property
    def images(self) -> Path:
        """Helm values that name the images."""
        return self.state / "images.yaml"

    @property
    def logs(self) -> Path:
        return self.state / "logs"


def _default_cache(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".cache")
    return home / "tributary"


def default_port(name: str) -> int:
    """The first of ten ports for the cluster of this name."""
    return 20000 + zlib.crc32(name.encode()) % 500 * 10
