"""How a kubeconfig leads to a cluster: the address, the TLS, and the headers that say who asks.

Tokens and certificates are read here. Whatever else a kubeconfig may hold, login plugins above all, is left to the
kubernetes client; it is imported only then, because the import alone costs every task a second.
"""

from __future__ import annotations

import base64
import binascii
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
import yaml

PLAIN_CLUSTER = {
    "server",
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "tls-server-name",
}
PLAIN_USER = {
    "token",
    "tokenFile",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
}


class Refusal(Exception):
    """What the user has to change, in one sentence for them to read."""


@dataclass(frozen=True)
class Login:
    """Where to send requests, over which connections, and with which headers each."""

    host: str
    pool: urllib3.PoolManager
    headers: Callable[[], dict[str, str]]


def login(kubeconfig: str, context: str) -> Login:
    """The login of one context of one kubeconfig. Raises Refusal when it cannot be used; asks nothing yet."""
    if not kubeconfig:
        raise Refusal("No kubeconfig is named. Set tributary_kubeconfig.")
    path = Path(kubeconfig).expanduser()
    config = _read(path)
    names = [entry["name"] for entry in config.get("contexts") or []]
    if context not in names:
        there = f"It has {', '.join(map(repr, names))}" if names else "It has none at all"
        raise Refusal(f"{path}: has no context {context!r}. {there}.")
    chosen = _named(config, "context", context)
    cluster, user = _named(config, "cluster", chosen.get("cluster")), _named(config, "user", chosen.get("user"))
    try:
        if set(cluster) <= PLAIN_CLUSTER and set(user) <= PLAIN_USER:
            return _plain(cluster, user, path.parent)
        return _by_client(path, context)
    except (OSError, ValueError, binascii.Error) as error:
        text = str(error).rstrip(".")
        raise Refusal(f"{path}: context {context!r} cannot be used: {text}. Correct the file.") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refusal(f"{path}: this kubeconfig cannot be read ({error.strerror}). Name another file.") from error
    except yaml.YAMLError as error:
        raise Refusal(f"{path}: this kubeconfig is not YAML. Name another file.") from error
    return content if isinstance(content, dict) else {}


def _named(config: Mapping[str, Any], kind: str, name: str | None) -> dict[str, Any]:
    """The part of that name; empty where it is missing, as a user may be."""
    for entry in config.get(f"{kind}s") or []:
        if entry["name"] == name:
            return dict(entry.get(kind) or {})
    return {}


def _plain(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> Login:
    if not cluster.get("server"):
        raise ValueError("its cluster has no server")
    tls: dict[str, Any] = {}
    if str(cluster["server"]).startswith("https://"):
        tls["ssl_context"] = _tls(cluster, user, folder)
        if "tls-server-name" in cluster:
            tls["server_hostname"] = tls["assert_hostname"] = cluster["tls-server-name"]
    token = user.get("token") or (
        (folder / user["tokenFile"]).read_text(encoding="utf-8").strip() if "tokenFile" in user else ""
    )
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Login(str(cluster["server"]).rstrip("/"), urllib3.PoolManager(**tls), lambda: dict(headers))


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authority := _part(cluster, "certificate-authority", folder):
        context.load_verify_locations(cadata=authority.decode("ascii"))
    else:
        context.load_default_certs()
    certificate, key = _part(user, "client-certificate", folder), _part(user, "client-key", folder)
    if certificate and key:
        # The ssl library takes a certificate from a file only; this one is closed to others and gone at once.
        with tempfile.NamedTemporaryFile() as file:
            file.write(certificate + b"\n" + key)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _part(entry: Mapping[str, Any], key: str, folder: Path) -> bytes:
    """Bytes that stand in the kubeconfig itself, or in a file it names; none where it says neither."""
    if entry.get(f"{key}-data"):
        return base64.b64decode("".join(str(entry[f"{key}-data"]).split()), validate=True)
    return (folder / entry[key]).read_bytes() if entry.get(key) else b""


def _by_client(path: Path, context: str) -> Login:
    from kubernetes import config

    try:
        client = config.new_client_from_config(str(path), context=context, persist_config=False)
    except config.ConfigException as error:
        raise ValueError(str(error)) from error

    def headers() -> dict[str, str]:
        found: dict[str, str] = {}
        client.update_params_for_auth(found, [], ["BearerToken"])
        return found

    return Login(client.configuration.host, client.rest_client.pool_manager, headers)
