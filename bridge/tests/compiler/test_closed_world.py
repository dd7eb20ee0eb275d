"""Nothing of Metaflow's is dropped in silence: its own registries are read, and each entry must stand in support.py."""

from typing import Any

import pytest
from metaflow.lint import linter
from metaflow.plugins import DATASTORES, FLOW_DECORATORS, STEP_DECORATORS

from metaflow_extensions.tributary.plugins.kubeflow_pipelines import cli, support

READ = sorted(
    (each for each in STEP_DECORATORS if support.step_decorator(each.name).how != "refused"),
    key=lambda each: each.name,
)


def test_every_step_decorator_of_metaflow_is_known() -> None:
    found = {each.name for each in STEP_DECORATORS}
    assert found - set(support.OTHER_STEP_DECORATORS) == set(support.STEP_DECORATORS)


def test_every_flow_decorator_of_metaflow_is_known() -> None:
    found = {each.name for each in FLOW_DECORATORS}
    assert found - set(support.OTHER_FLOW_DECORATORS) == set(support.FLOW_DECORATORS)


@pytest.mark.parametrize("decorator", READ, ids=[each.name for each in READ])
def test_every_attribute_of_a_translated_decorator_is_known(decorator: Any) -> None:
    assert set(decorator.defaults) == set(support.ATTRIBUTES.get(decorator.name, {}))


def test_every_datastore_of_metaflow_is_known() -> None:
    assert {each.TYPE for each in DATASTORES} <= set(support.DATASTORES)


def test_for_every_check_of_a_graph_it_is_known_what_to_do() -> None:
    assert {check.__name__ for check in linter._checks} <= set(support.GRAPH_REMEDIES)


def test_every_refusal_says_what_to_do_instead() -> None:
    tables = [
        support.STEP_DECORATORS,
        support.FLOW_DECORATORS,
        *support.ATTRIBUTES.values(),
        support.DATASTORES,
        support.ARGO_OPTIONS,
        support.ARGO_COMMANDS,
    ]
    for table in tables:
        for name, entry in table.items():
            assert entry.note, name
            assert bool(entry.instead) == (entry.how == "refused"), name


def test_every_option_of_trigger_is_kept_from_parameters() -> None:
    # Where a Deployer has read a flow in this process, the command has the parameters of that flow too.
    own = getattr(cli.trigger, "original_params", cli.trigger.params)
    options = {option.lstrip("-") for each in own for option in each.opts}
    assert options | {"help"} == support.TRIGGER_OPTIONS
