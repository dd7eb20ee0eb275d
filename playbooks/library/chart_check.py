"""Ansible module: find what is wrong with Helm, the values and the release name. Asks no cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from playbooks.module_utils.documented import arguments
    from playbooks.module_utils.helm_cli import Helm, HelmRefusal, merged, written
else:
    from ansible.module_utils.documented import arguments
    from ansible.module_utils.helm_cli import Helm, HelmRefusal, merged, written

DOCUMENTATION = """
module: chart_check
short_description: Check Helm, the values and the release name against a chart
description:
  - Renders the chart without a cluster. Gives all problems as sentences and does not fail by itself.
options:
  helm: {description: The helm binary., type: str, default: helm}
  minimum_helm: {description: The oldest Helm that will do., type: str, required: true}
  kubernetes: {description: The version of Kubernetes to render for., type: str, required: true}
  name: {description: The release name., type: str, required: true}
  namespace: {description: The namespace., type: str, required: true}
  chart: {description: The folder or archive of the chart., type: path, required: true}
  values:
    description: Paths of values files and mappings of values. Later ones win.
    type: list
    elements: raw
    default: []
"""

RETURN = """
problems: {description: What is wrong in sentences., type: list, returned: always}
kinds: {description: Each rendered kind with its api_version., type: list, returned: always}
values: {description: The values of chart and files as helm lays them over each other., type: dict, returned: always}
storage_classes: {description: Those that volumes ask for. Empty text is the default one., type: list, returned: always}
"""

ARGUMENTS = arguments(DOCUMENTATION)

# The chart is rendered under this name, so that a bad release name does not hide what is wrong with the values.
STAND_IN = "r"
LONGEST_RELEASE = 53


def version_problem(version: str, minimum: str) -> list[str]:
    """The version is too old, or nothing."""
    if _numbers(version) < _numbers(minimum):
        return [f"helm: version {version} is too old. Install {minimum} or later, or set tributary_helm to it."]
    return []


def name_problems(name: str) -> list[str]:
    """What Helm would refuse as a release name, or nothing. The chart knows how much room its own names need."""
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        return [
            f"Release {name!r}: not a name. "
            "Set tributary_release to lower case letters, digits and '-', a letter first."
        ]
    if len(name) > LONGEST_RELEASE:
        return [
            f"Release {name!r}: {len(name)} characters are too many, Helm allows {LONGEST_RELEASE}. "
            "Set tributary_release to a shorter name."
        ]
    return []


def storage_classes(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    """The storage classes that the volumes ask for; empty text where they leave it to the cluster."""
    claims = [each for each in objects if each["kind"] == "PersistentVolumeClaim"]
    for each in objects:
        claims += each.get("spec", {}).get("volumeClaimTemplates") or [] if each["kind"] == "StatefulSet" else []
    return sorted({claim["spec"].get("storageClassName") or "" for claim in claims})


def effective_values(helm: Helm, chart: str, files: Sequence[str]) -> dict[str, Any]:
    """The values as helm lays them over each other. For files that helm itself has read without complaint."""
    values = helm.default_values(chart)
    for file in files:
        values = merged(values, yaml.safe_load(Path(file).read_text(encoding="utf-8")) or {})
    return values


def check(params: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The result of the module; mappings of values are written to the folder for helm."""
    helm = Helm(params["helm"], params["namespace"])
    files = written(params["values"], folder)
    problems = name_problems(params["name"])
    objects: list[dict[str, Any]] = []
    values: dict[str, Any] = {}
    try:
        problems += version_problem(helm.version(), params["minimum_helm"])
        objects = helm.template(STAND_IN, params["chart"], files, params["kubernetes"])
        values = effective_values(helm, params["chart"], files)
        if not name_problems(params["name"]):
            helm.template(params["name"], params["chart"], files, params["kubernetes"])
    except HelmRefusal as refusal:
        problems += refusal.problems
    kinds = sorted({(each["apiVersion"], each["kind"]) for each in objects})
    return {
        "problems": problems,
        "kinds": [{"api_version": api_version, "kind": kind} for api_version, kind in kinds],
        "storage_classes": storage_classes(objects),
        "values": values,
    }


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **check(module.params, Path(module.tmpdir)))


if __name__ == "__main__":
    main()
