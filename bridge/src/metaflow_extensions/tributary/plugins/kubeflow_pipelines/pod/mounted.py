"""Secrets that the pipeline mounts as files, as the variables that Metaflow's own jobs would have of them."""

import os
from collections.abc import Iterable
from pathlib import Path

# One folder a Secret below this one, called 0, 1 and so on: a later one wins where two have a key in common.
SECRETS_MOUNT = "/var/run/tributary/secrets"

# What the pod's spec sets itself. Kubernetes lets that win over the keys of a Secret.
_OF_THE_POD = ("TRIBUTARY_", "KFP_")
_OF_THE_LINK = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "METAFLOW_SERVICE_AUTH_KEY")


def variables(root: Path, already: Iterable[str]) -> dict[bytes, bytes]:
    """Every key of every mounted Secret as a variable, its value byte for byte. `already` names the variables that the
    process has: the pod's own are left alone.
    """
    kept = {name for name in already if name.startswith(_OF_THE_POD) or name in _OF_THE_LINK}
    found: dict[bytes, bytes] = {}
    for folder in sorted(root.glob("*"), key=lambda each: int(each.name)):
        # Kubernetes keeps the files in a folder whose name begins with two dots, which no key's name does.
        files = (each for each in folder.iterdir() if not each.name.startswith("..") and each.is_file())
        found |= {os.fsencode(each.name): each.read_bytes() for each in files if each.name not in kept}
    # A variable cannot hold a zero byte, as keystores and the like do.
    return {name: value for name, value in found.items() if b"\0" not in value}
