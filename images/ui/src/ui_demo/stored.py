"""The files of made-up runs in a local datastore: parameters, graphs, artifacts, logs and cards."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import html
import pickle
from pathlib import Path
from typing import Any

FOLDER = ".metaflow"


class Stored:
    """Writes below the folder that is Metaflow's local root."""

    def __init__(self, root: Path) -> None:
        self.address = str(root.absolute() / FOLDER)
        self._root = root / FOLDER
        self._known: dict[tuple[str, bytes], str] = {}

    def artifact(self, flow: str, value: Any) -> tuple[str, str]:
        """Store a value once; gives its checksum and its type's name."""
        data = pickle.dumps(value, protocol=4)
        key = (flow, data)
        if key not in self._known:
            sha = hashlib.sha1(data).hexdigest()
            self._write(f"{flow}/data/{sha[:2]}/{sha}", gzip.compress(data, mtime=0))
            self._known[key] = sha
        return self._known[key], str(type(value))

    def package(self, flow: str, data: bytes) -> dict[str, str]:
        """Store a code package once; gives what a task records of it."""
        sha = hashlib.sha1(data).hexdigest()
        path = f"{flow}/data/{sha[:2]}/{sha}"
        self._write(path, data)
        return {"ds_type": "local", "sha": sha, "location": f"{self.address}/{path}"}

    def log(self, task: str, attempt: int, stream: str, begun: int, lines: list[str]) -> None:
        """What the code of a task has printed, a line each 40 milliseconds."""
        marked = []
        for number, line in enumerate(lines):
            at = datetime.datetime.fromtimestamp((begun + number * 40) / 1000, datetime.timezone.utc)
            marked.append(f"[MFLOG|0|{at:%Y-%m-%dT%H:%M:%S.%f}Z|task|{number:08x}]{line}\n")
        self._write(f"{task}/{attempt}.task_{stream}.log", "".join(marked).encode())

    def card(self, flow: str, run: str, step: str, task: str, title: str, rows: dict[str, object]) -> None:
        """A card of the type `default` with a table."""
        table = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>" for k, v in rows.items())
        page = _CARD.format(title=html.escape(title), table=table)
        name = hashlib.sha1(f"{flow}/{run}/{step}/{task}".encode()).hexdigest()[:20]
        folder = f"mf.cards/{flow}/runs/{run}/steps/{step}/tasks/{task}/cards"
        self._write(f"{folder}/default-{name}.html", page.encode())

    def _write(self, path: str, data: bytes) -> None:
        place = self._root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


_CARD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#1f2937;background:#fff}}h1{{font-size:1.4rem}}
table{{border-collapse:collapse}}th,td{{text-align:left;padding:.35rem 1.2rem .35rem 0;border-bottom:1px solid #e5e7eb}}
svg{{margin-top:1.5rem}}</style></head><body><h1>{title}</h1><table>{table}</table>
<svg role="img" aria-label="Loss by epoch" width="520" height="180" viewBox="0 0 520 180">
<path d="M20 160H510M20 10V160" stroke="#9ca3af" fill="none"/>
<path d="M20 20C90 110 130 120 190 132S340 146 510 150" stroke="#2563eb" stroke-width="2.5" fill="none"/>
<path d="M20 30C90 100 130 128 190 126S340 128 510 120" stroke="#d97706" stroke-width="2.5" fill="none"/></svg>
</body></html>"""
