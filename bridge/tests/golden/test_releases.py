"""Every flow's documents are read strictly by the protos of each release of Kubeflow Pipelines.

Only 2.14.3 can be run here; of the others this is what can be known.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.tests.lib import attributes, releases
from bridge.tests.lib.graphs import TARGET
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler import capabilities
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.capabilities import Feature

SPECS = sorted((Path(__file__).parent / "specs").glob("*.yaml"))

# The oldest and the newest; those in between take their time in `make test-long`.
ENDS = (releases.RELEASES[0], releases.RELEASES[-1])
EACH = [
    pytest.param(release, marks=pytest.mark.slow if release in ENDS else pytest.mark.long)
    for release in releases.RELEASES
]

# A field that came with each feature, in the platform document: of an executor, or of the whole.
FIELDS: dict[Feature, dict[str, Any]] = {
    Feature.POD_DEADLINE: {"activeDeadlineSeconds": 7200},
    Feature.OPTIONAL_ENVIRONMENT: {"secretAsEnv": [{"secretName": "s", "keyToEnv": [], "optional": True}]},
    Feature.SECURITY_CONTEXT: {"securityContext": {"runAsUser": 1000}},
    Feature.SUB_PATH: {"pvcMount": [{"constant": "claim", "mountPath": "/data", "subPath": "part"}]},
}
CONFIGS: dict[Feature, dict[str, Any]] = {
    Feature.WORKFLOW_TIMEOUT: {"activeDeadlineSeconds": 60},
    Feature.WORKFLOW_TTL: {"resourceTtlOnCompletion": 60},
}


@pytest.mark.parametrize("release", EACH)
def test_each_release_knows_every_field_of_every_flow(release: str) -> None:
    answers = releases.refusals(release, [file.read_text() for file in SPECS])
    assert {file.stem: said for file, said in zip(SPECS, answers, strict=True) if said} == {}


@pytest.mark.parametrize("release", EACH)
def test_each_release_knows_the_fields_that_the_table_of_capabilities_gives_it(release: str) -> None:
    texts = {feature: document(executor=fields) for feature, fields in FIELDS.items()}
    texts |= {feature: document(config=config) for feature, config in CONFIGS.items()}
    answers = dict(zip(texts, releases.refusals(release, list(texts.values())), strict=True))
    has = capabilities.of(release).has
    assert {feature.name: said is None for feature, said in answers.items()} == {each.name: has(each) for each in texts}


@pytest.mark.parametrize("release", EACH)
def test_each_release_knows_every_field_of_every_attribute_or_it_is_refused(release: str) -> None:
    known = capabilities.of(release)
    target = replace(TARGET, capabilities=known)
    found = {
        f"{decorator}.{name}": attributes.compiled(attributes.flow_with(decorator, {**besides, name: value}), target)
        for decorator, values in attributes.VALUES.items()
        for name, (value, besides, _) in values.items()
    }
    limit = 60 if known.has(Feature.WORKFLOW_TIMEOUT) else None
    said = replace(target, title="A title", description="Said", workflow_timeout=limit)
    found["options of create"] = attributes.compiled(attributes.flow_with(None, {}), said)
    texts = {name: each.documents.text() for name, each in found.items() if each.documents is not None}
    answers = dict(zip(texts, releases.refusals(release, list(texts.values())), strict=True))
    assert {name: answer for name, answer in answers.items() if answer} == {}
    never = {
        f"{decorator}.{name}"
        for decorator, values in attributes.VALUES.items()
        for name, (_, _, place) in values.items()
        if place in (attributes.REFUSED, attributes.REFUSED_ALONE)
    }
    assert found.keys() - texts.keys() - never == (
        set() if known.has(Feature.SECURITY_CONTEXT) else {"kubernetes.security_context"}
    )


def test_the_releases_are_those_between_the_oldest_and_the_newest_that_are_known() -> None:
    numbers = [tuple(map(int, release.split("."))) for release in releases.RELEASES]
    assert (numbers[0], numbers[-1]) == (capabilities.OLDEST, capabilities.NEWEST)
    assert capabilities.USUAL in releases.RELEASES


def document(executor: dict[str, Any] | None = None, config: dict[str, Any] | None = None) -> str:
    """The least pipeline, and a platform document with these fields."""
    kubernetes: dict[str, Any] = {"deploymentSpec": {"executors": {"pod-1": executor or {}}}}
    if config:
        kubernetes["pipelineConfig"] = config
    pipeline = {"pipelineInfo": {"name": "f"}, "deploymentSpec": {"executors": {}}}
    return "\n---\n".join(json.dumps(each) for each in (pipeline, {"platforms": {"kubernetes": kubernetes}}))
