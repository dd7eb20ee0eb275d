"""Ansible module: Metaflow's config.json, with the token that a Secret holds.

The token goes from the Secret into the file inside this module, so that no variable or log ever holds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from playbooks.module_utils.closed_file import CLOSED, holds, put
    from playbooks.module_utils.documented import arguments
    from playbooks.module_utils.kube_api import KubeApi, connect
    from playbooks.module_utils.kube_login import Refusal
    from playbooks.module_utils.kube_objects import HIDDEN, HIDDEN_OTHER
    from playbooks.module_utils.secret_reading import read_secret
else:
    from ansible.module_utils.closed_file import CLOSED, holds, put
    from ansible.module_utils.documented import arguments
    from ansible.module_utils.kube_api import connect
    from ansible.module_utils.kube_login import Refusal
    from ansible.module_utils.kube_objects import HIDDEN, HIDDEN_OTHER
    from ansible.module_utils.secret_reading import read_secret

DOCUMENTATION = """
module: metaflow_config_file
short_description: Metaflow's config.json, with the token that a Secret holds
description:
  - Writes the settings as they are given. With a token the file is closed to others and follows the Secret.
  - A file that is there with other content is kept beside it.
options:
  kubeconfig: {description: The kubeconfig file., type: path, required: true}
  context: {description: The context in it. No other is ever used., type: str, required: true}
  settings: {description: Metaflow's settings., type: dict, required: true}
  token_namespace: {description: Where the Secret with the token is., type: str, required: true}
  token_name:
    description: The Secret whose key token is METAFLOW_SERVICE_AUTH_KEY. Empty where the service asks for none.
    type: str
    required: true
    no_log: false
  path: {description: The file to write., type: path, required: true}
"""

RETURN = """
path: {description: The file., type: str, returned: always}
backup_file: {description: Where the file was kept that had another content., type: str, returned: when there was one}
"""

ARGUMENTS = arguments(DOCUMENTATION)
SETTING = "METAFLOW_SERVICE_AUTH_KEY"
OPEN = 0o644


def read_token(api: KubeApi, params: Mapping[str, Any], *, check: bool) -> str | None:
    """The token; None in check mode while the Secret is still to be made. Raises Refusal."""
    held = read_secret(api, params["token_namespace"], params["token_name"], ["token"], check=check)
    return None if held is None else held["token"]


def text(settings: Mapping[str, Any]) -> str:
    """What the file holds."""
    return json.dumps(settings, indent=2, sort_keys=True) + "\n"


def shown(path: Path) -> str:
    """What the file holds now, without its token."""
    try:
        held = path.read_text(encoding="utf-8")
        settings = json.loads(held)
    except FileNotFoundError:
        return ""
    except ValueError:
        return f"{HIDDEN}\n"
    return text({**settings, SETTING: HIDDEN}) if isinstance(settings, dict) and SETTING in settings else held


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    params, path = module.params, Path(module.params["path"]).expanduser()
    settings, result = dict(params["settings"]), {}
    try:
        before, mode = shown(path), OPEN
        if params["token_name"]:
            api = connect(params["kubeconfig"], params["context"])
            settings[SETTING], mode = read_token(api, params, check=module.check_mode), CLOSED
        changed = not holds(path, text(settings), mode)
        if changed and not module.check_mode:
            if path.exists():
                result["backup_file"] = module.backup_local(str(path))
            put(path, text(settings), mode)
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    except OSError as error:
        module.fail_json(
            msg=f"{path}: cannot be written ({error.strerror}). Set tributary_client_dir to another folder."
        )
    if SETTING in settings:
        settings[SETTING] = HIDDEN_OTHER if SETTING in before and changed else HIDDEN
    names = {"before_header": str(path), "after_header": str(path)}
    module.exit_json(
        changed=changed,
        path=str(path),
        diff={**names, "before": before, "after": text(settings)} if changed else {},
        **result,
    )


if __name__ == "__main__":
    main()
