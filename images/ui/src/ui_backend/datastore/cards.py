"""Cards of tasks: pages of HTML that the code of a flow has made, and so nothing to be trusted."""

from __future__ import annotations

import msgspec

from ui_backend.datastore.files import Files, NotStored, checked

FOLDER = "mf.cards"
_PAGES, _DATA = "cards", "runtime"
_DATA_SUFFIX = ".data.json"
MOST = 64 * 2**20
"""Bytes of a card that is shown."""

HEADERS = {
    # Whatever a card does happens in an origin of its own, without a network, a parent or a form to send.
    "Content-Security-Policy": (
        "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:;"
        " style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data: blob:; worker-src blob:;"
        " connect-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of the answer that is a card."""


MOST_DATA = 8 * 2**20
"""Bytes of what a card says while its task runs."""

_LISTENER = b"""<script>addEventListener("message",({source,data})=>{const told=data&&data.tributaryCard;
if(source!==parent||!told)return;const own=window.METAFLOW_RELOAD_TOKEN;
if(typeof own==="string"&&own!==told.token&&window.name!==told.token){window.name=told.token;location.reload()}
else if(typeof window.metaflow_card_update==="function")window.metaflow_card_update(told.data)})</script>"""
"""Stands below every card. The page around it, which cannot reach into it, tells it what has changed. A card whose
token is another one than that of its data is older than it, and is loaded anew, once for each token; the name of a
frame outlives that.
"""


class CardData(msgspec.Struct, frozen=True):
    """What Metaflow stores of a card while its task runs (metaflow/plugins/cards/card_cli.py)."""

    reload_token: str
    data: msgspec.Raw


class Card(msgspec.Struct, frozen=True):
    hash: str
    type: str
    id: str | None
    size: int


def cards_of(files: Files, task: str, old_task: str) -> list[Card]:
    """The cards of a task by its folder, or by the one that Metaflow before June 2022 used."""
    found = [card for folder in (task, old_task) for card in _cards(files, folder)]
    return list({card.hash: card for card in reversed(found)}.values())[::-1]


def page_of(files: Files, task: str, old_task: str, name: str) -> bytes:
    """The HTML of the card with this hash. Raises NotStored."""
    for folder in (task, old_task):
        for entry, card in _listed(files, folder):
            if card.hash == name and card.size <= MOST:
                return files.read(f"{FOLDER}/{folder}/{_PAGES}/{entry}", 0, MOST) + _LISTENER
    raise NotStored(f"The task has no card {name[:80]!r}, or one of more than {MOST >> 20} MiB.")


def data_of(files: Files, task: str, name: str) -> CardData | None:
    """What the card with this hash shows now, while its task runs; None where it says nothing yet."""
    folder = f"{FOLDER}/{task}/{_DATA}"
    for entry in files.folder(folder):
        if entry.name.endswith(f"-{name}{_DATA_SUFFIX}") and entry.size <= MOST_DATA:
            try:
                return msgspec.json.decode(files.read(f"{folder}/{entry.name}", 0, MOST_DATA), type=CardData)
            except (msgspec.DecodeError, NotStored):
                # It is written again and again; the next look finds it whole.
                return None
    return None


def folders(flow: str, run: str, step: str, task: str) -> tuple[str, str]:
    """Where the cards of a task lie, and where older versions put them."""
    return (
        checked(f"{flow}/runs/{run}/steps/{step}/tasks/{task}"),
        checked(f"{flow}/runs/{run}/tasks/{task}"),
    )


def _cards(files: Files, folder: str) -> list[Card]:
    return [card for _, card in _listed(files, folder)]


def _listed(files: Files, folder: str) -> list[tuple[str, Card]]:
    listed = []
    for entry in files.folder(f"{FOLDER}/{folder}/{_PAGES}"):
        parts = entry.name.removesuffix(".html").split("-")
        if entry.name.endswith(".html") and len(parts) in (2, 3):
            card_id = parts[1] if len(parts) == 3 else None
            listed.append((entry.name, Card(parts[-1], parts[0], card_id, entry.size)))
    return listed
