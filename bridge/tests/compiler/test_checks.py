from dataclasses import replace
from typing import Any

import pytest

from bridge.tests.lib.graphs import TARGET, decorated, flow, kubernetes, with_step
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler import gangs, pods
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.capabilities import of
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.checks import problems
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.ir import (
    SEVERAL_KIND,
    Decorator,
    Flow,
    Parameter,
    Target,
)

GOOD = flow("start * a\na > join\njoin > end")


def changed(name: str, **attributes: Any) -> Decorator:
    return Decorator(name, attributes, frozenset(attributes))


def with_decorator(decorator: Decorator) -> Flow:
    return with_step(GOOD, decorated(GOOD.steps["a"], decorator))


def said(whole: Flow, target: Target = TARGET) -> list[str]:
    return [str(problem) for problem in problems(whole, target)]


def test_a_good_flow_has_no_problems() -> None:
    assert said(GOOD) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"datastore_type": "local"}, "flow.py:3: flow 'TestFlow': --datastore local is refused: pods cannot read it."),
        ({"datastore_type": "gs"}, "--datastore gs is refused: a step's container fetches what it runs from S3"),
        ({"datastore_type": "azure"}, "--datastore azure is refused: a step's container fetches what it runs from S3"),
        ({"datastore_type": "from_tomorrow"}, "--datastore from_tomorrow is refused: a step's container"),
        (
            {"decorators": (changed("schedule", from_tomorrow=1),)},
            "flow.py:3: @schedule(from_tomorrow=1) is refused: this version of the extension does not know it.",
        ),
        ({"metadata_type": "local"}, "metadata provider 'local'"),
        ({"environment_type": "fast-bakery"}, "--environment fast-bakery is refused: this version of the extension"),
        ({"decorators": (Decorator("trigger", {}),)}, "@trigger is refused"),
        ({"decorators": (Decorator("from_tomorrow", {}),)}, "@from_tomorrow is refused: this version of the extension"),
        (
            {"parameters": (Parameter("Run_ID-file", "r", "str", None, False),)},
            "parameter 'Run_ID-file' has the name of an",
        ),
        (
            {"parameters": (Parameter("file", "file", "FilePath", None, False, file="~/not/there"),)},
            "IncludeFile 'file': '~/not/there' cannot be read. Run the command where the file lies.",
        ),
        ({"parameters": (Parameter("pair", "pair", SEVERAL_KIND, None, False),)}, "parameter 'pair' of several values"),
        (
            {"parameters": (Parameter("many", "many", "str", None, False, options=("multiple", "type")),)},
            "parameter 'many' with multiple= is refused",
        ),
        (
            {"parameters": tuple(Parameter(name, name, "int", None, False) for name in ("a-b", "A_B"))},
            "parameters 'a-b' and 'A_B' are one name",
        ),
    ],
)
def test_what_is_wrong_with_a_flow_is_named(change: dict[str, Any], words: str) -> None:
    (problem,) = said(replace(GOOD, **change))
    assert words in problem
    assert problem.endswith(".")


@pytest.mark.parametrize(
    ("decorator", "words"),
    [
        (Decorator("batch", {}), "@batch is refused: it runs on AWS Batch. Use @kubernetes or @resources."),
        (Decorator("from_tomorrow", {}), "@from_tomorrow is refused: this version of the extension does not know it"),
        (kubernetes(from_tomorrow=1), "@kubernetes(from_tomorrow=1) is refused: this version of the extension"),
        (kubernetes(namespace="other"), "@kubernetes(namespace='other') is refused"),
        (changed("resources", disk=10), "@resources(disk=10) is refused: Kubeflow Pipelines cannot ask for ephemeral"),
        (
            kubernetes(service_account="other"),
            "other steps have another one, and Kubeflow Pipelines has one service account for a whole run. "
            "Give it to every step: --with kubernetes:service_account=other.",
        ),
        (
            kubernetes(image_pull_policy="Sometimes"),
            "@kubernetes(image_pull_policy='Sometimes') is not one of Always, IfNotPresent, Never. Write one of them.",
        ),
        (
            kubernetes(security_context={"privileged": True}),
            "{'privileged': True}) is refused: Kubeflow Pipelines knows",
        ),
        (kubernetes(memory="abc"), "flow.py:11: step 'a': @kubernetes(memory='abc') is not a number above 0."),
        (kubernetes(cpu=float("nan")), "@kubernetes(cpu=nan) is not a number above 0."),
        (kubernetes(gpu="1.5"), "@kubernetes(gpu='1.5') is not a whole number."),
        (kubernetes(tolerations=[{"operator": "Like"}]), "is not a list of dictionaries with key, operator, value,"),
        (kubernetes(tolerations=["gpu"]), "@kubernetes(tolerations=['gpu']) is not a list of dictionaries with"),
        (kubernetes(labels="a=b"), "@kubernetes(labels='a=b') is not a dictionary of texts."),
        (kubernetes(image_pull_secrets="registry"), "@kubernetes(image_pull_secrets='registry') is not a list of"),
        (kubernetes(persistent_volume_claims={"data": "data"}), "is not a dictionary from claims to absolute paths."),
        (changed("retry", times="often", minutes_between_retries=1), "@retry(times='often') is not a whole number."),
        (changed("timeout", seconds=-1), "@timeout(seconds=-1) is not a whole number."),
        (changed("environment", vars="A=b"), "@environment(vars='A=b') is not a dictionary of texts."),
        (changed("secrets", sources=[{"type": "inline"}, 7]), "@secrets(sources=…) is not a list of names and"),
        (
            kubernetes(secrets=["shared"], persistent_volume_claims={"shared": "/data"}),
            "Secret 'shared' and claim 'shared' would be volumes of one name, 'shared', in the pod. Use an object of",
        ),
        (
            kubernetes(secrets="steps-config"),
            "ConfigMap 'steps-config' with Metaflow's config and Secret 'steps-config'",
        ),
        (kubernetes(secrets=["db.password"]), "Secret 'db.password' cannot be mounted: Kubeflow Pipelines names the"),
        (kubernetes(persistent_volume_claims={"s3-scratch": "/d"}), "and a volume of Kubeflow Pipelines itself would"),
        (
            kubernetes(persistent_volume_claims={"data": "/dev/shm/"}, shared_memory=5),
            "claim 'data' and memory at /dev/shm would be mounted at /dev/shm. Use another path.",
        ),
        (kubernetes(use_tmpfs=True, tmpfs_size=5, tmpfs_path="/s3"), "and what Kubeflow Pipelines mounts itself would"),
        (Decorator("card", {}, mistake="It is no card"), "flow.py:11: step 'a': @card: It is no card. Correct it."),
        (kubernetes(gpu=1, extended_resources={"vendor/fpga": "1"}), "asks for nvidia.com/gpu, vendor/fpga"),
        (
            kubernetes(gpu=1, extended_resources={"nvidia.com/gpu": 2}),
            "asks for nvidia.com/gpu twice, and not for as many",
        ),
    ],
)
def test_what_is_wrong_with_a_step_is_named(decorator: Decorator, words: str) -> None:
    (problem,) = said(with_decorator(decorator))
    assert words in problem


@pytest.mark.parametrize("seconds", ["abc", 0.5, -1])
def test_how_long_a_gang_waits_for_its_names_is_a_whole_number(seconds: Any) -> None:
    a = replace(decorated(GOOD.steps["a"], kubernetes(hostname_resolution_timeout=seconds)), gang=True)
    (problem,) = said(with_step(GOOD, a))
    assert f"@kubernetes(hostname_resolution_timeout={seconds!r}) is not a whole number. Write seconds" in problem


@pytest.mark.parametrize("seconds", [30, "30", "30.0", 30.0])
def test_a_gang_waits_for_its_names_as_long_as_is_written(seconds: Any) -> None:
    a = replace(decorated(GOOD.steps["a"], kubernetes(hostname_resolution_timeout=seconds)), gang=True)
    assert said(with_step(GOOD, a)) == []
    assert gangs.record(a).resolution_seconds == 30


@pytest.mark.parametrize(
    "decorator",
    [
        kubernetes(disk=20000),
        kubernetes(port=80),
        changed("resources", disk=20000),
        kubernetes(extended_resources={"vendor.com/a": 1, "vendor.com/b": 2}),
        kubernetes(security_context={"privileged": True}),
        kubernetes(security_context={"run_as_user": 0}),
    ],
)
def test_what_a_pod_cannot_have_a_gang_cannot_have_either_and_that_is_said(decorator: Decorator) -> None:
    old = replace(TARGET, capabilities=of("2.14.3"))
    (alone,) = said(with_decorator(decorator), old)
    (gang,) = said(with_step(GOOD, replace(decorated(GOOD.steps["a"], decorator), gang=True)), old)
    assert gang.replace("; the pods of a gang are refused alike", "") == alone != gang


def test_a_foreach_that_ends_at_one_join_or_another_is_no_problem() -> None:
    assert said(flow("start * a\na ? b c\nb > join_b\nc > join_c\njoin_b > end\njoin_c > end")) == []


@pytest.mark.parametrize("name", ["kubernetes", "retry"])
def test_an_attribute_that_a_decorator_does_not_have_is_named_beside_what_else_is_wrong(name: str) -> None:
    wrong = kubernetes(port=80) if name == "kubernetes" else Decorator("retry", {"times": "x"}, frozenset(["times"]))
    found = said(with_decorator(replace(wrong, unknown=("nosuch",))))
    assert len(found) == 2
    assert f"@{name}(nosuch=…): there is no such attribute. Use one of " in found[-1]


def test_the_namespace_of_kubeflow_itself_is_no_problem() -> None:
    target = replace(TARGET, namespace="team")
    assert said(with_decorator(kubernetes(namespace="team")), target) == []
    assert len(said(with_decorator(kubernetes(namespace="other")), target)) == 1


def test_what_metaflow_says_is_left_out_where_a_law_says_more() -> None:
    (problem,) = said(with_decorator(replace(kubernetes(memory="abc"), mistake="ValueError: could not convert")))
    assert "ValueError" not in problem


def test_a_mistake_of_a_flow_decorator_is_named_unless_it_is_refused_anyway() -> None:
    whole = replace(GOOD, decorators=(Decorator("schedule", {}, mistake="It never comes"),))
    assert said(whole) == ["flow.py:3: @schedule: It never comes. Correct it."]
    refused = replace(GOOD, decorators=(Decorator("trigger", {}, mistake="It is no event"),))
    assert not [problem for problem in said(refused) if "It is no event" in problem]


def test_checkpoints_are_kept_by_their_own_code() -> None:
    assert said(with_decorator(changed("checkpoint", load_policy="eager"))) == []
    (problem,) = said(with_decorator(changed("checkpoint", from_tomorrow=1)))
    assert "@checkpoint(from_tomorrow=1) is refused: this version of the extension does not know it" in problem


def test_one_service_account_for_all_steps_is_no_problem() -> None:
    whole = GOOD
    for step in GOOD.steps.values():
        whole = with_step(whole, decorated(step, kubernetes(service_account="team")))
    assert said(whole) == []


@pytest.mark.parametrize(("key", "value"), [("run_as_user", 0), ("run_as_non_root", False)])
def test_a_security_context_needs_a_server_that_knows_it(key: str, value: Any) -> None:
    whole = with_decorator(kubernetes(security_context={key: value}))
    assert said(whole, replace(TARGET, capabilities=of("2.16.0"))) == []
    (problem,) = said(whole, replace(TARGET, capabilities=of("2.14.3")))
    assert f"{{'{key}': {value}}}) is refused: it needs Kubeflow Pipelines 2.16, and the server is 2.14.3" in problem


@pytest.mark.parametrize(
    "wrong", [{"run_as_user": "root"}, {"run_as_group": 0.5}, {"run_as_user": True}, {"run_as_non_root": "yes"}]
)
def test_a_security_context_has_numbers_for_ids_and_a_yes_or_no(wrong: dict[str, Any]) -> None:
    new = replace(TARGET, capabilities=of("2.17.0"))
    (problem,) = said(with_decorator(kubernetes(security_context=wrong)), new)
    assert f"{wrong}) is not a dictionary with whole numbers for ids and True or False for run_as_non_root" in problem


def test_ids_of_a_security_context_are_written_as_numbers() -> None:
    a = decorated(GOOD.steps["a"], kubernetes(security_context={"run_as_user": "1000", "run_as_non_root": True}))
    assert said(with_step(GOOD, a), replace(TARGET, capabilities=of("2.17.0"))) == []
    assert pods.platform(a, TARGET, None)["securityContext"] == {"runAsUser": 1000, "runAsNonRoot": True}


def test_catch_beside_parallel_is_refused() -> None:
    gang = replace(decorated(GOOD.steps["a"], Decorator("parallel", {}), Decorator("catch", {})), gang=True)
    (problem,) = said(with_step(GOOD, gang))
    assert problem.startswith(
        "flow.py:11: step 'a': @catch beside @parallel is refused: Metaflow refuses it on Kubernetes"
    )


def test_a_timeout_for_a_gangs_addresses_needs_a_gang() -> None:
    timeout = kubernetes(hostname_resolution_timeout=30)
    (problem,) = said(with_decorator(timeout))
    assert "@kubernetes(hostname_resolution_timeout=30) is refused: only the pods of a @parallel step" in problem
    assert said(with_step(GOOD, replace(decorated(GOOD.steps["a"], timeout), gang=True))) == []


def test_pods_need_a_config_and_may_do_without_a_secret() -> None:
    assert "METAFLOW_KUBEFLOW_PIPELINES_STEPS_CONFIG: is not set" in said(GOOD, replace(TARGET, steps_config=None))[0]
    assert said(GOOD, replace(TARGET, steps_secret=None)) == []


def test_all_problems_are_said_at_once() -> None:
    whole = with_decorator(Decorator("batch", {}))
    assert len(said(replace(whole, datastore_type="local", metadata_type="local"))) == 3
