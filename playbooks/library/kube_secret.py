"""Ansible module: make Secrets that are not there, with values nobody has to know.

Random values are made here and go straight to the API server: they are in no variable, no file and no argument.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from playbooks.module_utils.documented import arguments
    from playbooks.module_utils.kube_api import KubeApi, connect
    from playbooks.module_utils.kube_apply import Outcome, present
    from playbooks.module_utils.kube_login import Refusal
    from playbooks.module_utils.kube_objects import decoded, difference
else:
    from ansible.module_utils.documented import arguments
    from ansible.module_utils.kube_api import connect
    from ansible.module_utils.kube_apply import present
    from ansible.module_utils.kube_login import Refusal
    from ansible.module_utils.kube_objects import decoded, difference

DOCUMENTATION = """
module: kube_secret
short_description: Make Secrets that are not there yet
description:
  - Makes each Secret that does not exist. Never changes one that does; if that lacks a key it says so and fails.
  - Values come from plain, from given, or are made at random inside the module. None of given or random is ever shown.
options:
  kubeconfig: {description: The kubeconfig file., type: path, required: true}
  context: {description: The context in it. No other is ever used., type: str, required: true}
  namespace: {description: The namespace of the Secrets., type: str, required: true}
  labels: {description: Labels of the Secrets that are made., type: dict, default: {}}
  secrets:
    description: The Secrets.
    type: list
    elements: dict
    required: true
    no_log: false
    options:
      name: {description: The name., type: str, required: true}
      plain: {description: Keys with values that are no secret such as a user name., type: dict, default: {}}
      random: {description: Keys with the number of letters and digits to make., type: dict, default: {}}
      given:
        description:
          - Keys with values to use. An empty one counts as not given, and then plain or random has to have the key,
            or the Secret has to be there.
        type: dict
        default: {}
        no_log: true
"""

RETURN = """
made: {description: The titles of the Secrets that were or would be made., type: list, returned: always}
told: {description: Given values that were not used because the Secret was there., type: list, returned: always}
kept: {description: The titles of those that were there., type: list, returned: always}
"""

ALPHABET = string.ascii_letters + string.digits
ARGUMENTS = arguments(DOCUMENTATION)


def random_value(length: int) -> str:
    """Letters and digits only, so that no shell, URL or connection string has to quote them."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def values(wished: Mapping[str, Any]) -> dict[str, str]:
    """Every key of a new Secret with its value."""
    given = {key: str(value) for key, value in wished["given"].items() if value}
    made = {key: random_value(int(length)) for key, length in wished["random"].items() if key not in given}
    return {**{key: str(value) for key, value in wished["plain"].items()}, **made, **given}


def definition(wished: Mapping[str, Any], namespace: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The Secret to make."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": wished["name"], "namespace": namespace, "labels": dict(labels)},
        "stringData": values(wished),
    }


def not_given(wished: Mapping[str, Any]) -> list[str]:
    """Keys for which somebody would have to give a value before the Secret could be made."""
    made = {**wished["plain"], **wished["random"]}
    return sorted(key for key, value in wished["given"].items() if not value and key not in made)


def missing_keys(found: Mapping[str, Any], wished: Mapping[str, Any]) -> list[str]:
    """Keys that a Secret should have, and has not or has empty."""
    held = found.get("data") or {}
    return sorted(key for key in {**wished["plain"], **wished["random"], **wished["given"]} if not held.get(key))


def other_than_given(found: Mapping[str, Any], wished: Mapping[str, Any]) -> list[str]:
    """Keys whose given value is not what the Secret holds."""
    held = decoded(found)
    return sorted(key for key, value in wished["given"].items() if value and held.get(key) != str(value))


def make(api: KubeApi, params: Mapping[str, Any], *, check: bool) -> tuple[list[Outcome], list[str]]:
    """All Secrets; gives what became of each, and what to tell the user. Raises Refusal with all that is wrong."""
    outcomes, told, wrong = [], [], []
    for wished in params["secrets"]:
        name = f"Secret {params['namespace']}/{wished['name']}"
        found = api.get("v1", "Secret", params["namespace"], wished["name"])
        if found is None:
            if lacking := not_given(wished):
                wrong.append(
                    f"{name}: is not there, and no value is given for {', '.join(lacking)}. Make it, or give them."
                )
            continue
        if lacking := missing_keys(found, wished):
            wrong.append(f"{name}: lacks {', '.join(lacking)}. Add it, or delete the Secret to have it made anew.")
        elif other := other_than_given(found, wished):
            told.append(f"{name} keeps its {', '.join(other)}, which is not what was given.")
    if wrong:
        raise Refusal(" ".join(wrong))
    for wished in params["secrets"]:
        wanted = definition(wished, params["namespace"], params["labels"])
        outcomes.append(present(api, wanted, owner={}, create_only=True, check=check))
    return outcomes, told


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        api = connect(module.params["kubeconfig"], module.params["context"])
        outcomes, told = make(api, module.params, check=module.check_mode)
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    for sentence in told:
        module.warn(sentence)
    changed = [outcome for outcome in outcomes if outcome.changed]
    module.exit_json(
        changed=bool(changed),
        told=told,
        made=[outcome.name for outcome in changed],
        kept=[outcome.name for outcome in outcomes if not outcome.changed],
        diff=[difference(outcome.name, outcome.before, outcome.after) for outcome in changed],
    )


if __name__ == "__main__":
    main()
