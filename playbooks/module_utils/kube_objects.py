"""What can be said of Kubernetes objects without asking: titles, ownership, what differs, what must not be shown."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

HIDDEN = "(hidden)"
HIDDEN_OTHER = "(hidden, another than before)"
# The server's own bookkeeping: it changes without anybody having changed the object.
BOOKKEEPING = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Says in which namespace its release is. What an earlier version made lacks it.
RELEASE_NAMESPACE = "tributary/release-namespace"

Object = dict[str, Any]


def title(definition: Mapping[str, Any]) -> str:
    """Kind, namespace and name, such as 'Secret tributary/tributary-database'."""
    metadata = definition.get("metadata", {})
    namespace = metadata.get("namespace")
    return f"{definition.get('kind')} {namespace + '/' if namespace else ''}{metadata.get('name')}"


def encoded(values: Mapping[str, str]) -> dict[str, str]:
    """Plain values as a Secret's data holds them."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def decoded(secret: Mapping[str, Any]) -> dict[str, str]:
    """A Secret's data as plain values."""
    return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}


def with_data(definition: Mapping[str, Any]) -> Object:
    """A Secret with its stringData moved into data, which server-side apply can own and compare; others as they are."""
    changed = copy.deepcopy(dict(definition))
    if changed.get("kind") == "Secret" and "stringData" in changed:
        changed["data"] = {**changed.get("data", {}), **encoded(changed.pop("stringData"))}
    return changed


def marked(definition: Mapping[str, Any], owner: Mapping[str, str], release_namespace: str = "") -> Object:
    """The definition with the owner's labels added, and the namespace of its release where one is given."""
    changed = copy.deepcopy(dict(definition))
    metadata = changed.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **owner}
    if release_namespace:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), RELEASE_NAMESPACE: release_namespace}
    return changed


def is_ours(found: Mapping[str, Any], owner: Mapping[str, str]) -> bool:
    """Whether the object carries all labels of the owner."""
    labels = found.get("metadata", {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in owner.items())


def release_namespace_of(found: Mapping[str, Any]) -> str:
    """The namespace that the object names as its release's; empty when it names none."""
    return str((found.get("metadata", {}).get("annotations") or {}).get(RELEASE_NAMESPACE, ""))


def why_not_ours(found: Mapping[str, Any], owner: Mapping[str, str], release_namespace: str = "") -> str:
    """What tells in words that the object is somebody else's; empty for ours.

    One with all labels of the owner is of another release of the same name when it names another namespace than the
    one given. One that names none is ours.
    """
    if not is_ours(found, owner):
        return "it lacks " + ", ".join(f"{key}={value}" for key, value in owner.items())
    named = release_namespace_of(found)
    if release_namespace and named not in ("", release_namespace):
        return f"it is of a release in namespace {named!r}"
    return ""


def comparable(found: Mapping[str, Any] | None) -> Object | None:
    """The object without the server's bookkeeping and without its status."""
    if found is None:
        return None
    kept = copy.deepcopy({key: value for key, value in found.items() if key != "status"})
    for field in BOOKKEEPING:
        kept.get("metadata", {}).pop(field, None)
    return kept


def shown(found: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Object:
    """The object as it may be printed: a Secret without values. With `before`, what differs from it says so."""
    kept = comparable(found) or {}
    if kept.get("kind") != "Secret":
        return kept
    earlier = (before or {}).get("data") or {}
    for field in ("data", "stringData"):
        if field in kept:
            kept[field] = {
                key: HIDDEN_OTHER if key in earlier and earlier[key] != value else HIDDEN
                for key, value in (kept[field] or {}).items()
            }
    (kept.get("metadata", {}).get("annotations") or {}).pop(LAST_APPLIED, None)
    return kept


def without(found: Mapping[str, Any], hidden: Iterable[str]) -> Object:
    """The object without the fields named by dotted paths, such as metadata.managedFields."""
    kept = copy.deepcopy(dict(found))
    for path in hidden:
        *parents, last = path.split(".")
        place: Any = kept
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.pop(last, None)
    return kept


def difference(name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, str]:
    """What Ansible prints under --diff, without the values of Secrets."""
    return {
        "before_header": name,
        "after_header": name,
        "before": "" if before is None else _text(shown(before)),
        "after": "" if after is None else _text(shown(after, before)),
    }


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as such, so that a diff of a file in a ConfigMap goes by lines."""


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _string)


def _text(found: Object) -> str:
    return str(yaml.dump(found, Dumper=_Dumper))
