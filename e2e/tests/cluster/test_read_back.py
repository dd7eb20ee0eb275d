"""What a run on the cluster left, read with five stock clients; their counts must agree."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.settings import Settings
from installer import demo
from laptop.shell import Laptop
from laptop.stored_cards import StoredCards

pytestmark = pytest.mark.cluster
STEPS = {"start": 1, "train": 4, "choose": 1, "end": 1}
# The last step shares the pod of the join before it.
PODS = {"start": 1, "train": 4, "choose": 1}


@pytest.fixture(scope="module")
def run_id(demo_run: demo.DemoRun) -> str:
    assert demo_run.tasks == STEPS
    return demo_run.run_id


def test_metaflow_sees_every_task_of_the_run(run_id: str, demo_run: demo.DemoRun, metaflow: Any) -> None:
    run = metaflow.Flow(demo.FLOW_NAME)[run_id]
    assert run.successful
    assert {step.id: len(list(step)) for step in run} == STEPS
    assert run.data.report == demo_run.report


def test_the_one_card_is_at_the_step_that_makes_it(run_id: str, metaflow: Any) -> None:
    """By the very reading that compares the cards of runs: what it does not find is compared with nothing."""
    cards = StoredCards()
    run = metaflow.Run(f"{demo.FLOW_NAME}/{run_id}")
    found = [(step.id, card.type) for step in run for task in step for card in cards(task)]
    assert found == [("choose", "blank")]


@pytest.mark.parametrize("library", ["boto3", "minio"])
def test_every_artifact_has_its_blob_in_the_bucket(
    library: str, run_id: str, metaflow: Any, store: Any, laptop: Laptop, facts: dict[str, str]
) -> None:
    artifacts = [artifact for step in metaflow.Run(f"{demo.FLOW_NAME}/{run_id}") for task in step for artifact in task]
    bucket, _, root = facts["METAFLOW_DATASTORE_SYSROOT_S3"].removeprefix("s3://").partition("/")
    keys = [f"{root}/{demo.FLOW_NAME}/data/{artifact.sha[:2]}/{artifact.sha}" for artifact in artifacts]
    assert len(artifacts) >= 2 * sum(STEPS.values())
    if library == "boto3":
        sizes = [store.head_object(Bucket=bucket, Key=key)["ContentLength"] for key in keys]
    else:
        sizes = [_minio(laptop, facts).stat_object(bucket, key).size for key in keys]
    assert all(size > 0 for size in sizes)


def test_the_database_has_a_row_for_each(run_id: str, kubectl: Kubectl, settings: Settings, metaflow: Any) -> None:
    rows = _sql(
        kubectl,
        settings,
        "select step_name, count(*) from tasks_v3 join runs_v3 using (flow_id, run_number)"
        f" where flow_id = '{demo.FLOW_NAME}' and runs_v3.run_id = '{run_id}' group by 1 order by 1",
    )
    assert dict(line.split("|") for line in rows) == {
        step: str(count) for step, count in sorted((STEPS | {"_parameters": 1}).items())
    }
    artifacts = [artifact for step in metaflow.Run(f"{demo.FLOW_NAME}/{run_id}") for task in step for artifact in task]
    (count,) = _sql(
        kubectl,
        settings,
        "select count(distinct (task_id, name)) from artifact_v3"
        f" where flow_id = '{demo.FLOW_NAME}' and run_id = '{run_id}'"
        " and left(name, 1) <> '_' and step_name <> '_parameters'",
    )
    assert int(count) == len(artifacts)


def test_kubeflow_shows_the_same_run_with_its_pods(run_id: str, kubeflow: Any) -> None:
    run = kubeflow.get_run(run_id.removeprefix("kfp-"))
    assert run.state == "SUCCEEDED"
    names = Counter(task.display_name for task in run.run_details.task_details)
    assert set(PODS) <= set(names)
    # Argo calls what runs a step's container `executor`, and names each split of a foreach by its index.
    assert names["executor"] == sum(PODS.values())
    assert sum(name.startswith("iteration-iterations(") for name in names.elements()) == STEPS["train"]
    version = kubeflow.get_pipeline_version(
        run.pipeline_version_reference.pipeline_id, run.pipeline_version_reference.pipeline_version_id
    )
    assert demo.FLOW_NAME.lower() in str(version.pipeline_spec).lower()


def _minio(laptop: Laptop, facts: dict[str, str]) -> Any:
    from minio import Minio
    from minio.credentials import AWSConfigProvider

    return Minio(
        facts["METAFLOW_S3_ENDPOINT_URL"].removeprefix("http://"),
        secure=False,
        credentials=AWSConfigProvider(str(laptop.client / "credentials"), "default"),
    )


def _sql(kubectl: Kubectl, settings: Settings, query: str) -> list[str]:
    """Ask the database inside its pod; gives the lines of psql's unaligned output."""
    printed = kubectl.run(
        *("--namespace", settings.namespace, "exec", f"statefulset/{settings.release}-database", "--"),
        *("sh", "-c", 'psql -h /run/postgresql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -Atc "$1"', "sh", query),
        timeout=60,
    )
    return printed.split()
