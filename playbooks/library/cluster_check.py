"""Ansible module: find what stands in the way in a cluster before anything is done there. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from playbooks.module_utils.documented import arguments
    from playbooks.module_utils.kube_api import ONCE, ApiRefusal, KubeApi, connect
    from playbooks.module_utils.kube_login import Refusal
    from playbooks.module_utils.kube_objects import Object, is_ours, release_namespace_of, why_not_ours
else:
    from ansible.module_utils.documented import arguments
    from ansible.module_utils.kube_api import ONCE, ApiRefusal, connect
    from ansible.module_utils.kube_login import Refusal
    from ansible.module_utils.kube_objects import is_ours, release_namespace_of, why_not_ours

DOCUMENTATION = """
module: cluster_check
short_description: Check a cluster before something is installed there
description:
  - Looks at the version, the rights, the storage classes and Kubeflow Pipelines. Gives all problems as sentences.
  - Does not fail by itself. A cluster that cannot be reached is the one problem it then gives.
options:
  kubeconfig: {description: The kubeconfig file., type: path, required: true}
  context: {description: The context in it. No other is ever used., type: str, required: true}
  minimum_kubernetes: {description: The oldest Kubernetes that will do., type: str, required: true}
  namespace:
    description: The namespace that will be made if it is not there. Empty to leave that out.
    type: str
    default: ""
  rights:
    description: What will be done. Each is asked of the API server.
    type: list
    elements: dict
    default: []
    options:
      namespace: {description: Where. Empty for the cluster., type: str, default: ""}
      api_version: {description: Group and version., type: str, required: true}
      kind: {description: The kind., type: str, required: true}
      verbs: {description: What., type: list, elements: str, default: [get, create, patch, delete]}
  storage_classes:
    description: Those that volumes ask for. Empty text is the default one.
    type: list
    elements: str
    default: []
  kubeflow_namespace: {description: Where Kubeflow Pipelines is. Empty to leave that out., type: str, default: ""}
  kubeflow_service: {description: The Service of its API., type: str, default: ml-pipeline}
  kubeflow_port: {description: The port of that Service., type: int, default: 8888}
  service_account:
    description: The ServiceAccount that runs the steps there. Empty to leave that out.
    type: str
    default: ""
  link_objects:
    description: What will be put there by apiVersion, kind and metadata. None of it may be somebody else's.
    type: list
    elements: dict
    default: []
  link_rules:
    description: The rules of a Role among that. Only who has a right may give it on.
    type: list
    elements: dict
    default: []
  link_owner: {description: The labels by which that is known as ours., type: dict, default: {}}
  link_release_namespace:
    description: The namespace of our release. What names another is not ours. Empty to leave that out.
    type: str
    default: ""
"""

RETURN = """
problems: {description: What is wrong in sentences., type: list, returned: always}
kubernetes: {description: The version of Kubernetes., type: str, returned: always}
kubeflow: {description: What Kubeflow Pipelines says of itself., type: dict, returned: always}
"""

ARGUMENTS = arguments(DOCUMENTATION)

HEALTH = "/apis/v2beta1/healthz"
# Every release of Kubeflow Pipelines that has the v2 API answers with one of these.
TELLING = ("multi_user", "tag_name", "commit_sha")
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
RBAC = "rbac.authorization.k8s.io"
MANAGER = "app.kubernetes.io/managed-by"
INSTANCE = "app.kubernetes.io/instance"


def version_problems(version: str, minimum: str) -> list[str]:
    """The cluster is too old, or nothing."""
    if _numbers(version) < _numbers(minimum):
        return [f"Kubernetes {version}: too old. Upgrade the cluster to {minimum} or later."]
    return []


@dataclass(frozen=True)
class Right:
    """Something that the user has to be allowed to do, spelled as the API server is asked; `shown` is for people."""

    namespace: str
    group: str
    plural: str
    verbs: Sequence[str]
    shown: str


def to_be_used(api: KubeApi, rights: Iterable[Mapping[str, Any]]) -> tuple[list[Right], list[str]]:
    """The rights as this cluster spells their kinds, and a sentence for each kind that it does not know."""
    found, problems = [], []
    for right in rights:
        try:
            kind = api.kind(right["api_version"], right["kind"])
        except Refusal as refusal:
            problems.append(str(refusal))
            continue
        found.append(Right(right["namespace"], kind.group, kind.plural, right["verbs"], kind.plural))
    return found, problems


def to_be_given(api: KubeApi, rules: Sequence[Mapping[str, Any]], namespace: str) -> list[Right]:
    """The rights in a Role's rules: only who has them all may make it, even for kinds that the cluster does not know.

    Kubernetes: Using RBAC Authorization, "Privilege escalation prevention and bootstrapping"; by the same text
    whoever may escalate and bind Roles needs none of them.
    """
    if rules and all(api.allowed(verb, RBAC, "roles", namespace) for verb in ("escalate", "bind")):
        return []
    return [
        Right(namespace, group, plural, rule["verbs"], f"{plural}.{group}" if group else plural)
        for rule in rules
        for group in rule["apiGroups"]
        for plural in rule["resources"]
    ]


def rights_problems(api: KubeApi, rights: Iterable[Right]) -> list[str]:
    """For each namespace what may not be done there, in one sentence."""
    denied: dict[str, dict[str, list[str]]] = {}
    everything: dict[str, bool] = {}
    for right in rights:
        namespace = right.namespace
        if namespace not in everything:
            everything[namespace] = api.allowed("*", "*", "*", namespace)
        if everything[namespace]:
            continue
        said = denied.setdefault(namespace, {}).setdefault(right.shown, [])
        said += [
            verb
            for verb in right.verbs
            if verb not in said and not api.allowed(verb, right.group, right.plural, namespace)
        ]
    problems = []
    for namespace, by_kind in denied.items():
        where = f"Namespace {namespace!r}" if namespace else api.where
        if what := [f"{'/'.join(verbs)} {shown}" for shown, verbs in by_kind.items() if verbs]:
            problems.append(f"{where}: you may not {', '.join(what)}. Have these rights given to you there.")
    return problems


def namespace_problems(api: KubeApi, namespace: str) -> list[str]:
    """The namespace is not there and cannot be made, or nothing."""
    if not namespace or api.get("v1", "Namespace", None, namespace) is not None:
        return []
    if api.allowed("create", "", "namespaces", None):
        return []
    return [f"Namespace {namespace!r}: is not there, and you may not make it. Have it made by an administrator."]


def storage_problems(api: KubeApi, wanted: list[str]) -> list[str]:
    """Storage classes that volumes ask for and the cluster has not."""
    if not wanted:
        return []
    classes = api.find("storage.k8s.io/v1", "StorageClass", None)
    names = {each["metadata"]["name"] for each in classes}
    problems = [
        f"Storage class {name!r}: this cluster has none of that name. Name another in the values."
        for name in wanted
        if name and name not in names
    ]
    default = any((each["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true" for each in classes)
    if "" in wanted and not default:
        problems.append(
            "Storage: this cluster has no default StorageClass. Mark one as default, or name one in the values."
        )
    return problems


def kubeflow(api: KubeApi, namespace: str, service: str, port: int) -> tuple[list[str], dict[str, Any]]:
    """What is wrong with Kubeflow Pipelines in a namespace, and what it says of itself. Asks through the API server."""
    where = f"Namespace {namespace!r}"
    if api.get("v1", "Service", namespace, service) is None:
        return [
            f"{where}: has no Service {service!r}. "
            "Install Kubeflow Pipelines there, or set tributary_kubeflow_namespace."
        ], {}
    path = f"/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy{HEALTH}"
    answer = api.ask("GET", path, retries=ONCE)
    told = answer.json()
    if answer.status == 200 and isinstance(told, dict) and any(key in told for key in TELLING):
        return [], told
    remedies = {
        403: "Have the right to get services/proxy given to you there.",
        503: "Wait until its pods are ready.",
    }
    if isinstance(told, dict) and told.get("kind") == "Status" and answer.status in remedies:
        said = str(told.get("message", "")).rstrip(".")
        return [f"{where}: Service {service!r} cannot be asked ({said}). {remedies[answer.status]}"], {}
    return [
        f"{where}: Service {service!r} is not Kubeflow Pipelines, {HEALTH} answered {answer.status}. "
        "Set tributary_kubeflow_namespace."
    ], {}


def service_account_problems(api: KubeApi, namespace: str, name: str) -> list[str]:
    """There is no such ServiceAccount, or nothing."""
    if not name or api.get("v1", "ServiceAccount", namespace, name) is not None:
        return []
    return [
        f"Namespace {namespace!r}: has no ServiceAccount {name!r}. "
        "Set tributary_kubeflow_service_account to the one that runs the steps."
    ]


def link_problems(
    api: KubeApi, objects: list[Object], owner: Mapping[str, str], release_namespace: str = ""
) -> list[str]:
    """Objects that are there already under the names of ours, a sentence for each to whom they belong."""
    taken: dict[tuple[str, str, str, str], list[str]] = {}
    for wished in objects:
        place = wished["metadata"]
        try:
            found = api.get(wished["apiVersion"], wished["kind"], place["namespace"], place["name"])
        except ApiRefusal as refusal:
            # A right that is missing is a problem of its own, which rights_problems finds.
            if refusal.status != 403:
                raise
            continue
        if found is not None and why_not_ours(found, owner, release_namespace):
            # Two releases of one name need two names of their own.
            remedy = "tributary_release" if is_ours(found, owner) else "tributary_steps_name"
            whose = (place["namespace"], place["name"], _release_in_words(found, owner), remedy)
            taken.setdefault(whose, []).append(wished["kind"])
    return [
        f"Namespace {namespace!r}: {', '.join(kinds)} {name!r} "
        + (f"of {release} is there. " if release else "is there and is not ours. ")
        + f"Set {remedy} to another name."
        for (namespace, name, release, remedy), kinds in taken.items()
    ]


def _release_in_words(found: Object, owner: Mapping[str, str]) -> str:
    """The release of ours that an object belongs to; empty for one that no release of ours made."""
    labels = found["metadata"].get("labels") or {}
    if INSTANCE not in labels or labels.get(MANAGER) != owner.get(MANAGER):
        return ""
    named = release_namespace_of(found)
    return f"release {labels[INSTANCE]!r}" + (f" in namespace {named!r}" if named else "")


def check(params: Mapping[str, Any]) -> dict[str, Any]:
    """The result of the module."""
    try:
        api = connect(params["kubeconfig"], params["context"])
        version = api.version()
    except Refusal as refusal:
        return {"problems": [str(refusal)], "kubernetes": "", "kubeflow": {}}
    told: dict[str, Any] = {}

    def all_rights_problems() -> list[str]:
        used, unknown = to_be_used(api, params["rights"])
        return unknown + rights_problems(
            api, used + to_be_given(api, params["link_rules"], params["kubeflow_namespace"])
        )

    def kubeflow_problems() -> list[str]:
        if not (namespace := params["kubeflow_namespace"]):
            return []
        problems, answer = kubeflow(api, namespace, params["kubeflow_service"], params["kubeflow_port"])
        told.update(answer)
        # Where there is no Kubeflow Pipelines, its missing ServiceAccount is no second problem.
        return problems or service_account_problems(api, namespace, params["service_account"])

    problems = version_problems(version, params["minimum_kubernetes"])
    checks: list[Callable[[], list[str]]] = [
        lambda: namespace_problems(api, params["namespace"]),
        all_rights_problems,
        lambda: storage_problems(api, params["storage_classes"]),
        kubeflow_problems,
        lambda: link_problems(api, params["link_objects"], params["link_owner"], params["link_release_namespace"]),
    ]
    for find in checks:
        try:
            problems += find()
        except Refusal as refusal:
            problems.append(str(refusal))
    return {"problems": problems, "kubernetes": version, "kubeflow": told}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **check(module.params))


if __name__ == "__main__":
    main()
