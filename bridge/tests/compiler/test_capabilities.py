import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler import capabilities
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.capabilities import Feature
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.refusals import Refused

HAS = {
    "2.5.0": {Feature.POD_DEADLINE},
    "2.13": {Feature.POD_DEADLINE},
    "2.14.3": {Feature.POD_DEADLINE, Feature.PIPELINE_RESOURCES},
    "2.15.2": {Feature.POD_DEADLINE, Feature.PIPELINE_RESOURCES, Feature.OPTIONAL_ENVIRONMENT},
    "v2.16.1": set(Feature) - {Feature.WORKFLOW_TIMEOUT, Feature.WORKFLOW_TTL, Feature.RETRY_INDEX},
    "2.17.0-rc.1": set(Feature),
}


@pytest.mark.parametrize("version", HAS)
def test_each_version_has_what_its_release_brought(version: str) -> None:
    found = capabilities.of(version)
    assert {feature for feature in Feature if found.has(feature)} == HAS[version]
    assert found.note is None


@pytest.mark.parametrize("version", [None, "", "unknown", "Unknown"])
def test_a_server_that_tells_no_version_is_taken_for_the_oldest_and_the_user_is_told(version: str | None) -> None:
    found = capabilities.of(version, "Kubeflow Pipelines at http://here")
    assert found.number == capabilities.OLDEST
    assert found.note is not None
    assert found.note.startswith("Kubeflow Pipelines at http://here: tells no version")
    assert "--server-version" in found.note


def test_a_newer_version_is_taken_for_the_newest_that_is_known_and_the_user_is_told() -> None:
    found = capabilities.of("2.18.0")
    assert found.number == capabilities.NEWEST
    assert found.note is not None and "2.18.0 is newer than 2.17" in found.note


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("2.4.1", "too old"),
        ("1.8.22", "too old"),
        ("3.0.0", "not known"),
        ("master", "no version"),
        ("2", "no version"),
    ],
)
def test_what_cannot_be_a_server_of_ours_is_refused(version: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        capabilities.of(version)


def test_what_is_lacking_names_both_versions() -> None:
    old = capabilities.of("2.14.3")
    assert old.lack(Feature.SECURITY_CONTEXT) == "needs Kubeflow Pipelines 2.16, and the server is 2.14.3"
    assert capabilities.of("2.16.0").lack(Feature.SECURITY_CONTEXT) is None
    assert capabilities.EVERYTHING.lack(Feature.WORKFLOW_TIMEOUT) is None
