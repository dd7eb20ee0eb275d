"""Bringing one object to its wished state: the server is asked what it would do, and only then it is done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playbooks.module_utils.kube_api import ApiRefusal, KubeApi
    from playbooks.module_utils.kube_login import Refusal
    from playbooks.module_utils.kube_objects import Object, comparable, marked, title, why_not_ours, with_data
else:
    from ansible.module_utils.kube_api import ApiRefusal
    from ansible.module_utils.kube_login import Refusal
    from ansible.module_utils.kube_objects import comparable, marked, title, why_not_ours, with_data


@dataclass(frozen=True)
class Outcome:
    """What became of one object, or in check mode would: before and after, each None when it is not there."""

    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def changed(self) -> bool:
        return comparable(self.before) != comparable(self.after)


def present(
    api: KubeApi,
    definition: Mapping[str, Any],
    *,
    owner: Mapping[str, str],
    release_namespace: str = "",
    create_only: bool = False,
    check: bool,
) -> Outcome:
    """Make the object, or bring it to its definition; with create_only one that is there stays as it is.

    An object without the owner's labels, or of a release in another namespace, is somebody else's: Refusal.
    """
    wished = marked(with_data(definition), owner, release_namespace)
    metadata = wished["metadata"]
    found = api.get(wished["apiVersion"], wished["kind"], metadata.get("namespace"), metadata["name"])
    if found is not None and create_only:
        return Outcome(title(wished), found, found)
    if found is not None:
        _insist(found, why_not_ours(found, owner, release_namespace), "Rename yours, or delete that one")
    try:
        preview = Outcome(title(wished), found, (api.create if create_only else api.apply)(wished, dry_run=True))
    except ApiRefusal as refusal:
        # A first look at an empty cluster: the namespace would have been made by an earlier task.
        if check and refusal.status == 404 and refusal.about == "namespaces":
            return Outcome(title(wished), found, wished)
        raise
    if check or not preview.changed:
        return preview
    return _make(api, wished) if create_only else Outcome(title(wished), found, api.apply(wished))


def _make(api: KubeApi, wished: Object) -> Outcome:
    """Create, and be content with one that somebody else made in between."""
    try:
        return Outcome(title(wished), None, api.create(wished))
    except ApiRefusal as refusal:
        metadata = wished["metadata"]
        theirs = api.get(wished["apiVersion"], wished["kind"], metadata.get("namespace"), metadata["name"])
        if refusal.status != 409 or theirs is None:
            raise
        return Outcome(title(wished), theirs, theirs)


def absent(
    api: KubeApi,
    definition: Mapping[str, Any],
    *,
    owner: Mapping[str, str],
    release_namespace: str = "",
    leave_others: bool = False,
    check: bool,
    timeout: float,
) -> Outcome:
    """Take the object away and wait until it is gone. Refusal when it outlives the timeout.

    One that is somebody else's is a Refusal too, or with leave_others stays as it is.
    """
    metadata = definition["metadata"]
    place = (definition["apiVersion"], definition["kind"], metadata.get("namespace"), metadata["name"])
    found = api.get(*place)
    outcome = Outcome(title(definition), found, None)
    if found is None:
        return outcome
    not_ours = why_not_ours(found, owner, release_namespace)
    if leave_others and not_ours:
        return Outcome(title(definition), found, found)
    _insist(found, not_ours, "Delete it yourself if it is not needed")
    api.delete(definition, dry_run=check)
    if check:
        return outcome
    deadline = time.monotonic() + timeout
    while (left := api.get(*place)) is not None and left["metadata"].get("uid") == found["metadata"].get("uid"):
        if time.monotonic() > deadline:
            waits = ", ".join(left["metadata"].get("finalizers") or []) or "what it owns"
            raise Refusal(
                f"{outcome.name}: still there after {timeout:.0f} s, it waits for {waits}. Look at its events."
            )
        time.sleep(0.5)
    return outcome


def _insist(found: Mapping[str, Any], not_ours: str, remedy: str) -> None:
    if not_ours:
        raise Refusal(f"{title(found)}: exists and is not ours, {not_ours}. {remedy}.")
