"""What is left of a process's last words when only one line can be shown."""

import pytest

from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.stderr import reason

TRACEBACK = """
working
Internal error
Traceback (most recent call last):
  File "/tmp/metaflow-x/flow.py", line 21, in flaky
    raise RuntimeError("too early")
          ^^^^^^^^^^^^^^^^^^^^^^^^^
RuntimeError: too early
"""
CHAINED = """
Traceback (most recent call last):
  File "flow.py", line 1, in a
KeyError: 'first'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "flow.py", line 2, in b
    raise ValueError("second")
ValueError: second,
  on two lines

a sidecar says good-bye
"""
METAFLOWS = """
some warning

<flow GateFlow step join> failed:
    Unhandled artifacts in merge:
    Step join cannot merge [before, after].
    Set those artifacts.

"""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("\n \n", "", id="empty lines"),
        pytest.param("Killed\n", "Killed", id="one line"),
        pytest.param(TRACEBACK, "RuntimeError: too early", id="traceback"),
        pytest.param(CHAINED, "ValueError: second, on two lines", id="the last of two tracebacks"),
        pytest.param(
            METAFLOWS,
            "Unhandled artifacts in merge: Step join cannot merge [before, after]. Set those artifacts.",
            id="Metaflow's own error",
        ),
        pytest.param('  File "x.py", line 1\n    a b\n', 'File "x.py", line 1 a b', id="cut off after a frame"),
    ],
)
def test_the_reason_is_what_the_exception_says(text: str, wanted: str) -> None:
    assert reason(text.splitlines()) == wanted


def test_a_reason_is_never_longer_than_what_can_be_shown() -> None:
    assert len(reason(["x" * 5000])) == 600
    assert reason(["x" * 5000]).endswith("x…")
