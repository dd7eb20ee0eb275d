"""Metaflow is imported here once: it warns about itself while it is imported, and warnings are errors in tests.

What the extension leaves in the folder for temporary files is found here, too, whoever started it.
"""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.tests.lib.kubeflow import Kubeflow, serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import metaflow  # noqa: F401

_TEMPORARY = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Give this session, its workers and all that they start one folder for temporary files. tmp_path stays where it
    was.
    """
    if hasattr(config, "workerinput"):
        return
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    # A database server of a test is no root, and works below it.
    folder.chmod(0o755)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    config.stash[_TEMPORARY] = folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded of themselves. What they print is kept back by the workers of xdist."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                for name, value in report.user_properties:
                    terminalreporter.write_line(f"{name}: {value}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Fail the session when something of the extension's is in the folder after all workers have ended."""
    yield
    folder = session.config.stash.get(_TEMPORARY, None)
    if folder is None:
        return
    if left := sorted(file.name for file in folder.glob("tributary-*")):
        _say(session, f"left in the folder for temporary files: {', '.join(left)}")
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
    try:
        shutil.rmtree(folder)
    except OSError as error:
        # A process of a test that was ended by force may still write below it.
        _say(session, f"{folder} could not be taken away: {error}")


def _say(session: pytest.Session, line: str) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(line, red=True)


@pytest.fixture
def kubeflow() -> Iterator[Kubeflow]:
    """A Kubeflow Pipelines of our own, with nothing in it."""
    with serving(Kubeflow()) as running:
        yield running
