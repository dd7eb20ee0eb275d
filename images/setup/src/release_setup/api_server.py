"""Secrets through the Kubernetes API, with the pod's own ServiceAccount.

Two calls over HTTPS need no client library, and the image stays small. No answer is ever printed: it may hold a secret.
"""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release_setup.errors import Away, Refused

TIMEOUT = 10.0
MALFORMED = (400, 422)


@dataclass(frozen=True)
class ApiServer:
    """The Secrets of one namespace."""

    url: str
    namespace: str
    token: Path
    authority: Path

    @classmethod
    def of_this_pod(cls, environ: Mapping[str, str], account: Path) -> "ApiServer":
        """The API server that the kubelet wrote into this pod's environment and files. Raises Refused outside a pod."""
        host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
        if not host or not port or not (account / "token").is_file():
            raise Refused(f"{account}: this is not a pod with a ServiceAccount token. Run it as a Job in the cluster.")
        return cls(
            url=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
            namespace=(account / "namespace").read_text().strip(),
            token=account / "token",
            authority=account / "ca.crt",
        )

    def secret_keys(self, name: str) -> frozenset[str] | None:
        """The keys that a Secret holds, or None when there is no such Secret. Raises Away."""
        found = self._call("GET", f"/{name}", None)
        return None if found is None else frozenset(found.get("data") or {})

    def create_secret(self, secret: Mapping[str, Any]) -> bool:
        """True when the Secret is new, False when another had made it. Raises Away, and Refused for a bad one."""
        return self._call("POST", "", secret) is not None

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """The answer's JSON; None for 404 to GET and 409 to POST."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/namespaces/{self.namespace}/secrets{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            # The kubelet renews the token's file, so it is read for each call.
            headers={"Authorization": f"Bearer {self.token.read_text().strip()}", "Content-Type": "application/json"},
        )
        # A proxy of the environment is for the world outside; the API server is in the cluster.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(self.authority))),
        )
        try:
            with opener.open(request, timeout=TIMEOUT) as answer:
                content: dict[str, Any] = json.load(answer)
                return content
        except urllib.error.HTTPError as error:
            with error:
                if (method, error.code) in {("GET", 404), ("POST", 409)}:
                    return None
                reason = f"{self.url}: {method} of Secrets in {self.namespace!r} is answered with {error.code}"
                if error.code in MALFORMED:
                    raise Refused(f"{reason} {error.reason}. Check the names of the Secrets and their keys.") from None
                # 403 too: a Role that was made a moment ago may not yet be known to every API server.
                raise Away(f"{reason} {error.reason}") from None
        except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            raise Away(f"{self.url}: {error}") from error
