"""Ansible module: objects of the Kubernetes API are there as defined, or are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from playbooks.module_utils.documented import arguments
    from playbooks.module_utils.kube_api import KubeApi, connect
    from playbooks.module_utils.kube_apply import Outcome, absent, present
    from playbooks.module_utils.kube_login import Refusal
    from playbooks.module_utils.kube_objects import difference, shown, why_not_ours
else:
    from ansible.module_utils.documented import arguments
    from ansible.module_utils.kube_api import connect
    from ansible.module_utils.kube_apply import absent, present
    from ansible.module_utils.kube_login import Refusal
    from ansible.module_utils.kube_objects import difference, shown, why_not_ours

DOCUMENTATION = """
module: kube_object
short_description: Objects of the Kubernetes API are there as defined, or are gone
description:
  - Applies definitions with server-side apply, in the order given. The server says by a dry run what would change.
  - Values of Secrets never appear in its results or diffs. Give no values of Secrets here; see M(kube_secret).
options:
  kubeconfig: {description: The kubeconfig file., type: path, required: true}
  context: {description: The context in it. No other is ever used., type: str, required: true}
  state: {description: Whether the objects shall be there., type: str, choices: [present, absent], default: present}
  definitions:
    description: The objects. For absent apiVersion, kind and metadata suffice.
    type: list
    elements: dict
    required: true
  create_only: {description: Leave an object that is there as it is., type: bool, default: false}
  owner:
    description: Labels that every object gets. One that is there without them is refused.
    type: dict
    default: {}
  release_namespace:
    description:
      - The namespace of the release that the objects belong to. Each gets it as an annotation, and one that names
        another is refused. Empty to leave that out.
    type: str
    default: ""
  leave_others:
    description: For absent. What is not ours is not refused. It stays as it is, and a warning says so.
    type: bool
    default: false
  timeout: {description: Seconds to wait until removed objects are gone., type: int, default: 120}
"""

RETURN = """
objects: {description: The objects as they are or would be without values of Secrets., type: list, returned: always}
"""

ARGUMENTS = arguments(DOCUMENTATION)


def bring(api: KubeApi, wished: dict[str, Any], params: dict[str, Any], *, check: bool) -> Outcome:
    """One object to its wished state."""
    if params["state"] == "absent":
        options = {name: params[name] for name in ("owner", "release_namespace", "leave_others", "timeout")}
        return absent(api, wished, **options, check=check)
    options = {name: params[name] for name in ("owner", "release_namespace", "create_only")}
    return present(api, wished, **options, check=check)


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    outcomes = []
    try:
        api = connect(module.params["kubeconfig"], module.params["context"])
        for definition in module.params["definitions"]:
            outcomes.append(bring(api, definition, module.params, check=module.check_mode))
    except Refusal as refusal:
        module.fail_json(msg=str(refusal), changed=any(outcome.changed for outcome in outcomes))
    if module.params["state"] == "absent":
        for left in outcomes:
            if left.after is not None:
                not_ours = why_not_ours(left.after, module.params["owner"], module.params["release_namespace"])
                module.warn(f"{left.name}: is not ours, {not_ours}. It stays.")
    changed = [outcome for outcome in outcomes if outcome.changed]
    module.exit_json(
        changed=bool(changed),
        objects=[shown(outcome.after) for outcome in outcomes if outcome.after is not None],
        diff=[difference(outcome.name, outcome.before, outcome.after) for outcome in changed],
    )


if __name__ == "__main__":
    main()
