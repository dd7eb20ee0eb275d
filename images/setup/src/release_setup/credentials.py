"""The Secrets of a release, each made only where it is absent.

A value that exists is never changed here: pods run with it, and rotation is a task of its own. That makes the Job safe
under `helm upgrade` and under Argo CD, which both run it again and again.
"""

import json
import secrets
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from release_setup.api_server import ApiServer
from release_setup.errors import Refused

Kind = Literal["fixed", "access-key", "password"]

ACCESS_KEY_LENGTH = 20  # the longest that MinIO takes
PASSWORD_LENGTH = 40  # the longest secret key that MinIO takes

LABELS = {"app.kubernetes.io/managed-by": "tributary", "app.kubernetes.io/part-of": "tributary"}
# Argo CD did not make these Secrets; without this it would offer to remove them, or call the application out of step.
ANNOTATIONS = {
    "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
    "argocd.argoproj.io/sync-options": "Prune=false",
}


@dataclass(frozen=True)
class Key:
    """One entry of a Secret. `value` is what a key of kind fixed holds; the other kinds get a random one."""

    name: str
    kind: Kind
    value: str = ""


@dataclass(frozen=True)
class Wanted:
    """A Secret that must exist, with these keys at least."""

    name: str
    keys: tuple[Key, ...]


def wanted_secrets(text: str) -> tuple[Wanted, ...]:
    """Read `[{"name": …, "keys": [{"name": …, "kind": "fixed" | "access-key" | "password", "value": …}]}]`.

    Raises Refused with every fault of the text.
    """
    try:
        items = json.loads(text)
    except json.JSONDecodeError as error:
        raise Refused(f"TRIBUTARY_SECRETS: is not JSON ({error}). Give a list of Secrets with their keys.") from None
    if not isinstance(items, list) or not items:
        raise Refused("TRIBUTARY_SECRETS: holds no list of Secrets. Give at least one with its keys.")
    if problems := [problem for place, item in enumerate(items) for problem in _problems(place, item)]:
        raise Refused(*problems)
    return tuple(
        Wanted(
            item["name"], tuple(Key(key["name"], cast(Kind, key["kind"]), key.get("value", "")) for key in item["keys"])
        )
        for item in items
    )


def make(api: ApiServer, wanted: Iterable[Wanted], say: Callable[[str], None]) -> None:
    """Make what is absent and leave the rest alone. Raises Away, and Refused for Secrets that lack a key."""
    problems = []
    for secret in wanted:
        needed = frozenset(key.name for key in secret.keys)
        held = api.secret_keys(secret.name)
        if held is None:
            if api.create_secret(_manifest(secret)):
                say(f"Secret {secret.name}: made with {_listed(needed)}.")
                continue
            # Another maker was faster; its Secret is checked like any that was there before.
            held = api.secret_keys(secret.name) or frozenset()
        if missing := needed - held:
            problems.append(
                f"Secret {secret.name}: lacks {_listed(missing)}. Add it, or delete the Secret so that it is made anew."
            )
        else:
            say(f"Secret {secret.name}: is there and stays as it is.")
    if problems:
        raise Refused(*problems)


def _problems(place: int, item: object) -> Iterator[str]:
    where = f"TRIBUTARY_SECRETS[{place}]"
    match item:
        case {"name": str(), "keys": [_, *_] as keys}:
            for key in keys:
                match key:
                    case {"name": str(), "kind": "access-key" | "password"} | {
                        "name": str(),
                        "kind": "fixed",
                        "value": str(),
                    }:
                        pass
                    case _:
                        yield f"{where}: has a key without name or kind. Use fixed and a value, access-key or password."
        case _:
            yield f"{where}: has no name or no keys. Give both."


def _manifest(secret: Wanted) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": secret.name, "labels": LABELS, "annotations": ANNOTATIONS},
        "stringData": {key.name: _value(key) for key in secret.keys},
    }


def _value(key: Key) -> str:
    match key.kind:
        case "fixed":
            return key.value
        case "access-key":
            return _random(string.ascii_uppercase + string.digits, ACCESS_KEY_LENGTH)
        case "password":
            # Letters and digits only: the value passes through URLs, connection strings and shells of other programs.
            return _random(string.ascii_letters + string.digits, PASSWORD_LENGTH)


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))
