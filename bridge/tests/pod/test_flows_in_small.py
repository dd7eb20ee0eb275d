"""A flow's run, task by task through the runner, leaves what a run on the laptop leaves."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.tests.lib import versions
from bridge.tests.pod.packaged import packaged
from bridge.tests.pod.small_kubeflow import FLOWS, SmallKubeflow, describe, differences, run_locally, tasks

# The demo needs scikit-learn, and learns for a while; files are stored where S3 is, and there alone does Metaflow take
# @kubernetes. These are compared on the cluster.
ELSEWHERE = ("digits_flow", "include_file_flow", "pod_fields_flow")
NAMES = sorted(file.stem for file in FLOWS.glob("*_flow.py") if file.stem not in ELSEWHERE)
# Each shows the runner something that no other does; the rest is compared on the cluster at every test, and here at
# length.
TELLING = (
    "config_flow",
    "mutators_flow",
    "project_flow",
    "branch_in_foreach_flow",
    "linear_flow",
    "parallel_flow",
    "parameters_flow",
    "retry_flow",
)

# Their files alone do not say what they are: Metaflow's command changes them when it starts.
# These are the options that stand before it.
PACKAGED: dict[str, list[str]] = {
    "config_flow": [
        *("--config-value", "settings", '{"shared": 65, "retries": 0, "level": "high", "sizes": [3, 40, 5]}'),
        *("--config-value", "nothing", '{"now": "some"}'),
    ],
    "mutators_flow": ["--config-value", "settings", '{"times": 1}', "--with", "traced"],
    "project_flow": ["--branch", "of_tests", "--production"],
}

# What somebody gives when the run is started. Deploy-time defaults are values by then.
GIVEN: dict[str, dict[str, Any]] = {
    "parameters_flow": {
        "made_at_deployment": 3,
        "epochs": -5,
        "quiet": True,
        "learning-rate": 1e-7,
        "nothing": "--no-dashes",
        "layers": {"sizes": [1, 2, 3], "name": "ünïcode"},
    }
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in TELLING else pytest.mark.long) for name in NAMES]
)
def test_the_runner_leaves_what_a_local_run_leaves(name: str, tmp_path: Path) -> None:
    versions.skip_if_lacking(name)
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    given, options = GIVEN.get(name, {}), PACKAGED.get(name, [])
    if name in PACKAGED:
        made = packaged(FLOWS / f"{name}.py", there, options)
        run = SmallKubeflow(made.deployment, there, parameters=given, flows=made.folder, variables=made.variables)
    else:
        run = SmallKubeflow(describe(FLOWS / f"{name}.py", there), there, parameters=given)
    deployment = run.deployment

    run.execute()
    words = [f"--{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in given.items()]

    wanted = tasks(deployment.flow_name, here, run_locally(run.flows / f"{name}.py", here, *words, options=options))
    found = tasks(deployment.flow_name, there, f"kfp-{run.run}")
    assert differences(wanted, found) == []
    assert run.left_over() == []
