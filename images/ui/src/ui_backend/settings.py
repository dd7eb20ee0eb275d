"""What can be set, all of it in the environment: the database by the variables of the metadata service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from metadata_service import settings as of_service
from metadata_service.settings import AccessSettings, DatabaseSettings, SqliteSettings, WrongSettings
from ui_backend.datastore.roots import DatastoreSettings
from ui_backend.paged import PREFIX, PagesSettings

_OF_SERVICE = (
    *("MF_METADATA_DB_", "MF_METADATA_AUTH", "MF_METADATA_ADMIN_TOKEN", "MF_METADATA_WRITE_TOKEN"),
    *("MF_METADATA_TOKEN_RATE", "MF_METADATA_TRUSTED_", "RUN_INACTIVE_CUTOFF_TIME", "LOGLEVEL"),
)
_DAY_MS = 86_400_000

KNOWN = {
    "MF_UI_METADATA_HOST": "address to listen on; 0.0.0.0",
    "MF_UI_METADATA_PORT": "port to listen on; 8083",
    **{name: meaning for name, meaning in of_service.KNOWN.items() if name.startswith(_OF_SERVICE)},
    "METAFLOW_DATASTORE_SYSROOT_S3": "datastore that may be read, such as s3://bucket/metaflow; none",
    "METAFLOW_S3_ENDPOINT_URL": "where that bucket is served, such as http://minio:9000; Amazon's S3",
    "METAFLOW_DATASTORE_SYSROOT_LOCAL": "folder whose .metaflow may be read; none",
    "MF_UI_DATASTORE_TIMEOUT": "seconds that the datastore has for an answer; 10",
    "MF_UI_PAGES": "folder of the built pages, which `make ui` prints; none, the API alone",
    "MF_UI_PREFIX": "path below which a proxy shows the pages, such as /metaflow; what X-Forwarded-Prefix says",
    "MF_UI_KUBEFLOW_URL": "Kubeflow Pipelines' pages, such as https://kubeflow.example/_/pipeline; none, no links",
    "OLD_RUN_FAILURE_CUTOFF_TIME": "milliseconds after which what never sent a heartbeat counts as failed; 86400000",
}
"""Every setting, with what it means and its default."""


@dataclass(frozen=True)
class Settings:
    host: str
    port: int
    log_level: str
    database: DatabaseSettings | SqliteSettings
    access: AccessSettings
    old_ms: int
    datastore: DatastoreSettings
    pages: PagesSettings

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read all settings. Raises WrongSettings with everything that is wrong, not only the first."""
        problems: list[str] = []
        kept = {name: value for name, value in environ.items() if name.startswith(_OF_SERVICE)}
        port = _number(environ, "MF_UI_METADATA_PORT", 8083, 0, 65535, problems)
        old_ms = _number(environ, "OLD_RUN_FAILURE_CUTOFF_TIME", _DAY_MS, 1, 10**12, problems)
        datastore = _datastore(environ, problems)
        pages = _pages(environ, problems)
        try:
            service = of_service.Settings.from_environ(kept)
        except WrongSettings as wrong:
            raise WrongSettings([*problems, *wrong.problems]) from None
        if problems:
            raise WrongSettings(problems)
        host = environ.get("MF_UI_METADATA_HOST") or "0.0.0.0"
        return cls(host, port, service.log_level, service.database, service.access, old_ms, datastore, pages)


def _datastore(environ: Mapping[str, str], problems: list[str]) -> DatastoreSettings:
    root = environ.get("METAFLOW_DATASTORE_SYSROOT_S3") or ""
    if root and not (root.startswith("s3://") and urlsplit(root).netloc):
        problems.append(
            f"METAFLOW_DATASTORE_SYSROOT_S3: {root[:80]!r} is no bucket. Write s3://BUCKET/PREFIX or unset it."
        )
    endpoint = environ.get("METAFLOW_S3_ENDPOINT_URL") or ""
    if endpoint and not (urlsplit(endpoint).scheme in ("http", "https") and urlsplit(endpoint).netloc):
        problems.append(
            f"METAFLOW_S3_ENDPOINT_URL: {endpoint[:80]!r} is no address. Write http://HOST:PORT or unset it."
        )
    return DatastoreSettings(
        s3_root=root,
        s3_endpoint=endpoint,
        local_root=environ.get("METAFLOW_DATASTORE_SYSROOT_LOCAL") or "",
        seconds=_number(environ, "MF_UI_DATASTORE_TIMEOUT", 10, 1, 3600, problems),
    )


def _pages(environ: Mapping[str, str], problems: list[str]) -> PagesSettings:
    folder = Path(environ["MF_UI_PAGES"]) if environ.get("MF_UI_PAGES") else None
    if folder and not (folder / "index.html").is_file():
        problems.append(f"MF_UI_PAGES: {str(folder)!r} holds no index.html. Give what `make ui` prints, or unset it.")
    prefix = environ.get("MF_UI_PREFIX") or ""
    if not PREFIX.fullmatch(prefix):
        problems.append(f"MF_UI_PREFIX: {prefix[:80]!r} is no path. Write it like /metaflow or unset it.")
    kubeflow = (environ.get("MF_UI_KUBEFLOW_URL") or "").rstrip("/")
    if kubeflow and not (urlsplit(kubeflow).scheme in ("http", "https") and urlsplit(kubeflow).netloc):
        problems.append(
            f"MF_UI_KUBEFLOW_URL: {kubeflow[:80]!r} is no address. Write https://HOST/_/pipeline or unset it."
        )
    return PagesSettings(folder, prefix, kubeflow)


def _number(environ: Mapping[str, str], name: str, default: int, low: int, high: int, problems: list[str]) -> int:
    text = environ.get(name) or str(default)
    if text.isascii() and text.isdigit() and len(text) < 16 and low <= int(text) <= high:
        return int(text)
    problems.append(f"{name}: {text[:40]!r} is not a whole number from {low} to {high}. Give one or unset it.")
    return default
