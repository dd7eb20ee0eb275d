"""Ansible module: a Helm release is as its chart and values say, and its pods are ready; or it is gone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from playbooks.module_utils.documented import arguments
    from playbooks.module_utils.helm_cli import Helm, HelmRefusal, Release, written
    from playbooks.module_utils.kube_api import KubeApi, connect
    from playbooks.module_utils.kube_login import Refusal
    from playbooks.module_utils.kube_objects import difference, title
    from playbooks.module_utils.release_watch import Lost, Watch
else:
    from ansible.module_utils.documented import arguments
    from ansible.module_utils.helm_cli import Helm, HelmRefusal, written
    from ansible.module_utils.kube_api import connect
    from ansible.module_utils.kube_login import Refusal
    from ansible.module_utils.kube_objects import difference, title
    from ansible.module_utils.release_watch import Watch

DOCUMENTATION = """
module: helm_release
short_description: A Helm release is as its chart and values say, and ready
description:
  - Changes something only when rendered objects, hooks or values differ from what is deployed, when an object of it
    has gone, when a Job of it has failed, or when its status is not deployed. One that failed or was cut off is
    repaired, and a Job that failed is made anew.
  - Waits until every workload is ready. When one does not get ready, says which, and why.
options:
  kubeconfig: {description: The kubeconfig file., type: path, required: true}
  context: {description: The context in it. No other is ever used., type: str, required: true}
  helm: {description: The helm binary., type: str, default: helm}
  state: {description: Whether the release shall be there., type: str, choices: [present, absent], default: present}
  name: {description: The name of the release., type: str, required: true}
  namespace: {description: Its namespace which has to exist., type: str, required: true}
  chart: {description: The folder or archive of the chart. Needed for present., type: path}
  values:
    description: Paths of values files and mappings of values. Later ones win. Put no secret here.
    type: list
    elements: raw
    default: []
  timeout: {description: Seconds to wait for hooks and then for readiness., type: int, default: 600}
  pending_grace:
    description: Seconds that an operation begun by somebody else gets to end. After that it is taken for dead.
    type: int
    default: 30
"""

RETURN = """
reasons: {description: Why something changes. Empty when nothing does., type: list, returned: always}
config_maps: {description: The data of the rendered ConfigMaps by name., type: dict, returned: for present}
"""

ARGUMENTS = arguments(DOCUMENTATION)


def reasons(deployed: Release | None, wished: Release, lost: list[str]) -> list[str]:
    """Why the release has to be put in anew; empty when it is what it should be."""
    if deployed is None:
        return ["it is not installed"]
    found = []
    if deployed.status != "deployed":
        found.append(f"its status is {deployed.status}")
    if deployed.manifest != wished.manifest:
        found.append("its objects differ")
    if sorted(deployed.hooks) != sorted(wished.hooks):
        found.append("its hooks differ")
    if deployed.values != wished.values:
        found.append("its values differ")
    return found + lost


def differences(deployed: Release | None, wished: Release | None) -> list[dict[str, str]]:
    """One diff for each rendered object that differs."""
    before = {title(each): each for each in deployed.objects} if deployed else {}
    after = {title(each): each for each in wished.objects} if wished else {}
    names = [*before, *(name for name in after if name not in before)]
    return [
        difference(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    ]


def record(name: str, namespace: str, revision: int) -> dict[str, Any]:
    """The Secret in which helm keeps one revision."""
    metadata = {"name": f"sh.helm.release.v1.{name}.v{revision}", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}


class Act:
    """Everything that this module does to one release."""

    def __init__(self, api: KubeApi, helm: Helm, params: Mapping[str, Any], values_files: list[str]) -> None:
        self.api = api
        self.helm = helm
        self.name: str = params["name"]
        self.chart: str = params["chart"] or ""
        self.timeout: int = params["timeout"]
        self.grace: int = params["pending_grace"]
        self.values_files = values_files

    def preview(self) -> Release:
        """The release as it should be."""
        return self.helm.preview(self.name, self.chart, self.values_files)

    def watch(self, release: Release) -> Watch:
        return Watch(self.api, self.helm.namespace, release.objects)

    def lost(self, deployed: Release | None) -> list[Lost]:
        """Objects of a deployed release that are not what it made. Hooks come and go by themselves."""
        if deployed is None:
            return []
        objects = list(yaml.safe_load_all(deployed.manifest))
        return Watch(self.api, self.helm.namespace, [each for each in objects if each]).lost()

    def clear_away(self, lost: list[Lost]) -> None:
        """Take away the Jobs that failed: a Job that is there stays as it is, whatever an upgrade says."""
        for each in lost:
            if each.found is not None:
                self.api.delete(each.found)

    def settled(self) -> Release | None:
        """The release once nobody works on it, or with its operation still pending after the grace."""
        deadline = time.monotonic() + self.grace
        while (deployed := self.helm.status(self.name)) is not None and deployed.pending:
            if time.monotonic() >= deadline:
                break
            time.sleep(1)
        return deployed

    def clear(self, cut_off: Release) -> Release | None:
        """Forget an operation that was cut off. What it made stays, and the next upgrade takes it over."""
        if cut_off.status == "uninstalling":
            self.helm.uninstall(self.name, timeout=self.timeout)
        else:
            self.api.delete(record(self.name, self.helm.namespace, cut_off.revision))
        return self.helm.status(self.name)

    def make_way(self, wished: Release) -> None:
        """Take away the StatefulSets that helm could not change. Their pods run on and belong to those that follow."""
        watch = self.watch(wished)
        for found in watch.unchangeable():
            self.api.delete(found, orphans=True)
        deadline = time.monotonic() + self.timeout
        while left := watch.unchangeable():
            if time.monotonic() >= deadline:
                raise Refusal(f"{', '.join(map(title, left))}: still being deleted after {self.timeout} s. Try again.")
            time.sleep(1)

    def upgrade(self, wished: Release) -> None:
        """Put the release in. When helm fails, its words are followed by what is not ready and why."""
        self.make_way(wished)
        try:
            self.helm.upgrade(self.name, self.chart, self.values_files, timeout=self.timeout)
        except HelmRefusal as refusal:
            watch = self.watch(wished)
            raise Refusal("\n".join([str(refusal), *map(watch.explain, watch.lacks())])) from refusal

    def wait(self, release: Release) -> None:
        """Until every workload is ready. Raises Refusal with each that is not."""
        objects = [each for each in yaml.safe_load_all(release.manifest) if each]
        if troubles := Watch(self.api, self.helm.namespace, objects).wait(self.timeout):
            where = f"Release {self.name} in namespace {self.helm.namespace}"
            raise Refusal("\n".join([f"{where}: not ready within {self.timeout} s.", *troubles]))


def present(act: Act, *, check: bool) -> dict[str, Any]:
    """The release as its chart and values say; gives the result of the module."""
    deployed = act.settled()
    cut_off = deployed if deployed is not None and deployed.pending else None
    why = [f"its status is {cut_off.status}"] if cut_off else []
    if cut_off is not None and check:
        # Helm renders nothing while an operation is pending, so the last attempt has to stand for the next.
        return {"changed": True, "reasons": why, "config_maps": config_maps(cut_off), "diff": []}
    if cut_off is not None:
        deployed = act.clear(cut_off)
    wished = act.preview()
    lost = act.lost(deployed)
    why = why or reasons(deployed, wished, [each.what for each in lost])
    if not check:
        if why:
            act.clear_away(lost)
            act.upgrade(wished)
        act.wait(wished)
    return {
        "changed": bool(why),
        "reasons": why,
        "config_maps": config_maps(wished),
        "diff": differences(deployed, wished) if why else [],
    }


def absent(act: Act, *, check: bool) -> dict[str, Any]:
    """The release is gone; gives the result of the module."""
    deployed = act.helm.status(act.name)
    if deployed is not None and not check:
        act.helm.uninstall(act.name, timeout=act.timeout)
    why = [] if deployed is None else ["it is installed"]
    return {"changed": deployed is not None, "reasons": why, "diff": differences(deployed, None)}


def config_maps(release: Release) -> dict[str, dict[str, str]]:
    """The rendered ConfigMaps, which say where everything is before anything is there."""
    return {each["metadata"]["name"]: each.get("data") or {} for each in release.objects if each["kind"] == "ConfigMap"}


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True, required_if=[("state", "present", ["chart"])])
    params = module.params
    values_files = written(params["values"], Path(module.tmpdir))
    try:
        api = connect(params["kubeconfig"], params["context"])
        helm = Helm(params["helm"], params["namespace"], params["kubeconfig"], params["context"])
        act = Act(api, helm, params, values_files)
        result = (present if params["state"] == "present" else absent)(act, check=module.check_mode)
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
