"""The UI beside the metadata service on a laptop: on the same file of SQLite, and for this machine only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from metadata_service.laptop import LOOPBACK
from metadata_service.server import Beside
from metadata_service.settings import SqliteSettings
from ui_backend.datastore.roots import LOCAL_FOLDER
from ui_backend.serving import make
from ui_backend.settings import Settings

_LOCAL_ROOT = "METAFLOW_DATASTORE_SYSROOT_LOCAL"


def beside(database: SqliteSettings, port: int, environ: Mapping[str, str]) -> Beside:
    """What `tributary-service laptop` serves besides the service itself. Raises WrongSettings.

    Flows keep their data where they are run, unless the environment says otherwise; so does this look there.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("MF_METADATA_")}
    root = environ.get(_LOCAL_ROOT) or str(Path.cwd())
    settings = Settings.from_environ(
        {
            **kept,
            "MF_METADATA_DB_FILE": str(database.file),
            "MF_UI_METADATA_HOST": LOOPBACK,
            "MF_UI_METADATA_PORT": str(port),
            _LOCAL_ROOT: root,
        }
    )
    made = make(settings)
    told = [
        f"# The UI is at http://{LOOPBACK}:{made.door.port}",
        f"# It shows logs, cards and artifacts in {Path(root, LOCAL_FOLDER)} ({_LOCAL_ROOT}: another folder).",
    ]
    return dataclasses.replace(made, told=told)
