"""Ansible module: an AWS credentials file with the key that a Secret holds.

The key goes from the Secret into the file inside this module, so that no variable or log ever holds it.
"""

from __future__ import annotations

import configparser
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from playbooks.module_utils.closed_file import holds, put
    from playbooks.module_utils.documented import arguments
    from playbooks.module_utils.kube_api import KubeApi, connect
    from playbooks.module_utils.kube_login import Refusal
    from playbooks.module_utils.kube_objects import HIDDEN, HIDDEN_OTHER
    from playbooks.module_utils.secret_reading import read_secret
else:
    from ansible.module_utils.closed_file import holds, put
    from ansible.module_utils.documented import arguments
    from ansible.module_utils.kube_api import connect
    from ansible.module_utils.kube_login import Refusal
    from ansible.module_utils.kube_objects import HIDDEN, HIDDEN_OTHER
    from ansible.module_utils.secret_reading import read_secret

DOCUMENTATION = """
module: aws_credentials_file
short_description: An AWS credentials file with the key that a Secret holds
description:
  - Writes the profile default of a shared credentials file with mode 0600 and follows the Secret.
options:
  kubeconfig: {description: The kubeconfig file., type: path, required: true}
  context: {description: The context in it. No other is ever used., type: str, required: true}
  source_namespace: {description: Where the Secret is., type: str, required: true}
  source_name: {description: The name of the Secret., type: str, required: true}
  access_key:
    description: The key of the Secret with the access key.
    type: str
    default: access-key
    no_log: false
  secret_key:
    description: The key of the Secret with the secret key.
    type: str
    default: secret-key
    no_log: false
  path: {description: The file to write., type: path, required: true}
"""

RETURN = """
path: {description: The file., type: str, returned: always}
"""

ARGUMENTS = arguments(DOCUMENTATION)


def content(access_key: str, secret_key: str) -> str:
    """The text of the file."""
    # Values may hold a percent sign, which the parser would else take for a reference.
    parser = configparser.ConfigParser(interpolation=None)
    parser["default"] = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key}
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def wished(api: KubeApi, params: Mapping[str, Any], *, check: bool) -> str | None:
    """The text the file should have; None in check mode while the Secret is still to be made."""
    keys = (params["access_key"], params["secret_key"])
    held = read_secret(api, params["source_namespace"], params["source_name"], keys, check=check)
    return None if held is None else content(*(held[key] for key in keys))


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    path = Path(module.params["path"]).expanduser()
    try:
        api = connect(module.params["kubeconfig"], module.params["context"])
        text = wished(api, module.params, check=module.check_mode)
        changed = not holds(path, text)
        existed = path.exists()
        if changed and not module.check_mode and text is not None:
            put(path, text)
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    except OSError as error:
        module.fail_json(
            msg=f"{path}: cannot be written ({error.strerror}). Set tributary_client_dir to another folder."
        )
    before, after = (f"{HIDDEN}\n" if existed else ""), f"{HIDDEN_OTHER if existed else HIDDEN}\n"
    names = {"before_header": str(path), "after_header": str(path)}
    module.exit_json(
        changed=changed, path=str(path), diff={**names, "before": before, "after": after} if changed else {}
    )


if __name__ == "__main__":
    main()
