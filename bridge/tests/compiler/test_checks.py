from dataclasses import replace
from typing import Any

import pytest

from bridge.tests.lib.graphs import TARGET, decorated, flow, kubernetes, with_step
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
        ({"datastore_type": "local"}, "flow.py:3: flow 'TestFlow': pods cannot read a local datastore."),
        ({"datastore_type": "gs"}, "datastore 'gs' is not translated"),
        ({"metadata_type": "local"}, "metadata provider 'local'"),
        ({"environment_type": "conda"}, "--environment conda is refused: no packages are installed in pods."),
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
        (Decorator("secrets", {}), "flow.py:11: step 'a': @secrets is refused: "),
        (Decorator("batch", {}), "@batch is refused: it runs on AWS Batch. Use @kubernetes or @resources."),
        (Decorator("from_tomorrow", {}), "@from_tomorrow is refused: this version of the extension does not know it"),
        (kubernetes(service_account="other"), "@kubernetes(service_account='other') is refused"),
        (kubernetes(from_tomorrow=1), "@kubernetes(from_tomorrow=1) is refused: this version of the extension"),
        (kubernetes(namespace="other"), "@kubernetes(namespace='other') is refused"),
        (changed("resources", disk=10), "@resources(disk=10) is refused: Kubeflow Pipelines cannot ask for ephemeral"),
        (kubernetes(image_pull_policy="Sometimes"), "image_pull_policy='Sometimes'"),
        (kubernetes(gpu=1, extended_resources={"vendor/fpga": "1"}), "asks for nvidia.com/gpu, vendor/fpga"),
    ],
)
def test_what_is_wrong_with_a_step_is_named(decorator: Decorator, words: str) -> None:
    (problem,) = said(with_decorator(decorator))
    assert words in problem


def test_the_namespace_of_kubeflow_itself_is_no_problem() -> None:
    target = replace(TARGET, namespace="team")
    assert said(with_decorator(kubernetes(namespace="team")), target) == []
    assert len(said(with_decorator(kubernetes(namespace="other")), target)) == 1


def test_a_split_whose_ways_lead_to_different_joins_is_named() -> None:
    whole = flow("start * a\na ? b c\nb > join_b\nc > join_c\njoin_b > end\njoin_c > end")
    (problem,) = said(whole)
    assert problem.startswith("flow.py:10: step 'start': a foreach that ends at join_b or join_c is refused: ")


def test_a_gang_is_named_where_it_is_asked_for() -> None:
    (problem,) = said(with_step(GOOD, replace(GOOD.steps["start"], parallel=True)))
    assert "flow.py:10: step 'start': self.next with num_parallel" in problem


def test_pods_need_a_config_and_may_do_without_a_secret() -> None:
    assert "METAFLOW_KUBEFLOW_PIPELINES_STEPS_CONFIG: is not set" in said(GOOD, replace(TARGET, steps_config=None))[0]
    assert said(GOOD, replace(TARGET, steps_secret=None)) == []


def test_all_problems_are_said_at_once() -> None:
    whole = with_decorator(Decorator("secrets", {}))
    assert len(said(replace(whole, datastore_type="local", metadata_type="local"))) == 3
