"""A flow as `create` leaves it: its deployment record and its code package, made by the real command line.

For flows whose file alone does not say what they are: Configs, mutators and @project act as the command starts.
"""

import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.tests.lib.commands import command
from bridge.tests.pod.small_kubeflow import environment
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod.loader import CODE_FOLDER
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.record import Deployment

# Runs `python flow.py …` and writes down the record that `create --only-json` only names.
_KEEP_RECORD = """\
import runpy, sys
from pathlib import Path
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.pod import boot
written, *sys.argv = sys.argv[1:]
blob = boot.blob
def keep(deployment):
    Path(written).write_text(deployment.to_json())
    return blob(deployment)
boot.blob = keep
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Packaged:
    """The record, with the datastore in a folder, and the folder that the code package was unpacked into.

    `variables` are those by which the pod's loader makes that folder the place that everything is imported from.
    """

    deployment: Deployment
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """As pod/loader.py sets them."""
        return {"METAFLOW_EXTRACTED_ROOT": str(self.folder), "PYTHONPATH": str(self.folder / CODE_FOLDER)}


def packaged(
    flow_file: Path, root: Path, options: Sequence[str] = (), interpreter: str | Path = sys.executable
) -> Packaged:
    """Compile and pack the flow with these options before the command, as `create` does with that interpreter."""
    written, archive, folder = root / "record.json", root / "code.tgz", root / "code"
    done = command(
        flow_file,
        *options,
        "kubeflow-pipelines",
        "create",
        "--only-json",
        python=("-c", _KEEP_RECORD, str(written)),
        interpreter=interpreter,
    )
    assert done.returncode == 0, done.stderr
    saved = subprocess.run(
        [str(interpreter), flow_file.name, "--no-pylint", *options, "package", "save", str(archive)],
        cwd=flow_file.parent,
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )
    assert saved.returncode == 0, saved.stderr
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    record = Deployment.from_json(written.read_text())
    return Packaged(_at(root, record), folder)


def _at(root: Path, record: Deployment) -> Deployment:
    """The record for a datastore in a folder."""
    kept = {name: value for name, value in record.environment.items() if "S3" not in name}
    return replace(
        record,
        datastore_type="local",
        datastore_root=str(root / ".metaflow"),
        metadata_type="local",
        owner="tester",
        environment=kept,
    )
