"""What holds for every object in every way of using the chart. A new template is covered the day it is written."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest
import yaml

if TYPE_CHECKING:
    from charts.tests.conftest import Chart

CHART = Path(__file__).parents[1] / "tributary"
Object = dict[str, Any]
RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
LABELS = {f"app.kubernetes.io/{key}" for key in ("name", "instance", "component", "managed-by", "version")}
CUSTOM = "ServiceMonitor"
"""The only kind that is not Kubernetes' own."""
MAY_TALK_TO_THE_API_SERVER = "credentials"


schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


def containers(pods: Mapping[str, Object]) -> Iterator[tuple[str, Object]]:
    for owner, pod in pods.items():
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            yield owner, container


def selected(selector: Mapping[str, str], pods: Mapping[str, Object]) -> set[str]:
    return {owner for owner, pod in pods.items() if selector.items() <= pod["metadata"]["labels"].items()}


def selectors(objects: list[Object]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Every selector that must meet exactly one pod template, with the kind and name of its object."""
    for each in objects:
        where, spec = f"{each['kind']} {each['metadata']['name']}", each.get("spec", {})
        if each["kind"] == "Service":
            yield where, spec["selector"]
        elif each["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
            yield where, spec["selector"]["matchLabels"]
            for spread in spec.get("template", {}).get("spec", {}).get("topologySpreadConstraints", []):
                yield where, spread["labelSelector"]["matchLabels"]


def policies(objects: list[Object]) -> list[Object]:
    return [each for each in objects if each["kind"] == "NetworkPolicy"]


@functools.cache
def oldest_kubernetes() -> str:
    wanted: str = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]
    return wanted.removeprefix(">=").removesuffix("-0")


def test_no_object_carries_a_secret_value(objects: list[Object]) -> None:
    assert not [each["metadata"]["name"] for each in objects if each["kind"] == "Secret"]


def test_every_object_says_what_it_belongs_to(objects: list[Object]) -> None:
    for each in objects:
        labels = each["metadata"]["labels"].keys()
        # A monitor is found by labels that the values name.
        assert labels >= LABELS if each["kind"] == CUSTOM else labels == LABELS, each["metadata"]["name"]


def test_every_name_is_short_enough_and_unique(objects: list[Object]) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(names) == len(set(names))
    assert all(len(name) <= 63 for _, name in names)


def test_no_object_names_a_namespace_of_its_own(objects: list[Object]) -> None:
    assert not [each["metadata"]["name"] for each in objects if "namespace" in each["metadata"]]


def test_every_container_asks_for_memory_and_has_a_limit(pods: dict[str, Object]) -> None:
    for owner, container in containers(pods):
        assert container["resources"]["requests"]["memory"], owner
        assert container["resources"]["limits"]["memory"], owner
        assert container["resources"]["requests"]["cpu"], owner


def test_every_pod_meets_the_restricted_standard(pods: dict[str, Object]) -> None:
    for owner, pod in pods.items():
        spec = pod["spec"]
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, owner
        assert security["runAsUser"] > 0, owner
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, owner
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), owner
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= RESTRICTED_VOLUMES, owner
    for owner, container in containers(pods):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False, owner
        assert security["readOnlyRootFilesystem"] is True, owner
        assert security["capabilities"] == {"drop": ["ALL"]}, owner
        assert not [port for port in container.get("ports", []) if "hostPort" in port], owner


def test_only_the_maker_of_secrets_gets_a_token(pods: dict[str, Object]) -> None:
    for owner, pod in pods.items():
        names = {container["name"] for container in pod["spec"]["containers"]}
        assert pod["spec"]["automountServiceAccountToken"] is (names == {MAY_TALK_TO_THE_API_SERVER}), owner
        assert pod["spec"]["enableServiceLinks"] is False, owner


def test_every_selector_meets_exactly_one_pod_template(objects: list[Object], pods: dict[str, Object]) -> None:
    for where, selector in selectors(objects):
        assert len(selected(selector, pods)) == 1, where


def test_no_selector_and_no_pod_label_changes_with_the_version(objects: list[Object], pods: dict[str, Object]) -> None:
    for where, selector in selectors(objects):
        assert "app.kubernetes.io/version" not in selector, where
    for owner, pod in pods.items():
        assert "app.kubernetes.io/version" not in pod["metadata"]["labels"], owner


def test_every_network_policy_meets_pods_on_both_sides(objects: list[Object], pods: dict[str, Object]) -> None:
    for policy in policies(objects):
        where, spec = policy["metadata"]["name"], policy["spec"]
        assert selected(spec["podSelector"]["matchLabels"], pods), where
        for rule in spec.get("ingress", []):
            assert rule["from"], where
            for peer in rule["from"]:
                if "podSelector" in peer:
                    assert selected(peer["podSelector"]["matchLabels"], pods), where


def test_network_policies_cover_every_pod_or_none(objects: list[Object], pods: dict[str, Object]) -> None:
    covered = {
        owner for policy in policies(objects) for owner in selected(policy["spec"]["podSelector"]["matchLabels"], pods)
    }
    assert covered in (set(), pods.keys())


def test_every_port_that_is_named_exists(objects: list[Object], pods: dict[str, Object]) -> None:
    def ports(owner: str) -> set[Any]:
        found = [port for _, container in containers({owner: pods[owner]}) for port in container.get("ports", [])]
        return {port["name"] for port in found}

    for owner, container in containers(pods):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if "httpGet" in container.get(probe, {}):
                assert container[probe]["httpGet"]["port"] in ports(owner), owner
    for each in objects:
        if each["kind"] == "Service":
            (owner,) = selected(each["spec"]["selector"], pods)
            assert {port["targetPort"] for port in each["spec"]["ports"]} <= ports(owner), owner
    for policy in policies(objects):
        for owner in selected(policy["spec"]["podSelector"]["matchLabels"], pods):
            wanted = {port["port"] for rule in policy["spec"].get("ingress", []) for port in rule["ports"]}
            assert wanted <= ports(owner), owner


def test_every_name_that_a_pod_refers_to_is_made_here_or_published(
    objects: list[Object], pods: dict[str, Object]
) -> None:
    made = {(each["kind"], each["metadata"]["name"]) for each in objects}
    (facts,) = (each["data"] for each in objects if each["metadata"]["name"].endswith("-facts"))
    published = {value for key, value in facts.items() if key.endswith("-secret")}
    for owner, pod in pods.items():
        if account := pod["spec"].get("serviceAccountName"):
            assert ("ServiceAccount", account) in made, owner
        for volume in pod["spec"].get("volumes", []):
            if "secret" in volume:
                assert volume["secret"]["secretName"] in published, owner
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in made, owner
    for owner, container in containers(pods):
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {})
            if "secretKeyRef" in reference:
                assert reference["secretKeyRef"]["name"] in published, owner
            if "configMapKeyRef" in reference:
                assert ("ConfigMap", reference["configMapKeyRef"]["name"]) in made, owner


def test_every_mount_has_its_volume(objects: list[Object], pods: dict[str, Object]) -> None:
    claims = {
        each["metadata"]["name"]: {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])}
        for each in objects
        if "template" in each.get("spec", {})
    }
    for owner, container in containers(pods):
        volumes = {volume["name"] for volume in pods[owner]["spec"].get("volumes", [])} | claims.get(owner, set())
        assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes, owner


def test_no_environment_variable_is_given_twice(pods: dict[str, Object]) -> None:
    for owner, container in containers(pods):
        names = [variable["name"] for variable in container.get("env", [])]
        assert len(names) == len(set(names)), owner


def test_every_image_is_the_one_of_the_values(pods: dict[str, Object]) -> None:
    for owner, container in containers(pods):
        assert container["image"].startswith("registry.test/"), owner
        assert container["image"].endswith(":0123456789ab"), owner


@pytest.mark.parametrize("version", ["oldest", "newest"])
def test_kubernetes_knows_every_field(objects: list[Object], version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # It reads the definitions of all kinds anew for each object.
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", schema_contents)
    wanted = oldest_kubernetes() if version == "oldest" else kubernetes_validate.latest_version()
    for each in objects:
        if each["kind"] != CUSTOM:
            kubernetes_validate.validate(each, wanted, strict=True)


@pytest.mark.parametrize("profile", ["kind", "production"])
def test_rendering_twice_gives_the_same_bytes(chart: Chart, profile: str) -> None:
    first = chart.text(profile=profile)
    chart.rendered.clear()
    assert chart.text(profile=profile) == first
