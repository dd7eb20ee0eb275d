"""Ansible module: a namespace that we made is gone once nothing of anybody else is left in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from playbooks.module_utils.documented import arguments
    from playbooks.module_utils.kube_api import ApiRefusal, Kind, KubeApi, connect
    from playbooks.module_utils.kube_apply import Outcome, absent
    from playbooks.module_utils.kube_login import Refusal
    from playbooks.module_utils.kube_objects import Object, difference, is_ours, title
else:
    from ansible.module_utils.documented import arguments
    from ansible.module_utils.kube_api import ApiRefusal, connect
    from ansible.module_utils.kube_apply import Outcome, absent
    from ansible.module_utils.kube_login import Refusal
    from ansible.module_utils.kube_objects import difference, is_ours, title

DOCUMENTATION = """
module: namespace_absent
short_description: A namespace that we made is gone once nothing of anybody else is left in it
description:
  - Deletes the namespace when it carries our labels, and every object in it belongs to the release or is there by
    Kubernetes' own doing. All kinds are asked for that the cluster knows, those of custom resources among them.
  - Otherwise it stays; one that we made is then named in a warning, with what is left in it or cannot be seen.
  - Reads that one namespace by its name, which a user limited to it may do.
options:
  kubeconfig: {description: The kubeconfig file., type: path, required: true}
  context: {description: The context in it. No other is ever used., type: str, required: true}
  name: {description: The namespace., type: str, required: true}
  made: {description: The labels by which we know a namespace that we made., type: dict, required: true}
  release: {description: The Helm release that was taken out., type: str, required: true}
  owner: {description: The labels of all that belongs to the release., type: dict, required: true}
  timeout: {description: Seconds to wait until the namespace is gone., type: int, default: 120}
"""

RETURN = """
kept: {description: Why a namespace that we made stays. Empty when it does not., type: str, returned: always}
"""

ARGUMENTS = arguments(DOCUMENTATION)
# Groups of what comes and goes by itself, and of figures that are listed and stored nowhere.
PASSING_GROUPS = frozenset(
    {
        *("coordination.k8s.io", "discovery.k8s.io", "events.k8s.io"),
        *("metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io"),
    }
)
# The same of single kinds, by group.
PASSING_KINDS = frozenset({("", "Event"), ("", "Endpoints"), ("apps", "ControllerRevision")})
# What Kubernetes, OpenShift and Istio put into every namespace.
IN_EVERY_NAMESPACE = frozenset(
    {
        ("ServiceAccount", "default"),
        *(("ConfigMap", name) for name in ("kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert")),
    }
)
# Helm keeps each revision of a release in a Secret of this type.
RECORD = "helm.sh/release.v1"
SHOWN = 5


def all_in(api: KubeApi, namespace: str) -> tuple[list[Object], list[str]]:
    """Every object in the namespace but passing ones; and in words the kinds of which the cluster does not tell."""
    found: list[Object] = []
    unseen: list[str] = []
    asked: set[tuple[str, str]] = set()
    for version in api.api_versions():
        if version.rpartition("/")[0] in PASSING_GROUPS:
            continue
        try:
            kinds = [kind for kind in api.kinds(version) if _holds(kind) and (kind.group, kind.plural) not in asked]
        except ApiRefusal:
            # The server of an aggregated group is down.
            unseen.append(f"anything of {version}")
            continue
        for kind in kinds:
            asked.add((kind.group, kind.plural))
            try:
                found += api.find(version, kind.name, namespace)
            except ApiRefusal as refusal:
                # 404: the kind itself has gone in the meantime.
                if refusal.status != 404:
                    unseen.append(kind.name)
    return found, unseen


def strangers(found: Iterable[Object], owner: Mapping[str, str], release: str) -> list[str]:
    """What of all that was found does not belong to the release, in words."""
    found = [each for each in found if not is_ours(each, owner) and not _by_itself(each)]
    records = {_release_of(each) for each in found if each.get("type") == RECORD} - {release}
    others = [title(each) for each in found if each.get("type") != RECORD]
    return [*(f"Helm release {name!r}" for name in sorted(records)), *sorted(others)]


def reason_to_keep(api: KubeApi, params: Mapping[str, Any]) -> str:
    """Why a namespace that we made has to stay; empty when it may go."""
    name = params["name"]
    found, unseen = all_in(api, name)
    if left := strangers(found, params["owner"], params["release"]):
        return (
            f"Namespace {name}: stays, for not all in it belongs to release {params['release']!r}: "
            f"{_first(left)}. Delete it yourself once nothing in it is needed."
        )
    if not api.allowed("delete", "", "namespaces", name):
        return f"Namespace {name}: stays, for you may not delete it. Have it deleted by an administrator."
    if unseen:
        return (
            f"Namespace {name}: stays, for it cannot be seen whether it holds {_first(unseen)}. "
            "Delete it yourself once nothing in it is needed."
        )
    return ""


def take_away(api: KubeApi, params: Mapping[str, Any], *, check: bool) -> tuple[Outcome, str]:
    """Delete the namespace if that may be; gives what became of it, and why it stays if we made it and it does."""
    definition = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": params["name"]}}
    found = api.get("v1", "Namespace", None, params["name"])
    if found is None or not is_ours(found, params["made"]):
        return Outcome(title(definition), found, found), ""
    if kept := reason_to_keep(api, params):
        return Outcome(title(definition), found, found), kept
    return absent(api, definition, owner=params["made"], check=check, timeout=params["timeout"]), ""


def _holds(kind: Kind) -> bool:
    return kind.namespaced and kind.listed and (kind.group, kind.name) not in PASSING_KINDS


def _by_itself(found: Object) -> bool:
    """Whether nobody put it there: it goes with its owner, which is looked at itself, or every namespace has it."""
    metadata = found["metadata"]
    return bool(metadata.get("ownerReferences")) or (found["kind"], metadata["name"]) in IN_EVERY_NAMESPACE


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _release_of(record: Object) -> str:
    return str((record["metadata"].get("labels") or {}).get("name"))


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        api = connect(module.params["kubeconfig"], module.params["context"])
        outcome, kept = take_away(api, module.params, check=module.check_mode)
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    if kept:
        module.warn(kept)
    shown = [difference(outcome.name, outcome.before, outcome.after)] if outcome.changed else []
    module.exit_json(changed=outcome.changed, kept=kept, diff=shown)


if __name__ == "__main__":
    main()
