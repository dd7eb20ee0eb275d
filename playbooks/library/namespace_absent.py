"""Ansible module: a namespace that we made is gone once nothing of anybody else is left in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from playbooks.module_utils.documented import arguments
    from playbooks.module_utils.kube_api import KubeApi, connect
    from playbooks.module_utils.kube_apply import Outcome, absent
    from playbooks.module_utils.kube_login import Refusal
    from playbooks.module_utils.kube_objects import Object, difference, is_ours, title
else:
    from ansible.module_utils.documented import arguments
    from ansible.module_utils.kube_api import connect
    from ansible.module_utils.kube_apply import Outcome, absent
    from ansible.module_utils.kube_login import Refusal
    from ansible.module_utils.kube_objects import difference, is_ours, title

DOCUMENTATION = """
module: namespace_absent
short_description: A namespace that we made is gone once nothing of anybody else is left in it
description:
  - Deletes the namespace when it carries our labels, and every volume claim, Secret, pod and Helm release in it belongs
    to the release. Otherwise it stays; one that we made is then named in a warning, with what is left in it.
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
# What holds data or uses it. A namespace has things of its own besides, such as ConfigMap kube-root-ca.crt.
KINDS = ("PersistentVolumeClaim", "Secret", "Pod")
# Helm keeps each revision of a release in a Secret of this type.
RECORD = "helm.sh/release.v1"
SHOWN = 5


def strangers(api: KubeApi, namespace: str, owner: Mapping[str, str], release: str) -> list[str]:
    """What in the namespace does not belong to the release, in words."""
    found = [each for kind in KINDS for each in api.find("v1", kind, namespace) if not is_ours(each, owner)]
    records = {_release_of(each) for each in found if each.get("type") == RECORD} - {release}
    others = [title(each) for each in found if each.get("type") != RECORD]
    return [*(f"Helm release {name!r}" for name in sorted(records)), *sorted(others)]


def reason_to_keep(api: KubeApi, params: Mapping[str, Any]) -> str:
    """Why a namespace that we made has to stay; empty when it may go."""
    name = params["name"]
    if left := strangers(api, name, params["owner"], params["release"]):
        more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        return (
            f"Namespace {name}: stays, for not all in it belongs to release {params['release']!r}: "
            f"{', '.join(left[:SHOWN])}{more}. Delete it yourself once nothing in it is needed."
        )
    if not api.allowed("delete", "", "namespaces", name):
        return f"Namespace {name}: stays, for you may not delete it. Have it deleted by an administrator."
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
