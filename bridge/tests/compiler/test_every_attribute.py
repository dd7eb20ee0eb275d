"""Every attribute of every decorator, given a value that is not its default, changes what is deployed at a named place,
or is refused by its name. The attributes are read from Metaflow itself, so that a new one has no value here and fails.

A decorator whose own code reads an attribute in the pod travels there: in the flow's file, or, when it was given to
--with as it is here, among the record's decospecs.
"""

from collections.abc import Iterator

import pytest
from metaflow import current
from metaflow.plugins import FLOW_DECORATORS, STEP_DECORATORS

from bridge.tests.lib.attributes import FLOW_VALUES, REFUSED, REFUSED_ALONE, VALUES, Compiled, compiled, flow_with
from metaflow_extensions.tributary.plugins.kubeflow_pipelines import support

# These make environments, which test_environments compares.
ELSEWHERE = {"conda", "pypi"}

TOLD = sorted(
    (each for each in STEP_DECORATORS if support.step_decorator(each.name).how != "refused"),
    key=lambda each: each.name,
)
CASES = [
    (each.name, attribute)
    for each in TOLD
    if each.name not in ELSEWHERE | set(support.OTHER_STEP_DECORATORS)
    for attribute in each.defaults
]


OF_FLOW = [
    (each.name, attribute)
    for each in sorted(FLOW_DECORATORS, key=lambda each: each.name)
    if support.flow_decorator(each.name).how != "refused"
    and each.name.removesuffix("_base") not in ELSEWHERE | set(support.OTHER_FLOW_DECORATORS)
    for attribute in each.defaults
]


@pytest.mark.parametrize(("decorator", "attribute"), CASES)
def test_a_value_that_is_not_the_default_shows_where_it_should(decorator: str, attribute: str) -> None:
    value, besides, place = VALUES[decorator][attribute]
    found = compiled(flow_with(decorator, {**besides, attribute: value}))
    if place in (REFUSED, REFUSED_ALONE):
        assert (support.ATTRIBUTES[decorator][attribute].how == "refused") == (place == REFUSED)
        assert_refused(found, f"@{decorator}({attribute}={value!r})")
        return
    # What is given beside an attribute, or @retry alone, changes something of its own.
    usual = compiled(flow_with(decorator if besides or decorator == "retry" else None, besides))
    assert_shows(usual, found, place)


@pytest.mark.usefixtures("_no_project_afterwards")
@pytest.mark.parametrize(("decorator", "attribute"), OF_FLOW)
def test_so_it_is_with_the_attributes_of_a_flows_decorators(decorator: str, attribute: str) -> None:
    value, besides, place = FLOW_VALUES[decorator][attribute]
    usual = compiled(flow_with(None, {}, decorator, besides))
    found = compiled(flow_with(None, {}, decorator, {**besides, attribute: value}))
    if place == REFUSED:
        assert_refused(found, f"@{decorator}({attribute}={value!r})")
        return
    assert_shows(usual, found, place)


@pytest.fixture
def _no_project_afterwards() -> Iterator[None]:
    """Metaflow keeps what @project says in a class of the whole process."""
    before = set(vars(type(current)))
    yield
    for name in set(vars(type(current))) - before:
        delattr(type(current), name)


def assert_refused(found: Compiled, what: str) -> None:
    """It is said of every place that has it, and nothing else is."""
    assert found.problems and all(what in problem for problem in found.problems)


def assert_shows(usual: Compiled, found: Compiled, place: str) -> None:
    """Between what is deployed of the two there is a difference at the place."""
    assert usual.problems == found.problems == []
    assert usual.values is not None and found.values is not None
    paths = usual.values.keys() | found.values.keys()
    different = {path for path in paths if usual.values.get(path) != found.values.get(path)}
    assert [path for path in different if place in path], sorted(different)


@pytest.mark.parametrize(
    "name", sorted(each.name for each in FLOW_DECORATORS if support.flow_decorator(each.name).how != "refused")
)
def test_every_attribute_of_a_flow_decorator_is_known(name: str) -> None:
    (decorator,) = (each for each in FLOW_DECORATORS if each.name == name)
    assert set(decorator.defaults) == set(support.ATTRIBUTES[name])


@pytest.mark.parametrize("name", ["trigger", "trigger_on_finish", "exit_hook"])
def test_what_needs_the_controller_says_so(name: str) -> None:
    assert support.FLOW_DECORATORS[name].how == "refused"
    assert "needs the controller" in support.FLOW_DECORATORS[name].note
