"""Ansible module: keep a copy of some keys of Secrets in another namespace.

The values go from one object to the other inside this module, so that no variable, file or log ever holds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from playbooks.module_utils.documented import arguments
    from playbooks.module_utils.kube_api import KubeApi, connect
    from playbooks.module_utils.kube_apply import Outcome, present
    from playbooks.module_utils.kube_login import Refusal
    from playbooks.module_utils.kube_objects import difference, title
else:
    from ansible.module_utils.documented import arguments
    from ansible.module_utils.kube_api import connect
    from ansible.module_utils.kube_apply import present
    from ansible.module_utils.kube_login import Refusal
    from ansible.module_utils.kube_objects import difference, title

DOCUMENTATION = """
module: kube_secret_copy
short_description: Keep a copy of some keys of Secrets in another namespace
description:
  - The copy follows its sources. It holds the named keys and nothing else.
options:
  kubeconfig: {description: The kubeconfig file., type: path, required: true}
  context: {description: The context in it. No other is ever used., type: str, required: true}
  source_namespace: {description: Where the sources are., type: str, required: true}
  sources:
    description: The Secrets to copy from.
    type: list
    elements: dict
    required: true
    options:
      name: {description: The name of one., type: str, required: true}
      keys: {description: For each key of the copy the key of this one., type: dict, required: true, no_log: false}
  namespace: {description: Where the copy goes., type: str, required: true}
  name: {description: The name of the copy., type: str, required: true}
  labels: {description: Further labels of the copy., type: dict, default: {}}
  owner:
    description: Labels that the copy gets. A Secret that is there without them is refused.
    type: dict
    default: {}
  release_namespace:
    description:
      - The namespace of the release that the copy belongs to. It gets it as an annotation, and a Secret that names
        another is refused. Empty to leave that out.
    type: str
    default: ""
"""

RETURN = """
object: {description: The copy without values., type: dict, returned: always}
"""

ARGUMENTS = arguments(DOCUMENTATION)


def copied(source: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, str]:
    """The data of the copy, still encoded. Raises Refusal when the source lacks a key."""
    held = source.get("data") or {}
    if lacking := sorted(key for key in keys.values() if not held.get(key)):
        raise Refusal(f"{title(source)}: lacks {', '.join(lacking)}. Add it, or name another Secret.")
    return {to: held[key] for to, key in keys.items()}


def gathered(api: KubeApi, params: Mapping[str, Any], *, check: bool) -> dict[str, str]:
    """The data of the copy. Raises Refusal for a source that is not there; a first look at an empty cluster goes on,
    for an earlier task would have made it."""
    data: dict[str, str] = {}
    for wanted in params["sources"]:
        source = api.get("v1", "Secret", params["source_namespace"], wanted["name"])
        if source is not None:
            data |= copied(source, wanted["keys"])
        elif check:
            data |= dict.fromkeys(wanted["keys"], "")
        else:
            raise Refusal(
                f"Secret {params['source_namespace']}/{wanted['name']}: is not there to copy from. "
                "Make it with the role credentials."
            )
    return data


def copy_secret(api: KubeApi, params: Mapping[str, Any], *, check: bool) -> Outcome:
    """Bring the copy to what the sources hold."""
    data = gathered(api, params, check=check)
    metadata = {"namespace": params["namespace"], "name": params["name"], "labels": params["labels"]}
    wished = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}
    return present(api, wished, owner=params["owner"], release_namespace=params["release_namespace"], check=check)


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        api = connect(module.params["kubeconfig"], module.params["context"])
        outcome = copy_secret(api, module.params, check=module.check_mode)
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    shown_difference = difference(outcome.name, outcome.before, outcome.after)
    module.exit_json(changed=outcome.changed, object=outcome.name, diff=[shown_difference] if outcome.changed else [])


if __name__ == "__main__":
    main()
