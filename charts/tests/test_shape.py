"""What a release consists of, and what its parts may do."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from image_builder import table
from metadata_service.api.application import ROUTES
from metadata_service.domain.retention import Policies
from metadata_service.retention.command import add_arguments
from metadata_service.settings import SHORTEST_TOKEN, DatabaseSettings, Settings
from release_setup.__main__ import main
from release_setup.credentials import PASSWORD_LENGTH, wanted_secrets

if TYPE_CHECKING:
    from charts.tests.conftest import Chart

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "tributary"

CORE = {
    ("ConfigMap", "probe-facts"),
    ("Deployment", "probe-metadata-service"),
    ("Deployment", "probe-ui"),
    ("Job", "probe-setup-bucket-HASH"),
    ("Job", "probe-setup-credentials-HASH"),
    ("Role", "probe-setup"),
    ("RoleBinding", "probe-setup"),
    ("Service", "probe-database"),
    ("Service", "probe-metadata-service"),
    ("Service", "probe-object-store"),
    ("Service", "probe-ui"),
    ("ServiceAccount", "probe-setup"),
    ("StatefulSet", "probe-database"),
    ("StatefulSet", "probe-object-store"),
}
GUARDS = {
    ("NetworkPolicy", "probe-database"),
    ("NetworkPolicy", "probe-metadata-service"),
    ("NetworkPolicy", "probe-object-store"),
    ("NetworkPolicy", "probe-setup"),
    ("NetworkPolicy", "probe-ui"),
    ("PodDisruptionBudget", "probe-metadata-service"),
    ("PodDisruptionBudget", "probe-ui"),
}
CREDENTIALS = {
    ("Job", "probe-setup-credentials-HASH"),
    ("Role", "probe-setup"),
    ("RoleBinding", "probe-setup"),
    ("ServiceAccount", "probe-setup"),
}


def shape(objects: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {
        (
            each["kind"],
            re.sub("-[0-9a-f]{8}$", "-HASH", each["metadata"]["name"])
            if each["kind"] == "Job"
            else each["metadata"]["name"],
        )
        for each in objects
    }


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in objects if each["kind"] == kind and each["metadata"]["name"].startswith(name))
    return found


def environment(job: dict[str, Any]) -> dict[str, str]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


@pytest.mark.parametrize(
    ("profile", "values", "wanted"),
    [
        ("kind", {}, CORE),
        ("production", {}, CORE | GUARDS),
        ("kind", {"credentials": {"create": False}}, CORE - CREDENTIALS),
        ("kind", {"ui": {"enabled": False}}, CORE - {("Deployment", "probe-ui"), ("Service", "probe-ui")}),
    ],
    ids=["kind", "production", "secrets-given", "without-ui"],
)
def test_a_release_is_exactly_this(
    chart: Chart, profile: str, values: dict[str, Any], wanted: set[tuple[str, str]]
) -> None:
    assert shape(chart.render(values, profile=profile)) == wanted


def test_components_are_called_the_same_everywhere(chart: Chart) -> None:
    images = set(table.read(ROOT / "images" / "images.yml").images)
    folders = {path.name for path in (CHART / "templates").iterdir() if path.is_dir()}
    keys = {key for key, value in yaml.safe_load((CHART / "values.yaml").read_text()).items() if "image" in value}
    labels = {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in chart.render()}
    assert {re.sub("-(.)", lambda letter: letter[1].upper(), image) for image in images} == keys
    assert folders == labels == {image for image in images if not image.startswith("task-")} | {"facts"}


@pytest.mark.parametrize("tokens", [False, True])
def test_the_metadata_service_knows_every_setting_that_it_is_given(chart: Chart, tokens: bool) -> None:
    auth = {"tokens": True, "adminSecret": "ours", "trustedHeader": "x-user", "trustedProxies": ["10.0.0.0/8"]}
    objects = chart.render({"metadataService": {"auth": auth if tokens else {"tokens": False}}})
    (container,) = named(objects, "Deployment", "probe-metadata-service")["spec"]["template"]["spec"]["containers"]
    given = {variable["name"]: variable.get("value", "what a Secret of theirs holds") for variable in container["env"]}
    settings = Settings.from_environ(given)
    assert settings.unknown == ()
    assert settings.port == container["ports"][0]["containerPort"]
    access = settings.access
    assert access.tokens == bool(access.admin_digest) == bool(access.write_digest) == tokens
    assert settings.database.address == "probe-database.platform.svc:5432/metaflow"


def test_an_external_database_may_have_a_replica_and_a_pooler(chart: Chart) -> None:
    external = {"mode": "external", "host": "db.example.org", "secret": "ours"}
    database = {**external, "readReplicaHost": "replica.example.org", "pooler": "transaction"}
    objects = chart.render({"database": database, "metadataService": {"retention": {"schedule": "0 3 * * *"}}})
    pod = named(objects, "Deployment", "probe-metadata-service")["spec"]["template"]
    settings = of_environment(pod)
    assert settings.shared_sessions and settings.address == "db.example.org:5432/metaflow"
    assert settings.replica_host == "replica.example.org"
    # What is to be removed is never judged by a replica, which lags behind.
    job = named(objects, "CronJob", "probe-metadata-service-retention")["spec"]["jobTemplate"]["spec"]["template"]
    assert of_environment(job).shared_sessions and not of_environment(job).replica_host


def of_environment(pod: dict[str, Any]) -> DatabaseSettings:
    """The database that the pod's only container is told of."""
    (container,) = pod["spec"]["containers"]
    given = {variable["name"]: variable.get("value", "from a Secret") for variable in container["env"]}
    database = Settings.from_environ(given).database
    assert isinstance(database, DatabaseSettings)
    return database


def test_tokens_come_from_secrets_that_the_release_makes_and_publishes(chart: Chart) -> None:
    def client_secret(auth: dict[str, Any]) -> str:
        facts = named(chart.render({"metadataService": {"auth": auth}}), "ConfigMap", "probe-facts")
        name: str = facts["data"]["metadata-service-client-secret"]
        return name

    assert client_secret({"tokens": False}) == ""
    assert client_secret({"tokens": True, "clientSecret": "ours"}) == "ours"
    assert client_secret({"tokens": True}) == "probe-metadata-service-client"
    objects = chart.render({"metadataService": {"auth": {"tokens": True}}})
    wanted = wanted_secrets(environment(named(objects, "Job", "probe-setup-credentials"))["TRIBUTARY_SECRETS"])
    (token,) = (secret for secret in wanted if secret.name == "probe-metadata-service-client")
    assert [(key.name, key.kind) for key in token.keys] == [("token", "password")]
    assert PASSWORD_LENGTH >= SHORTEST_TOKEN


def test_a_monitor_is_made_when_it_is_asked_for(chart: Chart) -> None:
    asked = {"create": True, "interval": "10s", "labels": ["release=prometheus", "team=a"]}
    objects = chart.render({"metadataService": {"serviceMonitor": asked}})
    monitor = named(objects, "ServiceMonitor", "probe-metadata-service")
    assert {"release": "prometheus", "team": "a"}.items() <= monitor["metadata"]["labels"].items()
    service = named(objects, "Service", "probe-metadata-service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint == {"port": service["spec"]["ports"][0]["name"], "path": "/metrics", "interval": "10s"}
    assert endpoint["path"] in {route.path for route in ROUTES}


def test_upstreams_image_gets_what_it_reads_and_is_asked_what_it_answers(chart: Chart) -> None:
    """Its variables and routes are those of its documentation, as design and README tell them."""
    row = next(line for line in (ROOT / "charts" / "README.md").read_text().splitlines() if "/opt/latest" in line)
    command, path = re.findall(r"\[(\S+)\]|readinessPath: (\S+)`", row)
    service = {
        "image": {"repository": "registry.test/metaflow_metadata_service", "tag": "2.6.1"},
        "command": [command[0]],
        "readinessPath": path[1],
    }
    pod = named(chart.render({"metadataService": service}), "Deployment", "probe-metadata-service")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert container["image"] == "registry.test/metaflow_metadata_service:2.6.1"
    assert container["command"] == ["/opt/latest/bin/metadata_service"]
    read = {f"MF_METADATA_DB_{each}" for each in ("HOST", "PORT", "NAME", "USER", "PSWD")}
    assert read | {"MF_METADATA_HOST", "MF_METADATA_PORT"} <= {each["name"] for each in container["env"]}
    probes = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert probes == {"/ping", "/healthcheck"}


def test_the_retention_job_is_started_as_its_program_asks(chart: Chart, tmp_path: Path) -> None:
    policies = [{"flows": ["Train*"], "max_age_days": 90}, {"keep_last": 5, "keep_tags": ["keep"]}]
    retention = {"schedule": "0 3 * * *", "policies": policies, "quietHours": 1.5}
    objects = chart.render({"metadataService": {"retention": retention}}, profile="production")
    spec = named(objects, "CronJob", "probe-metadata-service-retention")["spec"]["jobTemplate"]["spec"]["template"][
        "spec"
    ]
    (container,) = spec["containers"]
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = parser.parse_args([*container["command"][4:], *container["args"]])
    assert (options.datastore, options.quiet_hours) == (["s3://metaflow/metaflow"], 1.5)
    mounted = f"{container['volumeMounts'][0]['mountPath']}/policies.json"
    assert str(options.policies) == mounted
    config = named(objects, "ConfigMap", spec["volumes"][0]["configMap"]["name"])["data"]["policies.json"]
    assert len(msgspec.json.decode(config, type=Policies).policies) == 2
    given = {variable["name"]: variable.get("value", "from a Secret") for variable in container["env"]}
    assert Settings.from_environ(given).unknown == ()
    assert given["METAFLOW_S3_ENDPOINT_URL"] == "http://probe-object-store.platform.svc:9000"


def test_the_readme_names_every_fact_and_no_other(chart: Chart) -> None:
    section = (ROOT / "charts" / "README.md").read_text().split("## Facts")[1].split("\n## ")[0]
    assert (
        set(re.findall(r"^\| `([a-z-]+)`", section, re.MULTILINE))
        == named(chart.render(), "ConfigMap", "probe-facts")["data"].keys()
    )


def test_the_chart_has_the_version_of_the_project() -> None:
    described = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert f'version = "{described["version"]}"' in (ROOT / "pyproject.toml").read_text()
    assert described["appVersion"] == described["version"]


def test_the_facts_of_a_release(chart: Chart) -> None:
    client = {"metadataServiceUrl": "http://127.0.0.1:21000", "objectStoreUrl": "http://127.0.0.1:21001"}
    values = {"client": {**client, "uiUrl": "http://127.0.0.1:21003/metaflow"}}
    assert named(chart.render(values), "ConfigMap", "probe-facts")["data"] == {
        "release": "probe",
        "namespace": "platform",
        "chart-version": yaml.safe_load((CHART / "Chart.yaml").read_text())["version"],
        "metadata-service-url": "http://probe-metadata-service.platform.svc:8080",
        "metadata-service-admin-secret": "",
        "metadata-service-client-secret": "",
        "ui-url": "http://probe-ui.platform.svc:8083",
        "object-store-url": "http://probe-object-store.platform.svc:9000",
        "object-store-bucket": "metaflow",
        "object-store-secret": "probe-object-store-metaflow",
        "object-store-root-secret": "probe-object-store-root",
        "datastore-root": "s3://metaflow/metaflow",
        "database-host": "probe-database.platform.svc",
        "database-port": "5432",
        "database-name": "metaflow",
        "database-secret": "probe-database",
        "task-image": "registry.test/taskbase:0123456789ab",
        "demo-image": "registry.test/taskdemo:0123456789ab",
        "client-metadata-service-url": "http://127.0.0.1:21000",
        "client-object-store-url": "http://127.0.0.1:21001",
        "client-ui-url": "http://127.0.0.1:21003/metaflow",
    }
    without = named(chart.render({**values, "ui": {"enabled": False}}), "ConfigMap", "probe-facts")["data"]
    assert (without["ui-url"], without["client-ui-url"]) == ("", "")


def test_a_digest_is_joined_as_a_digest(chart: Chart) -> None:
    objects = chart.render({"database": {"image": {"repository": "registry.test:5000/pg", "tag": "sha256:0a1b"}}})
    (container,) = named(objects, "StatefulSet", "probe-database")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.test:5000/pg@sha256:0a1b"


def test_ports_of_the_kind_profile_are_those_that_kind_maps(chart: Chart) -> None:
    ports = {
        each["metadata"]["name"]: each["spec"]["ports"][0].get("nodePort")
        for each in chart.render()
        if each["kind"] == "Service"
    }
    assert ports == {
        "probe-database": None,
        "probe-metadata-service": 30080,
        "probe-object-store": 30900,
        "probe-ui": 30083,
    }


def test_volumes_outlive_the_release(chart: Chart) -> None:
    for component in ("database", "object-store"):
        spec = named(chart.render(), "StatefulSet", f"probe-{component}")["spec"]
        assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
        (claim,) = spec["volumeClaimTemplates"]
        (container,) = spec["template"]["spec"]["containers"]
        assert claim["metadata"]["name"] in {mount["name"] for mount in container["volumeMounts"]}
        assert "storageClassName" not in claim["spec"]


def test_the_database_lets_in_the_metadata_service_and_the_ui_and_nobody_else(chart: Chart) -> None:
    spec = named(chart.render(profile="production"), "NetworkPolicy", "probe-database")["spec"]
    (rule,) = spec["ingress"]
    peers = [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in rule["from"]]
    assert peers == ["metadata-service", "ui"]
    assert all(peer.keys() == {"podSelector"} for peer in rule["from"])
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in spec


def test_steps_reach_service_and_store(chart: Chart) -> None:
    values = {"exposure": {"namespaces": ["kubeflow", "team-a"]}}
    objects = chart.render(values, profile="production")
    for component in ("metadata-service", "object-store", "ui"):
        (rule,) = named(objects, "NetworkPolicy", f"probe-{component}")["spec"]["ingress"]
        spaces = {
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for peer in rule["from"]
            if "namespaceSelector" in peer
        }
        assert spaces == {"kubeflow", "team-a"}


def test_nobody_named_means_nobody_let_in(chart: Chart) -> None:
    objects = chart.render({"exposure": {"namespaces": []}}, profile="production")
    assert "ingress" not in named(objects, "NetworkPolicy", "probe-metadata-service")["spec"]


def test_the_credentials_job_may_make_and_read_what_it_is_told_to_make(chart: Chart) -> None:
    objects = chart.render()
    wanted = wanted_secrets(environment(named(objects, "Job", "probe-setup-credentials"))["TRIBUTARY_SECRETS"])
    names = [secret.name for secret in wanted]
    assert names == ["probe-database", "probe-object-store-root", "probe-object-store-metaflow"]
    assert [[key.name for key in secret.keys] for secret in wanted] == [
        ["username", "password"],
        ["access-key", "secret-key"],
        ["access-key", "secret-key"],
    ]
    assert named(objects, "Role", "probe-setup")["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": names},
    ]


def test_what_is_external_gets_no_secret_from_us(chart: Chart) -> None:
    external = {"database": {"mode": "external", "host": "db.example.org", "secret": "ours"}}
    objects = chart.render(external)
    wanted = json.loads(environment(named(objects, "Job", "probe-setup-credentials"))["TRIBUTARY_SECRETS"])
    assert [secret["name"] for secret in wanted] == ["probe-object-store-root", "probe-object-store-metaflow"]


def test_the_bucket_job_tells_its_program_all_it_needs(chart: Chart, capsys: pytest.CaptureFixture[str]) -> None:
    """Outside its pod the program misses the mounted files, and only those."""
    job = named(chart.render(), "Job", "probe-setup-bucket")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert main([container["command"][-1]], environment(job)) == 2
    missed = {line.split(":")[0] for line in capsys.readouterr().err.splitlines()}
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert missed < {f"{folder}/{key}" for folder in mounted for key in ("access-key", "secret-key")}


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        ({"metadataService": {"replicas": 3}}, set()),
        ({"setup": {"resources": {"memoryLimit": "300Mi"}}}, {"bucket", "credentials"}),
        ({"objectStore": {"bucket": "another"}}, {"bucket"}),
        ({"database": {"secret": "another"}}, {"credentials"}),
        ({"objectStore": {"rootSecret": "another"}}, {"bucket", "credentials"}),
    ],
    ids=["replicas", "memory", "bucket", "database-secret", "root-secret"],
)
def test_a_job_has_a_new_name_exactly_when_its_spec_is_new(
    chart: Chart, values: dict[str, Any], changed: set[str]
) -> None:
    def jobs(objects: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
        return {
            each["metadata"]["name"].split("-")[2]: (each["metadata"]["name"], json.dumps(each["spec"], sort_keys=True))
            for each in objects
            if each["kind"] == "Job"
        }

    before, after = jobs(chart.render()), jobs(chart.render(values))
    assert {task for task in before if before[task][0] != after[task][0]} == changed
    assert {task for task in before if before[task][1] != after[task][1]} == changed


def test_the_notes_name_services_that_exist_and_what_stays(chart: Chart, tmp_path: Path) -> None:
    """Helm prints notes only when it installs, so they are rendered here as the text of an object."""
    copy = tmp_path / "tributary"
    shutil.copytree(CHART, copy)
    notes = (copy / "templates" / "NOTES.txt").read_text()
    (copy / "templates" / "notes.yaml").write_text(
        '{{- define "notes" -}}' + notes + '{{- end -}}\nkind: Notes\ntext: {{ include "notes" . | toJson }}\n'
    )
    objects = list(yaml.safe_load_all(chart.text(profile="production", chart=copy)))
    text = next(each for each in objects if each["kind"] == "Notes")["text"]
    services = {each["metadata"]["name"] for each in objects if each["kind"] == "Service"}
    named_services = set(re.findall(r"svc/(\S+)", text))
    assert named_services == services - {"probe-database"}
    assert "delete secret probe-database probe-object-store-root probe-object-store-metaflow" in text
    assert "keeps the volumes" in text
