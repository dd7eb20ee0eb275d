"""What is wrong is refused by name, before anything is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from charts.tests.conftest import Chart


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"database": {"hots": "db"}}, "additional properties 'hots' not allowed"),
        ({"databse": {}}, "additional properties 'databse' not allowed"),
        ({"database": {"image": {"name": "postgres"}}}, "additional properties 'name' not allowed"),
        ({"database": {"mode": "external", "secret": "ours"}}, "/database/host"),
        ({"database": {"mode": "external", "host": "db.example.org"}}, "/database/secret"),
        ({"database": {"host": "db.example.org"}}, "/database/host"),
        ({"database": {"port": 5433}}, "/database/port"),
        # PostgreSQL makes these by itself.
        ({"database": {"name": "postgres"}}, "/database/name"),
        ({"database": {"name": "template1"}}, "/database/name"),
        ({"database": {"readReplicaHost": "replica.example.org"}}, "/database/readReplicaHost"),
        ({"database": {"pooler": "transaction"}}, "/database/pooler"),
        ({"database": {"password": "secret"}}, "additional properties 'password' not allowed"),
        ({"objectStore": {"mode": "external", "secret": "ours"}}, "/objectStore/endpoint"),
        ({"objectStore": {"endpoint": "https://s3.example.org"}}, "/objectStore/endpoint"),
        ({"objectStore": {"mode": "minio"}}, "/objectStore/mode"),
        ({"objectStore": {"bucket": "Not_A_Bucket"}}, "/objectStore/bucket"),
        ({"metadataService": {"replicas": 0}}, "/metadataService/replicas"),
        ({"metadataService": {"image": {"tag": "latest"}}}, "/metadataService/image/tag"),
        ({"metadataService": {"image": None}}, "missing property 'image'"),
        ({"metadataService": {"auth": {"trustedHeader": "kubeflow-userid"}}}, "/metadataService/auth/trustedProxies"),
        ({"metadataService": {"auth": {"trustedProxies": ["10.0.0.0/8"]}}}, "/metadataService/auth/trustedProxies"),
        # Without tokens these would let in nobody and keep out nobody, which whoever gives them does not expect.
        (
            {"metadataService": {"auth": {"trustedHeader": "kubeflow-userid", "trustedProxies": ["10.0.0.0/8"]}}},
            "/metadataService/auth/trustedHeader",
        ),
        ({"metadataService": {"auth": {"adminSecret": "ours"}}}, "/metadataService/auth/adminSecret"),
        ({"metadataService": {"auth": {"clientSecret": "ours"}}}, "/metadataService/auth/clientSecret"),
        ({"metadataService": {"auth": {"token": "secret"}}}, "additional properties 'token' not allowed"),
        ({"metadataService": {"retention": {"policies": [{"flows": ["A"]}]}}}, "/metadataService/retention/policies/0"),
        ({"metadataService": {"serviceMonitor": {"labels": ["ours"]}}}, "/metadataService/serviceMonitor/labels/0"),
        ({"metadataService": {"serviceMonitor": {"interval": 30}}}, "/metadataService/serviceMonitor/interval"),
        ({"metadataService": {"retention": {"schedule": "daily"}}}, "/metadataService/retention/schedule"),
        ({"ui": {"prefix": "metaflow"}}, "/ui/prefix"),
        ({"ui": {"kubeflowUrl": "kubeflow.example.org"}}, "/ui/kubeflowUrl"),
        ({"ui": {"auth": {"tokens": True}}}, "additional properties 'auth' not allowed"),
        ({"client": {"objectStoreUrl": "store.example.org"}}, "/client/objectStoreUrl"),
        ({"exposure": {"type": "NodePort", "networkPolicies": True}}, "/exposure/cidrs"),
        ({"exposure": {"type": "LoadBalancer"}}, "/exposure/type"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_wrong_value_is_named(chart: Chart, values: dict[str, Any], said: str) -> None:
    assert said in chart.refusal(values)


def test_every_absent_image_is_named_at_once(chart: Chart) -> None:
    absent = {"image": {"repository": "", "tag": ""}}
    said = chart.refusal(
        {"database": absent, "metadataService": {"image": {"tag": ""}}, "ui": absent, "taskDemo": absent}
    )
    assert (
        "values: metadataService.image, ui.image, database.image lack repository or tag. Pass the image values with -f"
        in said
    )


def test_images_that_nothing_runs_are_not_asked_for(chart: Chart) -> None:
    absent = {"image": {"repository": "", "tag": ""}}
    external = {
        "database": {**absent, "mode": "external", "host": "db.example.org", "secret": "ours"},
        "objectStore": {**absent, "mode": "external", "endpoint": "https://s3.example.org", "secret": "ours"},
        "setup": absent,
        "taskDemo": absent,
        "ui": {**absent, "enabled": False},
    }
    assert chart.render(external)


def test_a_release_name_is_never_cut(chart: Chart) -> None:
    longest = "a" * 36
    assert max(len(each["metadata"]["name"]) for each in chart.render(release=longest)) == 63
    said = chart.refusal({}, release=f"{longest}a")
    assert (
        "has 37 characters, and at most 36 leave room for the names of its parts. Install under a shorter name." in said
    )


@pytest.mark.parametrize("release", ["1st", "two.parts"])
def test_a_release_name_that_no_service_may_have_is_refused(chart: Chart, release: str) -> None:
    assert f'release name "{release}": cannot begin the name of a Service.' in chart.refusal({}, release=release)
