"""The only way to the Kubernetes API: one named kubeconfig, one named context, plain requests.

No generated client stands between, because server-side apply with a dry run is the same for every kind, and what the
status of an answer means is ours to judge.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import urllib3

if TYPE_CHECKING:
    from playbooks.module_utils.kube_login import Login, Refusal, login
else:
    from ansible.module_utils.kube_login import Refusal, login

FIELD_MANAGER = "tributary"
# Answers of a busy or starting API server, or of a connection cut on the way: asked again, a few times.
RETRIES = urllib3.Retry(
    total=4,
    connect=2,
    backoff_factor=0.4,
    status_forcelist=(429, 502, 503, 504),
    allowed_methods=None,
    raise_on_status=False,
)
ONCE = urllib3.Retry(total=0, raise_on_status=False)
TIMEOUT = urllib3.Timeout(connect=5, read=60)


class ApiRefusal(Refusal):
    """The API server said no. `status` is its HTTP status, `about` the kind of thing its answer names."""

    def __init__(self, message: str, *, status: int, about: str) -> None:
        super().__init__(message)
        self.status = status
        self.about = about


@dataclass(frozen=True)
class Kind:
    """How the API spells one kind: where its paths start, its plural, whether it is in namespaces and can be listed."""

    name: str
    root: str
    group: str
    plural: str
    namespaced: bool
    listed: bool

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """The path of one object, or of the whole list when no name is given."""
        place = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{self.root}{place}/{self.plural}" + (f"/{quote(name)}" if name else "")


@dataclass(frozen=True)
class Answer:
    """Status and body of one request."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class KubeApi:
    """One cluster, seen through one context. Raises Refusal when it cannot be reached or says no."""

    def __init__(self, login: Login, context: str) -> None:
        self._login = login
        self._kinds: dict[str, list[Kind]] = {}
        self.context = context
        self.where = f"Context {context!r}"

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        retries: urllib3.Retry = RETRIES,
    ) -> Answer:
        """Send one request and give the answer, whatever its status. Raises Refusal when there is no answer."""
        headers = {"Accept": "application/json", "Content-Type": content_type, **self._login.headers()}
        url = self._login.host + path + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._login.pool.request(method, url, body=data, headers=headers, retries=retries, timeout=TIMEOUT)
        except urllib3.exceptions.HTTPError as error:
            raise Refusal(
                f"{self.where}: the Kubernetes API at {self._login.host} does not answer ({reason(error)}). "
                "Start the cluster, or name another context."
            ) from error
        return Answer(answer.status, answer.data)

    def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        """One object, or None when there is none."""
        path = self.kind(api_version, kind).path(namespace, name)
        answer = self.ask("GET", path)
        if answer.status == 404:
            return None
        return self._object(answer, _title(kind, namespace, name))

    def find(
        self, api_version: str, kind: str, namespace: str | None, *, selector: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        """The objects of a kind, filtered by a label selector and a field selector."""
        query = {"labelSelector": selector} if selector else {}
        if fields:
            query["fieldSelector"] = fields
        answer = self.ask("GET", self.kind(api_version, kind).path(namespace), query=query)
        items = self._object(answer, _title(kind, namespace, "")).get("items", [])
        # A list leaves out what all its items share.
        return [{"apiVersion": api_version, "kind": kind, **item} for item in items]

    def create(self, definition: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Make an object that is not there yet; ApiRefusal 409 when it is."""
        path, title = self._place(definition)
        collection = path.rsplit("/", 1)[0]
        query = {"fieldManager": FIELD_MANAGER, **_dry(dry_run)}
        return self._object(self.ask("POST", collection, query=query, body=definition), title)

    def apply(self, definition: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Server-side apply; gives the object as it then is, or would be."""
        path, title = self._place(definition)
        query = {"fieldManager": FIELD_MANAGER, "force": "true", **_dry(dry_run)}
        answer = self.ask("PATCH", path, query=query, body=definition, content_type="application/apply-patch+yaml")
        return self._object(answer, title)

    def delete(self, definition: Mapping[str, Any], *, dry_run: bool = False, orphans: bool = False) -> None:
        """Take an object away with what it owns; with `orphans`, alone. One that is already gone is fine."""
        path, title = self._place(definition)
        policy = "Orphan" if orphans else "Background"
        answer = self.ask("DELETE", path, query={"propagationPolicy": policy, **_dry(dry_run)})
        if answer.status != 404:
            self._object(answer, title)

    def kind(self, api_version: str, kind: str) -> Kind:
        """How this cluster spells a kind. Raises Refusal when it does not know it."""
        for known in self.kinds(api_version):
            if known.name == kind:
                return known
        raise Refusal(f"{self.where}: this cluster knows no {kind} of {api_version}. Install what brings it.")

    def kinds(self, api_version: str) -> list[Kind]:
        """All kinds of a group and version; none where the cluster has no such. ApiRefusal when it does not say."""
        if api_version not in self._kinds:
            group, _, version = api_version.rpartition("/")
            root = f"/apis/{group}/{version}" if group else f"/api/{version}"
            answer = self.ask("GET", root)
            resources = [] if answer.status == 404 else self._object(answer, api_version).get("resources", [])
            self._kinds[api_version] = [
                Kind(entry["kind"], root, group, entry["name"], bool(entry["namespaced"]), "list" in entry["verbs"])
                for entry in resources
                if "/" not in entry["name"]
            ]
        return self._kinds[api_version]

    def api_versions(self) -> list[str]:
        """Every group and version that the cluster has, such as v1 and apps/v1; of a group the preferred one first."""
        groups = self._object(self.ask("GET", "/apis"), "API groups").get("groups", [])
        return ["v1", *(version["groupVersion"] for group in groups for version in group["versions"])]

    def version(self) -> str:
        """The version of the API server, such as v1.36.1."""
        return str(self._object(self.ask("GET", "/version"), "version").get("gitVersion", ""))

    def allowed(self, verb: str, group: str, resource: str, namespace: str | None) -> bool:
        """Whether this context's user may do this; asks the API server itself."""
        attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace or ""}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self._object(self.ask("POST", path, body=review), "SelfSubjectAccessReview")
        return bool(answer.get("status", {}).get("allowed"))

    def _place(self, definition: Mapping[str, Any]) -> tuple[str, str]:
        metadata = definition["metadata"]
        kind = self.kind(definition["apiVersion"], definition["kind"])
        if kind.namespaced and not metadata.get("namespace"):
            raise Refusal(f"{definition['kind']} {metadata['name']}: names no namespace. Write metadata.namespace.")
        title = _title(definition["kind"], metadata.get("namespace"), metadata["name"])
        return kind.path(metadata.get("namespace"), metadata["name"]), title

    def _object(self, answer: Answer, title: str) -> dict[str, Any]:
        found = answer.json()
        if 200 <= answer.status < 300 and isinstance(found, dict):
            return found
        told = found if isinstance(found, dict) else {}
        message = str(told.get("message") or "no reason given").rstrip(".")
        about = str((told.get("details") or {}).get("kind", ""))
        if answer.status == 401:
            message = "the API server does not accept the login of this context"
        text = f"{self.where}: {title}: {message} (status {answer.status})."
        raise ApiRefusal(text, status=answer.status, about=about)


def connect(kubeconfig: str, context: str) -> KubeApi:
    """The cluster behind one context of one kubeconfig. Raises Refusal when either is not there; asks nothing yet."""
    return KubeApi(login(kubeconfig, context), context)


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _title(kind: str, namespace: str | None, name: str) -> str:
    return f"{kind} {namespace + '/' if namespace else ''}{name}".rstrip()


def reason(error: urllib3.exceptions.HTTPError) -> str:
    """The innermost cause: 'Connection refused' and not the chain of wrappers around it."""
    inner: BaseException = error
    while isinstance(reason := getattr(inner, "reason", None) or inner.__cause__, BaseException):
        inner = reason
    return (inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)).rstrip(".")
