"""Ansible module: read objects of the Kubernetes API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from playbooks.module_utils.documented import arguments
    from playbooks.module_utils.kube_api import connect
    from playbooks.module_utils.kube_login import Refusal
    from playbooks.module_utils.kube_objects import shown, without
else:
    from ansible.module_utils.documented import arguments
    from ansible.module_utils.kube_api import connect
    from ansible.module_utils.kube_login import Refusal
    from ansible.module_utils.kube_objects import shown, without

DOCUMENTATION = """
module: kube_info
short_description: Read objects of the Kubernetes API
description:
  - Gives one object by name, or all that meet the selector. Values of Secrets are never among what it gives.
options:
  kubeconfig: {description: The kubeconfig file., type: path, required: true}
  context: {description: The context in it. No other is ever used., type: str, required: true}
  api_version: {description: Group and version., type: str, default: v1}
  kind: {description: The kind., type: str, required: true}
  namespace: {description: The namespace of namespaced kinds., type: str}
  name: {description: The name. Without it all are read., type: str}
  selector: {description: A label selector., type: str, default: ""}
  hidden_fields:
    description: Dotted paths to leave out of the result.
    type: list
    elements: str
    default: [metadata.managedFields]
"""

RETURN = """
resources: {description: The objects found., type: list, returned: always}
"""

ARGUMENTS = arguments(DOCUMENTATION)


def read(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects asked for, fit to be printed. Raises Refusal when the cluster does not give them."""
    api = connect(params["kubeconfig"], params["context"])
    place = (params["api_version"], params["kind"], params["namespace"])
    if params["name"]:
        one = api.get(*place, params["name"])
        found = [] if one is None else [one]
    else:
        found = api.find(*place, selector=params["selector"])
    return [without(shown(each) if each["kind"] == "Secret" else each, params["hidden_fields"]) for each in found]


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        resources = read(module.params)
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    module.exit_json(changed=False, resources=resources)


if __name__ == "__main__":
    main()
