"""What a step's pod mounts. Kubeflow Pipelines names a volume after the object in it, so two objects of one name, or
one whose name is no volume's name, make a pod that Kubernetes refuses.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from . import pods
from .attributes import FORMS, place
from .ir import Flow, Step, Target
from .problem import Problem

_VOLUME_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

# Where and by what names Kubeflow Pipelines 2.14 and Argo mount what they need themselves.
_TAKEN_PATHS = ("/gcs", "/kfp-launcher", "/minio", "/s3", "/var/run/argo", "/var/run/tributary")
_TAKEN_NAMES = (
    "dot-cache-scratch",
    "dot-config-scratch",
    "dot-local-scratch",
    "gcs-scratch",
    "kfp-launcher",
    "minio-scratch",
    "s3-scratch",
    "tmp-dir-argo",
    "var-run-argo",
)


@dataclass(frozen=True)
class Mount:
    """One volume of a pod: whose it is, in words, its name, and where it is mounted."""

    whose: str
    name: str
    path: str


def mounts(step: Step, target: Target) -> Iterator[Mount]:
    """All that the step's pod mounts by our wish."""
    if target.steps_config:
        yield Mount(f"ConfigMap {target.steps_config!r} with Metaflow's config", target.steps_config, pods.CONFIG_MOUNT)
    decorator = step.decorator("kubernetes")
    asked = decorator.attributes if decorator else {}
    for secret, path in pods.secret_mounts(asked, target):
        yield Mount(f"Secret {secret!r}", secret, path)
    for claim, path in (asked.get("persistent_volume_claims") or {}).items():
        yield Mount(f"claim {claim!r}", claim, path)
    for each in pods.memory_mounts(asked):
        yield Mount(f"memory at {each['mountPath']}", each["volumeName"], each["mountPath"])


def distinct_volumes(flow: Flow, target: Target) -> Iterator[Problem]:
    """Every volume has a name of its own that Kubernetes takes, and a place of its own."""
    for step in flow.steps.values():
        if not _readable(step):
            continue
        found = list(mounts(step, target))
        names, paths = Counter(each.name for each in found), Counter(each.path.rstrip("/") for each in found)
        for each in found:
            if not _VOLUME_NAME.fullmatch(each.name):
                yield Problem(
                    place(step),
                    f"{each.whose} cannot be mounted: Kubeflow Pipelines names the pod's volume after it, "
                    "and a volume's name has at most 63 letters, digits and '-'",
                    "Use an object of another name",
                )
        for name in sorted(name for name, count in names.items() if count > 1 or name in _TAKEN_NAMES):
            whose = [each.whose for each in found if each.name == name]
            whose += ["a volume of Kubeflow Pipelines itself"] if name in _TAKEN_NAMES else []
            yield Problem(
                place(step),
                f"{' and '.join(whose)} would be volumes of one name, {name!r}, in the pod",
                "Use an object of another name",
            )
        for path in sorted(path for path, count in paths.items() if count > 1 or path in _TAKEN_PATHS):
            whose = [each.whose for each in found if each.path.rstrip("/") == path]
            whose += ["what Kubeflow Pipelines mounts itself"] if path in _TAKEN_PATHS else []
            if path != pods.CONFIG_MOUNT:
                yield Problem(place(step), f"{' and '.join(whose)} would be mounted at {path}", "Use another path")


def _readable(step: Step) -> bool:
    """Whether @kubernetes's values have their forms, without which there is nothing to mount."""
    decorator = step.decorator("kubernetes")
    wanted = ("secrets", "persistent_volume_claims", "tmpfs_size", "tmpfs_path", "shared_memory")
    return decorator is None or all(
        decorator.attributes.get(name) is None or FORMS["kubernetes"][name].fits(decorator.attributes[name])
        for name in wanted
    )
