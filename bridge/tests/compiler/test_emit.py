import json
from dataclasses import replace
from typing import Any

import pytest

from bridge.tests.lib import protos
from bridge.tests.lib.graphs import TARGET, decorated, flow, kubernetes, with_step
from bridge.tests.lib.walks import compiled, walk
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler import gangs, pods
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import Flow, Parameter, Step, Target
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.record import GangRecord

LINEAR = flow("start > a\na > end")
NESTED = flow("start * a\na * b\nb > join_b\njoin_b > c\nc > join\njoin > end")
TWO_FOREACHES = flow("start * a\na > join_a\njoin_a > fan\nfan * b\nb > join_b\njoin_b > end")
TWO_JOINS = flow("start * a\na ? b c\nb > join_b\nc > join_c\njoin_b > end\njoin_c > end")
EVERY_FIELD = kubernetes(
    qos="guaranteed",
    memory="4096.0",
    gpu=2,
    image_pull_policy="Always",
    image_pull_secrets=["registry"],
    node_selector={"disk": "fast"},
    tolerations=[{"key": "gpu", "operator": "Exists", "effect": "NoSchedule", "toleration_seconds": 5}],
    labels={"team": "blue"},
    annotations={"note": "x"},
    persistent_volume_claims={"data": "/data"},
    shared_memory=64,
    use_tmpfs=True,
    tmpfs_size=128,
)


def documents(whole: Flow, target: Target = TARGET) -> tuple[dict[str, Any], dict[str, Any]]:
    pipeline, platform = (json.loads(part) for part in compiled(whole, target).split("\n---\n"))
    return pipeline, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def with_decorator(whole: Flow, name: str, decorator: Any) -> Flow:
    return with_step(whole, decorated(whole.steps[name], decorator))


@pytest.mark.parametrize(
    "whole",
    [LINEAR, NESTED, TWO_FOREACHES, with_decorator(LINEAR, "a", EVERY_FIELD), TWO_JOINS],
    ids=["linear", "nested", "two", "every field", "two joins"],
)
def test_the_protos_know_every_field(whole: Flow) -> None:
    protos.check(compiled(whole))


def test_a_field_that_the_protos_do_not_know_is_found() -> None:
    text = compiled(LINEAR).replace('"cachingOptions"', '"cashingOptions"')
    with pytest.raises(Exception, match="cashingOptions"):
        protos.check(text)


def test_a_task_that_tells_runs_no_step_and_asks_for_little() -> None:
    pipeline, _ = documents(with_decorator(TWO_JOINS, "start", kubernetes(gpu=2, cpu=30)))
    told = pipeline["root"]["dag"]["tasks"]["told-start"]
    assert {name: each["runtimeValue"]["constant"] for name, each in told["inputs"]["parameters"].items()} == {
        "step": "start",
        "among": "join_b,join_c",
    }
    label = pipeline["components"][told["componentRef"]["name"]]["executorLabel"]
    container = pipeline["deploymentSpec"]["executors"][label]["container"]
    assert container["resources"] == {"resourceCpuRequest": "0.1", "resourceMemoryRequest": "256M"}
    assert container["args"][2:] == [
        *("--among", "{{$.inputs.parameters['among']}}"),
        *("--choice", "{{$.outputs.parameters['choice'].output_file}}"),
    ]


def test_equal_flows_give_equal_bytes() -> None:
    assert compiled(flow("start > a\na > end")) == compiled(flow("start > a\na > end"))


def test_steps_with_like_pods_share_one_component() -> None:
    """The first step's container takes the pipeline's inputs, so it is one of its own."""
    pipeline, executors = documents(flow("start > a\na > b\nb > end"))
    assert set(pipeline["components"]) == {"comp-pod-1", "comp-pod-2"}
    assert set(executors) == {"pod-1", "pod-2"}


def test_components_with_equal_containers_have_equal_inputs_and_outputs() -> None:
    """Kubeflow Pipelines 2.14 keeps component specs by the hash of their container."""
    one_step_then_two = "start * a\na > join_a\njoin_a > fan\nfan * b\nb > c\nc > join_c\njoin_c > end"
    pipeline, _ = documents(flow(one_step_then_two))
    faces: dict[str, list[Any]] = {}
    for component in pipeline["components"].values():
        if label := component.get("executorLabel"):
            container = json.dumps(pipeline["deploymentSpec"]["executors"][label]["container"], sort_keys=True)
            faces.setdefault(container, []).append({**component, "executorLabel": None})
    assert max(len(alike) for alike in faces.values()) > 1
    assert all(face == alike[0] for alike in faces.values() for face in alike)


def test_another_image_makes_another_executor() -> None:
    pipeline, _ = documents(with_decorator(LINEAR, "a", kubernetes(image="other")))
    images = {each["container"]["image"] for each in pipeline["deploymentSpec"]["executors"].values()}
    assert images == {"registry/image:1", "other"}


def test_a_further_step_costs_its_task_and_no_more() -> None:
    chain = [f"s{number:03} > s{number + 1:03}" for number in range(500)]
    short, long = (
        compiled(flow("\n".join(["start > s000", *chain[:length], f"s{length:03} > end"]))) for length in (100, 500)
    )
    assert (len(long) - len(short)) / 400 < 250


def test_two_foreaches_in_a_row_are_walked_in_full() -> None:
    ran = walk(compiled(TWO_FOREACHES), lambda step, path: 2)
    assert ran == [
        ("start", ()),
        ("a", (0,)),
        ("a", (1,)),
        ("join_a", ()),
        ("fan", ()),
        ("b", (0,)),
        ("b", (1,)),
        ("join_b", ()),
        ("end", ()),
    ]


def test_max_workers_limits_every_foreach() -> None:
    pipeline, _ = documents(NESTED)
    body = pipeline["components"]["comp-each-start-body"]["dag"]["tasks"]
    assert pipeline["root"]["dag"]["tasks"]["each-start"]["iteratorPolicy"] == {"parallelismLimit": TARGET.max_workers}
    assert body["b"]["iteratorPolicy"] == {"parallelismLimit": TARGET.max_workers}


def test_retries_are_never_cut_off_by_their_window() -> None:
    step = replace(LINEAR.steps["a"], retries=2, minutes_between_retries=3)
    pipeline, _ = documents(with_step(LINEAR, step))
    assert pipeline["root"]["dag"]["tasks"]["a"]["retryPolicy"] == {
        "maxRetryCount": 2,
        "backoffDuration": "180s",
        "backoffFactor": 1,
        "backoffMaxDuration": "2592000s",
    }


def test_the_fallback_of_catch_may_have_one_pod_of_its_own() -> None:
    step: Step = replace(LINEAR.steps["a"], retries=1, fallbacks=3)
    pipeline, _ = documents(with_step(LINEAR, step))
    assert pipeline["root"]["dag"]["tasks"]["a"]["retryPolicy"]["maxRetryCount"] == 2


def test_a_step_without_retry_or_catch_has_no_policy() -> None:
    pipeline, _ = documents(LINEAR)
    assert "retryPolicy" not in pipeline["root"]["dag"]["tasks"]["a"]


def test_no_pod_waits_for_a_step_whose_attempts_are_made_in_one_pod() -> None:
    looped = flow("start > a\na ? a end")
    step = replace(looped.steps["a"], retries=2, minutes_between_retries=5)
    pipeline, _ = documents(with_step(looped, step))
    text = json.dumps(pipeline)
    assert '"backoffDuration": "0s"' in text
    assert '"backoffDuration": "300s"' not in text


@pytest.mark.parametrize(("timeout", "seconds"), [(1, 7200), (300, 7200), (3600, 10800), (None, None)])
def test_a_step_with_a_timeout_has_a_pod_with_a_deadline_far_beyond_it(
    timeout: int | None, seconds: int | None
) -> None:
    _, executors = documents(with_step(LINEAR, replace(LINEAR.steps["a"], timeout_seconds=timeout)))
    deadlines = {executor.get("activeDeadlineSeconds") for executor in executors.values()}
    assert deadlines == {None, seconds}


def test_steps_with_other_timeouts_share_a_component_and_the_drivers_of_gangs_and_loops_have_no_deadline() -> None:
    whole = flow("start > a\na > b\nb > end")
    for name, seconds in (("a", 60), ("b", 1800)):
        whole = with_step(whole, replace(whole.steps[name], timeout_seconds=seconds))
    assert len(documents(whole)[1]) == 3
    gang = replace(LINEAR.steps["a"], gang=True, timeout_seconds=60)
    looped = flow("start > a\na ? a end")
    loop = replace(looped.steps["a"], timeout_seconds=60)
    for each in (with_step(LINEAR, gang), with_step(looped, loop)):
        assert "activeDeadlineSeconds" not in json.dumps(documents(each))


def test_the_deadline_of_a_pod_of_several_steps_is_for_all_attempts_of_each() -> None:
    whole = flow("start > a\na > b\nb > end")
    for name, seconds in (("a", 60), ("b", 1800)):
        limited = replace(whole.steps[name], timeout_seconds=seconds, retries=2, minutes_between_retries=3)
        whole = with_step(whole, limited)
    _, executors = documents(whole, replace(TARGET, fuse=True))
    deadlines = {executor.get("activeDeadlineSeconds") for executor in executors.values()}
    assert deadlines == {None, 2 * (3 * 7200 + 2 * 180)}


def test_a_step_with_a_deadline_shares_no_pod_with_one_that_has_none() -> None:
    whole = with_step(LINEAR, replace(LINEAR.steps["a"], timeout_seconds=60))
    pipeline, _ = documents(whole, replace(TARGET, fuse=True))
    assert set(pipeline["root"]["dag"]["tasks"]) == {"start", "a", "end"}


def test_a_pod_that_may_run_any_number_of_splits_has_no_deadline() -> None:
    whole = flow("start * a\na > join\njoin > end")
    whole = with_step(whole, replace(whole.steps["a"], timeout_seconds=60))
    for splits, deadlines in ((None, {None}), (4, {None}), (1, {None, 7200})):
        _, executors = documents(whole, replace(TARGET, splits_per_pod=splits))
        assert {executor.get("activeDeadlineSeconds") for executor in executors.values()} == deadlines


def test_nothing_is_taken_from_a_cache() -> None:
    pipeline, _ = documents(LINEAR)
    assert all(task["cachingOptions"] == {} for task in pipeline["root"]["dag"]["tasks"].values())


def test_parameters_reach_the_start_step_only() -> None:
    whole = flow(
        "start > a\na > end",
        parameters=[
            Parameter("alpha", "alpha", "float", "0.5", required=False, help="how much"),
            Parameter("key", "key", "str", None, required=False),
            Parameter("must", "must", "int", None, required=True),
        ],
    )
    pipeline, _ = documents(whole)
    assert pipeline["root"]["inputDefinitions"]["parameters"] == {
        "alpha": {"parameterType": "STRING", "defaultValue": "0.5", "description": "how much"},
        "key": {"parameterType": "STRING", "defaultValue": ""},
        "must": {"parameterType": "STRING"},
        "resume_of": {
            "parameterType": "STRING",
            "defaultValue": "",
            "description": "Set by `kubeflow-pipelines resume`; leave it empty.",
        },
    }
    tasks = pipeline["root"]["dag"]["tasks"]
    assert set(tasks["start"]["inputs"]["parameters"]) == {"step", "alpha", "key", "must", "resume_of"}
    assert set(tasks["a"]["inputs"]["parameters"]) == {"step"}
    assert walk(compiled(whole), lambda step, path: 1, {"must": "1"})[0] == ("start", ())


@pytest.mark.parametrize(("asked", "more"), [(True, [pods.TOKEN_KEY]), (False, [])])
def test_a_pod_gets_a_token_where_the_service_asks_for_one(asked: bool, more: list[str]) -> None:
    _, executors = documents(LINEAR, replace(TARGET, service_token=asked))
    for fields in executors.values():
        (secret,) = fields["secretAsEnv"]
        given = {each["secretKey"]: each["envVar"] for each in secret["keyToEnv"]}
        assert given == {key: key for key in (*pods.SECRET_KEYS, *more)}


def test_a_pods_fields_stand_where_kubeflow_reads_them() -> None:
    pipeline, executors = documents(with_decorator(LINEAR, "a", EVERY_FIELD))
    label = pipeline["components"][pipeline["root"]["dag"]["tasks"]["a"]["componentRef"]["name"]]["executorLabel"]
    assert pipeline["deploymentSpec"]["executors"][label]["container"]["resources"] == {
        "resourceCpuRequest": "1",
        "resourceCpuLimit": "1",
        "resourceMemoryRequest": "4096M",
        "resourceMemoryLimit": "4096M",
        "accelerator": {"resourceType": "nvidia.com/gpu", "resourceCount": "2"},
    }
    fields = executors[label]
    assert [each["name"] for each in fields.pop("fieldPathAsEnv")] == [
        "TRIBUTARY_RUN",
        "TRIBUTARY_NODE",
        "TRIBUTARY_POD",
        "TRIBUTARY_NAMESPACE",
        "TRIBUTARY_POD_ID",
        "TRIBUTARY_HOST_IP",
        "TRIBUTARY_ACCOUNT",
    ]
    assert fields == {
        "configMapAsVolume": [{"configMapName": "steps-config", "mountPath": "/var/run/tributary/config"}],
        "secretAsEnv": [
            {
                "secretName": "steps-secret",
                "keyToEnv": [
                    {"secretKey": "AWS_ACCESS_KEY_ID", "envVar": "AWS_ACCESS_KEY_ID"},
                    {"secretKey": "AWS_SECRET_ACCESS_KEY", "envVar": "AWS_SECRET_ACCESS_KEY"},
                ],
            }
        ],
        "imagePullPolicy": "Always",
        "imagePullSecret": [{"secretName": "registry"}],
        "nodeSelector": {"labels": {"disk": "fast"}},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}],
        "podMetadata": {"labels": {"team": "blue"}, "annotations": {"note": "x"}},
        "pvcMount": [{"constant": "data", "mountPath": "/data"}],
        "emptyDirMounts": [
            {"volumeName": "tmpfs", "mountPath": "/metaflow_temp", "medium": "Memory", "sizeLimit": "128Mi"},
            {"volumeName": "shared-memory", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "64Mi"},
        ],
    }


def test_the_driver_of_a_gang_asks_for_little_and_the_record_for_what_each_node_needs() -> None:
    step = replace(decorated(LINEAR.steps["a"], EVERY_FIELD), gang=True)
    pipeline, executors = documents(with_step(LINEAR, step))
    label = pipeline["components"][pipeline["root"]["dag"]["tasks"]["a"]["componentRef"]["name"]]["executorLabel"]
    assert pipeline["deploymentSpec"]["executors"][label]["container"]["resources"] == {
        "resourceCpuRequest": "0.1",
        "resourceMemoryRequest": "256M",
    }
    assert executors[label]["pvcMount"] == [{"constant": "data", "mountPath": "/data"}]
    wanted = kubernetes(**{**EVERY_FIELD.attributes, "hostname_resolution_timeout": 30})
    assert gangs.record(decorated(step, wanted)) == GangRecord(
        resources={
            "requests": {"cpu": "1", "memory": "4096M"},
            "limits": {"cpu": "1", "memory": "4096M", "nvidia.com/gpu": "2"},
        },
        resolution_seconds=30,
    )
