"""What a session of these tests does around them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORDING = """\
def test_recording(record_property):
    record_property("drawn", {"switch": 3})
"""


def test_what_a_test_records_is_printed_once_though_a_worker_ran_it(tmp_path: Path) -> None:
    file = tmp_path / "test_recording.py"
    file.write_text(RECORDING)
    options = ("-q", "-n", "1", "-p", "bridge.tests.conftest", "-p", "no:cacheprovider", "-c", "pyproject.toml")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(file)], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines().count("drawn: {'switch': 3}") == 1
