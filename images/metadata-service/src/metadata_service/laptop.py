"""The service for one person: on a file of SQLite, reached from this machine only, without tokens."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from metadata_service.server import Beside
from metadata_service.settings import Settings, SqliteSettings, WrongSettings

DEFAULT_PORT = 8080
DEFAULT_UI_PORT = 8083
LOOPBACK = "127.0.0.1"
_FILE = "metadata.db"
_UI = "tributary.laptop"
"""The group of entry points in which the UI says how it is served. This package knows nothing else of it."""


def default_folder(environ: Mapping[str, str]) -> Path:
    """Where the file is kept when nobody says where: with the user's other data."""
    data = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME") or Path.home(), ".local", "share")
    return Path(data, "tributary")


@dataclass(frozen=True)
class Profile:
    """A profile of Metaflow: its settings under a name, in a file of JSON."""

    name: str
    file: Path

    @classmethod
    def named(cls, name: str, environ: Mapping[str, str]) -> Profile:
        """Raises WrongSettings for a name that cannot be part of a file's."""
        if not name or "/" in name or "\0" in name:
            raise WrongSettings([f"--write-profile: {name!r} cannot be the name of a profile. Give one word."])
        folder = environ.get("METAFLOW_HOME") or Path(environ.get("HOME") or Path.home(), ".metaflowconfig")
        return cls(name, Path(folder, f"config_{name}.json"))

    def write(self, settings: Mapping[str, str]) -> None:
        """Put the settings into the file; others in it stay. Raises WrongSettings for a file that cannot be used."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            present = json.loads(self.file.read_text("utf-8")) if self.file.exists() else {}
            if not isinstance(present, dict):
                raise ValueError("it does not hold an object")
            # In place of the file at once: Metaflow may read it now.
            with tempfile.NamedTemporaryFile("w", dir=self.file.parent, delete=False, encoding="utf-8") as new:
                json.dump({**present, **settings}, new, indent=4)
            os.replace(new.name, self.file)
        except (OSError, ValueError) as error:
            raise WrongSettings([f"--write-profile: {self.file}: {error}. Mend it or choose another name."]) from error


def laptop_settings(folder: Path, port: int, environ: Mapping[str, str]) -> Settings:
    """The settings of the service; of the environment only those that are not about the service's place count."""
    kept = {name: value for name, value in environ.items() if not name.startswith("MF_METADATA_")}
    return Settings.from_environ(
        {
            # What goes well is not worth a line in somebody's terminal.
            "LOGLEVEL": "WARNING",
            **kept,
            "MF_METADATA_HOST": LOOPBACK,
            "MF_METADATA_PORT": str(port),
            "MF_METADATA_DB_FILE": str(folder.absolute() / _FILE),
        }
    )


def metaflow_settings(port: int) -> dict[str, str]:
    """What Metaflow must know to use the service."""
    return {
        "METAFLOW_DEFAULT_METADATA": "service",
        "METAFLOW_SERVICE_URL": f"http://{LOOPBACK}:{port}",
    }


def ui_beside(settings: Settings, port: int | None, environ: Mapping[str, str]) -> Beside | None:
    """The UI, by default at its own port or, when the service takes any that is free, at another such one.

    None where the distribution's extra `ui` is not installed. Raises WrongSettings.
    """
    assert isinstance(settings.database, SqliteSettings)
    found = next(iter(entry_points(group=_UI)), None)
    if found is None:
        return None
    try:
        make = found.load()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(found.module.partition(".")[0]):
            raise
        return None
    if port is None:
        port = DEFAULT_UI_PORT if settings.port else 0
    beside: Beside = make(settings.database, port, environ)
    return beside


WITHOUT_UI = ("# The UI is not installed: pip install 'metaflow-tributary[ui]'",)


def instructions(settings: Settings, port: int, profile: Profile | None, told: Sequence[str] = ()) -> str:
    """What a person does next, to be pasted into a shell; in between what else is told."""
    lines = [f"# Runs are recorded in {settings.database.address}. Ctrl-C ends the service and keeps them.", *told]
    if profile is None:
        lines += ["# In the shell where flows are run:"]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in metaflow_settings(port).items()]
    else:
        lines += [f"# In the shell where flows are run ({profile.file}):"]
        lines += [f"export METAFLOW_PROFILE={shlex.quote(profile.name)}"]
    return "\n".join(lines)
