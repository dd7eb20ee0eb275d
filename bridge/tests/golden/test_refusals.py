"""What a user reads who wrote something wrong, word by word: where it stands, what is wrong, and what to do.

Each kind of mistake is a small flow, made here, and its message a file in golden/refusals. `--regenerate` writes them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.tests.lib.commands import command, commands

CREATE = ("kubeflow-pipelines", "create", "--only-json")
MESSAGES = Path(__file__).parent / "refusals"

FLOW = """from metaflow import *
{before}

{of_flow}
class WrongFlow(FlowSpec):
{body}

    @step
    def start(self):
        {start}

{of_step}
    @step
    def work(self):
        {work}

    @step
    def end(self):
        pass


if __name__ == "__main__":
    WrongFlow()
"""


@dataclass(frozen=True)
class Wrong:
    """A kind of mistake: what stands in front of the class, in it, in front of the step `work` and in the steps, and
    what is said on the command line, before `kubeflow-pipelines` and after `create`, and in the settings. `before` is
    a line below the imports.
    """

    of_step: str = ""
    of_flow: str = ""
    body: str = "    pass"
    start: str = "self.next(self.work)"
    work: str = "self.next(self.end)"
    before: str = ""
    top: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    settings: Mapping[str, str | None] = field(default_factory=dict)

    def text(self) -> str:
        """The flow's file."""
        decorators = "\n".join(f"    {line}" for line in self.of_step.splitlines())
        parts = {name: getattr(self, name) for name in ("before", "of_flow", "body", "start", "work")}
        return FLOW.format(of_step=decorators, **parts)


# A join, for flows that need one: the step `work` leads to it.
JOINED: Any = {
    "work": "self.next(self.join)\n\n    @step\n    def join(self, inputs):\n        self.next(self.end)",
}

# A step decorator that Metaflow knows, as one of its extensions could bring it.
FROM_TOMORROW = """
from functools import partial
from metaflow import decorators


class FromTomorrow(decorators.StepDecorator):
    name = "from_tomorrow"


from_tomorrow = partial(decorators._base_step_decorator, FromTomorrow)"""

# The words that a sentence begins with which says what to do.
TO_DO = re.compile(
    r"(Add|Break|Catch|Choose|Correct|Ensure|Give|Keep|Lead|Leave|Let|Make|Mount|Name|Put|Remove|Rename|Run|Set|Use|Write)\b"
)


KINDS: Mapping[str, Wrong] = {
    # Numbers and forms
    "memory_that_is_no_number": Wrong("@kubernetes(memory='abc')"),
    "resources_of_nothing": Wrong("@resources(cpu=0)"),
    "half_a_gpu": Wrong("@resources(gpu=0.5)"),
    "retry_too_often": Wrong("@retry(times=9)"),
    "retry_after_half_a_minute": Wrong("@retry(minutes_between_retries=0.5)"),
    "timeout_without_time": Wrong("@timeout"),
    "tolerations_of_unknown_keys": Wrong("@kubernetes(tolerations=[{'toleration': 'gpu'}])"),
    "label_with_a_space": Wrong("@kubernetes(labels={'team': 'blue team'})"),
    "pull_policy_of_no_kind": Wrong("@kubernetes(image_pull_policy='Sometimes')"),
    "quality_of_no_kind": Wrong("@kubernetes(qos='Splendid')"),
    "gpu_vendor_of_no_kind": Wrong("@kubernetes(gpu=1, gpu_vendor='abacus')"),
    "claim_at_a_relative_path": Wrong("@kubernetes(persistent_volume_claims={'data': 'data'})"),
    "environment_that_is_no_dictionary": Wrong("@environment(vars=['A=b'])"),
    "secrets_that_are_no_list": Wrong("@secrets(sources='inline')"),
    "artifact_named_by_a_number": Wrong("@catch(var=5)\n@card(type=3)"),
    "schedule_of_a_number": Wrong(of_flow="@schedule(cron=5)"),
    "project_named_by_a_number": Wrong(of_flow="@project(name=5)"),
    # What is not there
    "attribute_that_is_not_there": Wrong("@kubernetes(nosuch=1, port=80)"),
    "attributes_that_are_not_there": Wrong(
        "@resources(ram=5)\n@retry(time=3)\n@timeout(second=5, seconds=70)\n@catch(vars='x')\n@card(kind='x')"
        "\n@environment(variables={}, vars={})\n@secrets(source=[], sources=[])\n@pypi(package={})",
        of_flow="@schedule(day=True)\n@project(title='x', name='x')",
        top=("--with", "kubernetes:nosuch=1"),
    ),
    "decorator_given_twice": Wrong("@retry(times=1)\n@retry(times=2)"),
    "decorator_of_no_step": Wrong(of_flow="@retry"),
    "module_that_is_not_there": Wrong(of_flow="import nowhere_to_be_found"),
    # What Kubeflow Pipelines has no place for
    "disk": Wrong("@resources(disk=20000)"),
    "port": Wrong("@kubernetes(port=8080)"),
    "namespace_of_another": Wrong("@kubernetes(namespace='elsewhere')"),
    "privileged": Wrong("@kubernetes(security_context={'privileged': True})"),
    "two_extended_resources": Wrong("@kubernetes(extended_resources={'vendor.com/a': 1, 'vendor.com/b': 2})"),
    "service_account_of_one_step": Wrong("@kubernetes(service_account='trainer')"),
    "security_context_on_an_older_server": Wrong("@kubernetes(security_context={'run_as_user': 1000})"),
    "timeout_of_a_gang_without_one": Wrong("@kubernetes(hostname_resolution_timeout=30)"),
    "workflow_timeout_on_an_older_server": Wrong(options=("--workflow-timeout", "60")),
    # What cannot be together
    "catch_beside_parallel": Wrong("@catch\n@parallel", start="self.next(self.work, num_parallel=2)", **JOINED),
    "batch_and_kubernetes": Wrong("@batch\n@kubernetes"),
    "secret_and_claim_of_one_name": Wrong(
        "@kubernetes(secrets=['shared'], persistent_volume_claims={'shared': '/data'})"
    ),
    "secret_with_a_dot": Wrong("@kubernetes(secrets=['db.password'])"),
    "two_mounts_at_one_place": Wrong("@kubernetes(persistent_volume_claims={'a': '/data', 'b': '/data/'})"),
    "conda_without_its_environment": Wrong("@conda(packages={'numpy': '2.0'})"),
    "parameters_of_one_name": Wrong(body="    a = Parameter('learning-rate')\n    b = Parameter('Learning_Rate')"),
    "parameter_named_as_an_option": Wrong(body="    a = Parameter('experiment')"),
    "file_that_is_not_there": Wrong(body="    text = IncludeFile('text', default='nowhere.txt')"),
    "parameter_of_several_values": Wrong(body="    pair = Parameter('pair', type=(int, int))"),
    "parameter_with_an_option_of_click": Wrong(body="    many = Parameter('many', multiple=True)"),
    # Schedules
    "time_zone": Wrong(of_flow="@schedule(daily=True, timezone='Europe/Zurich')"),
    "cron_that_is_none": Wrong(of_flow="@schedule(cron='every day at ten')"),
    "cron_of_two_meanings": Wrong(of_flow="@schedule(cron='0 */5 * * * *')"),
    "schedule_that_nobody_gives_its_parameter": Wrong(
        of_flow="@schedule(hourly=True)", body="    rate = Parameter('rate', type=float, required=True)"
    ),
    # What this version does not know, or only Metaflow's Argo integration does
    "decorator_from_tomorrow": Wrong("@from_tomorrow", before=FROM_TOMORROW),
    "notifications": Wrong(options=("--notify-on-error", "--notify-slack-webhook-url", "https://chat/hook")),
    "priority": Wrong(options=("--workflow-priority", "5")),
    # Decorators for something else
    "trigger": Wrong(of_flow="@trigger(event='new_data')"),
    "trigger_on_finish": Wrong(of_flow="@trigger_on_finish(flow='OtherFlow')"),
    "exit_hook": Wrong(of_flow="@exit_hook(on_error=[print])"),
    "trigger_that_is_wrong_too": Wrong(of_flow="@trigger(event=7)"),
    # The graph, in Metaflow's words
    "foreach_without_join": Wrong(start="self.items = [1]; self.next(self.work, foreach='items')"),
    "step_that_is_not_there": Wrong(work="self.next(self.nowhere)"),
    "step_that_goes_nowhere": Wrong(work="pass"),
    # The surroundings
    "local_datastore": Wrong(top=("--datastore", "local")),
    "google_datastore": Wrong(top=("--datastore", "gs", "--datastore-root", "gs://bucket/flows")),
    "local_metadata": Wrong(top=("--metadata", "local")),
    "pods_without_config": Wrong(settings={"METAFLOW_KUBEFLOW_PIPELINES_STEPS_CONFIG": None}),
    # Together
    "graph_and_the_rest": Wrong("@resources(disk=5)", work="self.next(self.nowhere)", top=("--metadata", "local")),
    "several_at_once": Wrong(
        "@resources(memory='much', disk=5)\n@retry(times='often')\n@kubernetes(port=80, tolerations='any')",
        of_flow="@trigger(event='new_data')",
        top=("--metadata", "local"),
    ),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each kind's `create` says."""
    folder = tmp_path_factory.mktemp("wrong")
    flows = {kind: folder / kind / "wrong_flow.py" for kind in KINDS}
    for kind, flow in flows.items():
        flow.parent.mkdir()
        flow.write_text(KINDS[kind].text())
    arguments = {kind: ("--quiet", *wrong.top, *CREATE, *wrong.options) for kind, wrong in KINDS.items()}
    alike = [kind for kind, wrong in KINDS.items() if not wrong.settings]
    done = dict(zip(alike, commands([(flows[kind], arguments[kind]) for kind in alike]), strict=True))
    for kind in KINDS.keys() - set(alike):
        done[kind] = command(flows[kind], *arguments[kind], settings=KINDS[kind].settings)
    for kind, process in done.items():
        assert (process.returncode, process.stdout) == (2, ""), f"{kind}: {process.returncode}\n{process.stderr}"
    return {kind: process.stderr for kind, process in done.items()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_message_is_the_one_that_was_looked_at(
    kind: str, said: dict[str, str], pytestconfig: pytest.Config
) -> None:
    golden = MESSAGES / f"{kind}.txt"
    if pytestconfig.getoption("--regenerate", default=False):
        golden.write_text(said[kind])
    assert golden.is_file(), f"{golden.name} is missing: make golden, and look at it"
    assert said[kind] == golden.read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_says_where_what_and_what_to_do(kind: str) -> None:
    for line in (MESSAGES / f"{kind}.txt").read_text().splitlines():
        assert "Traceback" not in line and not re.search(r"\*\w+\*", line), line
        where, wrong, to_do = parts(line)
        assert re.fullmatch(r"wrong_flow\.py:\d+(: (step|flow) '\w+')?|METAFLOW_\w+|--[a-z-]+", where), line
        assert len(wrong) > 10, line
        assert TO_DO.match(to_do) and to_do.endswith("."), line


def test_a_line_without_a_remedy_is_found() -> None:
    assert parts("wrong_flow.py:15: Step work goes nowhere.")[2] == ""
    assert not TO_DO.match(parts("wrong_flow.py:15: It is wrong. It is very wrong.")[2])


def parts(line: str) -> tuple[str, str, str]:
    """Where, what is wrong and what to do: the last sentence, when there are two."""
    place = re.match(r"(wrong_flow\.py:\d+(?:: (?:step|flow) '\w+')?|[\w-]+): ", line)
    assert place is not None, line
    wrong, dot, to_do = line[place.end() :].rpartition(". ")
    return place[1], wrong, to_do if dot else ""


def test_no_message_is_left_over() -> None:
    assert {file.stem for file in MESSAGES.glob("*.txt")} == set(KINDS)
