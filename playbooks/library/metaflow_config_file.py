"""Ansible module: Metaflow's config.json, with the token that a Secret holds.

The token goes from the Secret into the file inside this module, so that no variable or log ever holds it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
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
  - Brings the settings in the file to what is given, and leaves those that are not ours as they are.
  - With a token, or with settings that are not ours, the file is closed to others. Their values are never printed.
  - A file that is there and not by us is kept beside it, closed to others.
options:
  kubeconfig: {description: The kubeconfig file., type: path, required: true}
  context: {description: The context in it. No other is ever used., type: str, required: true}
  settings:
    description: All of Metaflow's settings that are ours. One whose value is empty is taken out of the file.
    type: dict
    required: true
  may_lack:
    description: Those of them without which a file may be ours all the same.
    type: list
    elements: str
    default: []
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


def read(path: Path) -> dict[str, Any] | None:
    """The settings in the file; None where there is no file. Raises ValueError for what is no mapping of settings."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if not isinstance(found, dict):
        raise ValueError("no settings")
    return found


def is_ours(found: Mapping[str, Any], settings: Mapping[str, Any], may_lack: Iterable[str]) -> bool:
    """Whether we wrote these settings: nobody else sets each and every one of them."""
    return found.keys() >= settings.keys() - set(may_lack)


def shown(found: Mapping[str, Any], settings: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """The settings as they may be printed: of the token and of what is not ours only the names."""

    def hidden(name: str) -> str:
        return HIDDEN_OTHER if name in before and before[name] != found[name] else HIDDEN

    return text({name: value if name in settings else hidden(name) for name, value in found.items()})


class ConfigFile:
    """The file as it stands, and as it should be. Raises OSError."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._settings = settings
        self.strange = False
        try:
            self.found = read(path)
        except ValueError:
            self.found, self.strange = {}, True
        found = self.found or {}
        theirs = {name: value for name, value in found.items() if name not in {*settings, SETTING}}
        self.wished = theirs | {name: value for name, value in settings.items() if value != ""}
        # Nobody can tell what other settings hold; a login's cookies may be among them.
        self.mode = CLOSED if theirs else OPEN

    def with_token(self, token: str | None) -> None:
        """Add the token, and close the file."""
        self.wished[SETTING], self.mode = token, CLOSED

    @property
    def changed(self) -> bool:
        return not holds(self.path, text(self.wished), self.mode)

    def is_of_others(self, may_lack: Iterable[str]) -> bool:
        """Whether somebody else wrote what stands there."""
        return self.strange or (self.found is not None and not is_ours(self.found, self._settings, may_lack))

    def difference(self) -> dict[str, str]:
        """What Ansible prints under --diff."""
        found = self.found or {}
        before = "" if self.found is None else shown(found, self._settings, found)
        names = {"before_header": str(self.path), "after_header": str(self.path)}
        return {
            **names,
            "before": f"{HIDDEN}\n" if self.strange else before,
            "after": shown(self.wished, self._settings, found),
        }


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    params, path = module.params, Path(module.params["path"]).expanduser()
    result = {}
    try:
        file = ConfigFile(path, params["settings"])
        if params["token_name"]:
            api = connect(params["kubeconfig"], params["context"])
            file.with_token(read_token(api, params, check=module.check_mode))
        changed = file.changed
        if changed and not module.check_mode:
            if file.is_of_others(params["may_lack"]):
                result["backup_file"] = module.backup_local(str(path))
                os.chmod(result["backup_file"], CLOSED)
            put(path, text(file.wished), file.mode)
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    except OSError as error:
        module.fail_json(
            msg=f"{path}: cannot be written ({error.strerror}). Set tributary_client_dir to another folder."
        )
    module.exit_json(changed=changed, path=str(path), diff=file.difference() if changed else {}, **result)


if __name__ == "__main__":
    main()
