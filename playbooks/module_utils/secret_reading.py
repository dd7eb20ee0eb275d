"""Values that are read out of a Secret of the cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playbooks.module_utils.kube_api import KubeApi
    from playbooks.module_utils.kube_login import Refusal
    from playbooks.module_utils.kube_objects import decoded
else:
    from ansible.module_utils.kube_login import Refusal
    from ansible.module_utils.kube_objects import decoded


def read_secret(api: KubeApi, namespace: str, name: str, keys: Iterable[str], *, check: bool) -> dict[str, str] | None:
    """The Secret's values, in which each of the keys has one; None in check mode while it is still to be made.

    Raises Refusal for a Secret that is not there, and for keys that it lacks.
    """
    secret = api.get("v1", "Secret", namespace, name)
    if secret is None:
        if check:
            return None
        raise Refusal(f"Secret {namespace}/{name}: is not there to be read. Make it with the role credentials.")
    held = decoded(secret)
    if lacking := [key for key in keys if not held.get(key)]:
        raise Refusal(f"Secret {namespace}/{name}: lacks {', '.join(lacking)}. Add it, or name another Secret.")
    return held
