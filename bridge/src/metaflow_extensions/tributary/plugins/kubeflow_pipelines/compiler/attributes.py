"""The laws of attributes' values: what Kubernetes or Metaflow would choke on later is named before anything is sent.

Metaflow checks some of these too, one at a time and at the first step that has one; here all are found together.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..support import IMAGE_PULL_POLICIES
from .ir import Decorator, Flow, Step, Target
from .problem import Problem

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_SHOWN_CHARACTERS = 60

TOLERATION_KEYS = ("key", "operator", "value", "effect", "toleration_seconds")
TOLERATION_OPERATORS = ("Exists", "Equal")
TOLERATION_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@dataclass(frozen=True)
class Form:
    """What a value must be: a test of it, the words for it, and an example of what to write."""

    fits: Callable[[Any], bool]
    words: str
    example: str


def well_formed(flow: Flow, target: Target) -> Iterator[Problem]:
    """Every attribute of a known decorator has a value of its form."""
    of_steps = ((place(step), decorator) for step in flow.steps.values() for decorator in step.decorators)
    for where, decorator in (*of_steps, *((str(flow.place), each) for each in flow.decorators)):
        for name, form in FORMS.get(decorator.name, {}).items():
            value = decorator.attributes.get(name)
            if value is not None and not form.fits(value):
                yield Problem(where, f"{shown(decorator, name)} is not {form.words}", f"Write {form.example}")


def initialised(flow: Flow) -> Iterator[Problem]:
    """Metaflow could read every decorator's attributes. What it said of those that it could not."""
    for step in flow.steps.values():
        for decorator in step.decorators:
            if decorator.mistake is not None:
                yield Problem(place(step), f"@{decorator.name}: {decorator.mistake}", "Correct it")
    for decorator in flow.decorators:
        if decorator.mistake is not None:
            yield Problem(str(flow.place), f"@{decorator.name}: {decorator.mistake}", "Correct it")


def existing(flow: Flow) -> Iterator[Problem]:
    """No decorator was given an attribute that it does not have."""
    of_steps = ((place(step), decorator) for step in flow.steps.values() for decorator in step.decorators)
    for where, decorator in (*of_steps, *((str(flow.place), each) for each in flow.decorators)):
        instead = (
            f"Use one of {', '.join(decorator.attributes)}" if decorator.attributes else "Remove it, there are none"
        )
        for name in decorator.unknown:
            yield Problem(where, f"@{decorator.name}({name}=…): there is no such attribute", instead)


def place(step: Step) -> str:
    """Where a step stands."""
    return f"{step.place}: step {step.name!r}"


def of_flow(flow: Flow) -> str:
    """Where the flow stands."""
    return f"{flow.place}: flow {flow.name!r}"


def shown(decorator: Decorator, name: str) -> str:
    """An attribute as the user wrote it. What @secrets was given is not repeated."""
    if decorator.name == "secrets":
        return f"@{decorator.name}({name}=…)"
    text = repr(decorator.attributes[name])
    return f"@{decorator.name}({name}={text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + '…'})"


def is_number(value: Any, least: float = 0.0) -> bool:
    """Whether the value, or the text of it, is a number from `least` on."""
    try:
        return not isinstance(value, bool) and least <= float(value) < float("inf")
    except (TypeError, ValueError):
        return False


def is_whole(value: Any, least: int = 0) -> bool:
    """Whether the value, or the text of it, is a whole number from `least` on."""
    return is_number(value, least) and float(value).is_integer()


def _above_zero(value: Any) -> bool:
    return is_number(value) and float(value) > 0


def _name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _names(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(map(_name, value))


def _path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/") and value != "/" and ":" not in value


def _pairs(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(key, str) and not isinstance(each, (Mapping, list, tuple)) for key, each in value.items()
    )


def _security_context(value: Any) -> bool:
    """Of the keys that Kubeflow Pipelines knows; what else is there has a check of its own."""
    if not _pairs(value):
        return False
    ids = [value.get(key) for key in ("run_as_user", "run_as_group")]
    non_root = value.get("run_as_non_root")
    return all(each is None or is_whole(each) for each in ids) and (non_root is None or isinstance(non_root, bool))


def _toleration(value: Any) -> bool:
    if not isinstance(value, Mapping) or not set(value) <= set(TOLERATION_KEYS):
        return False
    seconds = value.get("toleration_seconds")
    return (
        value.get("operator", "Equal") in TOLERATION_OPERATORS
        and value.get("effect", TOLERATION_EFFECTS[0]) in TOLERATION_EFFECTS
        and (seconds is None or is_whole(seconds))
    )


def _one_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: str(value).lower() in (word.lower() for word in words)


_TEXT = Form(lambda value: isinstance(value, str), "a text", "it between quotes")
_CPU = Form(_above_zero, "a number above 0", "cpus as a number, such as cpu=2 or cpu=0.5")
_MEMORY = Form(_above_zero, "a number above 0", "megabytes as a number, such as memory=4096")
_DISK = Form(_above_zero, "a number above 0", "megabytes as a number, such as disk=10240")
_GPU = Form(is_whole, "a whole number", "how many, such as gpu=1")
_SHARED_MEMORY = Form(lambda value: is_whole(value, 1), "a whole number above 0", "mebibytes, such as shared_memory=64")

_ENVIRONMENT = {
    "packages": Form(_pairs, "a dictionary of packages", "packages={'name': 'version'}"),
    "python": _TEXT,
}

FORMS: Mapping[str, Mapping[str, Form]] = {
    "kubernetes": {
        "cpu": _CPU,
        "memory": _MEMORY,
        "disk": _DISK,
        "gpu": _GPU,
        "gpu_vendor": Form(_one_of("nvidia", "amd"), "nvidia or amd", "gpu_vendor='nvidia' or gpu_vendor='amd'"),
        "image_pull_policy": Form(
            lambda value: value in IMAGE_PULL_POLICIES,
            f"one of {', '.join(IMAGE_PULL_POLICIES)}",
            "one of them",
        ),
        "image_pull_secrets": Form(
            _names, "a list of Secrets' names", "a list, such as image_pull_secrets=['registry']"
        ),
        "service_account": Form(_name, "a service account's name", "service_account='name'"),
        "secrets": Form(
            lambda value: _name(value) or _names(value), "a list of Secrets' names", "a list, such as secrets=['name']"
        ),
        "node_selector": Form(_pairs, "a dictionary of labels", "node_selector={'label': 'value'}"),
        "tolerations": Form(
            lambda value: isinstance(value, (list, tuple)) and all(map(_toleration, value)),
            f"a list of dictionaries with {', '.join(TOLERATION_KEYS)}",
            "tolerations=[{'key': 'gpu', 'operator': 'Exists', 'effect': 'NoSchedule'}]",
        ),
        "labels": Form(_pairs, "a dictionary of texts", "labels={'name': 'value'}"),
        "annotations": Form(_pairs, "a dictionary of texts", "annotations={'name': 'value'}"),
        "tmpfs_size": Form(
            lambda value: is_whole(value, 1), "a whole number above 0", "mebibytes, such as tmpfs_size=64"
        ),
        "tmpfs_path": Form(_path, "an absolute path", "a folder, such as tmpfs_path='/scratch'"),
        "persistent_volume_claims": Form(
            lambda value: isinstance(value, Mapping) and all(map(_name, value)) and all(map(_path, value.values())),
            "a dictionary from claims to absolute paths",
            "persistent_volume_claims={'claim': '/data'}",
        ),
        "shared_memory": _SHARED_MEMORY,
        "qos": Form(_one_of("Guaranteed", "Burstable"), "Guaranteed or Burstable", "one of them"),
        "extended_resources": Form(
            lambda value: _pairs(value) and all(map(is_whole, value.values())),
            "a dictionary from resources to whole numbers",
            "extended_resources={'vendor.com/device': 1}",
        ),
        "security_context": Form(
            _security_context,
            "a dictionary with whole numbers for ids and True or False for run_as_non_root",
            "security_context={'run_as_user': 1000, 'run_as_non_root': True}",
        ),
        "hostname_resolution_timeout": Form(
            is_whole, "a whole number", "seconds, such as hostname_resolution_timeout=600"
        ),
        "executable": Form(
            lambda value: isinstance(value, str) and bool(value.strip()),
            "a program",
            "executable='/opt/venv/bin/python'",
        ),
    },
    "resources": {"cpu": _CPU, "memory": _MEMORY, "disk": _DISK, "gpu": _GPU, "shared_memory": _SHARED_MEMORY},
    "retry": {
        "times": Form(is_whole, "a whole number", "how often, such as times=2"),
        "minutes_between_retries": Form(is_whole, "a whole number", "minutes_between_retries=1, or 0 for at once"),
    },
    "timeout": {
        unit: Form(is_whole, "a whole number", f"{unit} as a number, such as {unit}=10")
        for unit in ("seconds", "minutes", "hours")
    },
    "catch": {
        "var": Form(
            lambda value: isinstance(value, str) and value.isidentifier(),
            "the name of an artifact",
            "a name, such as var='failure'",
        )
    },
    "conda": _ENVIRONMENT,
    "pypi": _ENVIRONMENT,
    "conda_base": _ENVIRONMENT,
    "pypi_base": _ENVIRONMENT,
    "project": {"name": _TEXT},
    "schedule": {"cron": _TEXT},
    "pytorch_parallel": {
        "master_port": Form(lambda value: is_whole(value, 1), "a whole number above 0", "a port, such as 3339")
    },
    "environment": {"vars": Form(_pairs, "a dictionary of texts", "vars={'NAME': 'value'}")},
    "secrets": {
        "sources": Form(
            lambda value: isinstance(value, (list, tuple)) and all(isinstance(each, (str, Mapping)) for each in value),
            "a list of names and dictionaries",
            "sources=['backend.name']",
        )
    },
    "card": {
        "type": _TEXT,
        "id": _TEXT,
        "options": Form(lambda value: isinstance(value, Mapping), "a dictionary", "options={'name': 'value'}"),
        "timeout": Form(_above_zero, "a number above 0", "seconds, such as timeout=45"),
        "refresh_interval": Form(_above_zero, "a number above 0", "seconds, such as refresh_interval=5"),
    },
}
