"""The store in SQLite by itself: what is stored together, what fails alone, and how it matches."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from metadata_service import cli
from metadata_service.domain.drafts import NewFlow, NewRun
from metadata_service.domain.keys import RunPath
from metadata_service.domain.refusals import AlreadyThere, Malformed, NotFound, StorageAway, StorageBusy
from metadata_service.domain.selection import FieldFilter, Selection
from metadata_service.settings import SqliteSettings
from metadata_service.storage.sqlite import connections, patterns
from metadata_service.storage.sqlite.connections import Connections
from metadata_service.storage.sqlite.likeness import ilike
from metadata_service.storage.sqlite.patterns import Pattern
from metadata_service.storage.sqlite.schema import VERSION
from metadata_service.storage.sqlite.store import SqliteStorage

T = TypeVar("T")

INSERT = "INSERT INTO flows_v3 (flow_id, ts_epoch) VALUES (?, 1)"


@pytest.fixture
def settings(tmp_path: Path) -> SqliteSettings:
    return SqliteSettings(tmp_path / "folder" / "metadata.db", 360)


def with_connections(settings: SqliteSettings, use: Callable[[Connections], Awaitable[T]]) -> T:
    async def run() -> T:
        opened = Connections(settings)
        await opened.open()
        try:
            return await use(opened)
        finally:
            await opened.close()

    return asyncio.run(run())


def flows(settings: SqliteSettings) -> set[str]:
    with contextlib.closing(sqlite3.connect(settings.file)) as connection:
        return {flow for (flow,) in connection.execute("SELECT flow_id FROM flows_v3")}


def insert(name: str) -> Callable[[sqlite3.Connection], str]:
    def work(connection: sqlite3.Connection) -> str:
        connection.execute(INSERT, [name])
        return name

    return work


def failing(name: str, error: Exception) -> Callable[[sqlite3.Connection], str]:
    def work(connection: sqlite3.Connection) -> str:
        connection.execute(INSERT, [name])
        raise error

    return work


def test_an_answer_is_given_when_the_file_has_it(settings: SqliteSettings) -> None:
    async def use(opened: Connections) -> None:
        assert await opened.write(insert("F")) == "F"
        assert flows(settings) == {"F"}

    with_connections(settings, use)


@pytest.mark.parametrize("error", [NotFound("refused"), KeyError("a bug")])
def test_what_fails_among_many_is_undone_alone(settings: SqliteSettings, error: Exception) -> None:
    async def use(opened: Connections) -> list[str | BaseException]:
        works = [failing("bad", error) if number == 20 else insert(f"F{number}") for number in range(50)]
        return await asyncio.gather(*map(opened.write, works), return_exceptions=True)

    outcomes = with_connections(settings, use)
    good = {f"F{number}" for number in range(50)} - {"F20"}
    assert type(outcomes[20]) is type(error)
    assert {outcome for outcome in outcomes if isinstance(outcome, str)} == good == flows(settings)


def test_many_writes_take_few_transactions(settings: SqliteSettings) -> None:
    async def use(opened: Connections) -> int:
        begun = 0

        def seen(statement: str) -> None:
            nonlocal begun
            begun += statement == "COMMIT"

        await opened.write(lambda connection: connection.set_trace_callback(seen))
        begun = 0
        await asyncio.gather(*(opened.write(insert(f"F{number}")) for number in range(100)))
        return begun

    assert with_connections(settings, use) < 5
    assert len(flows(settings)) == 100


def test_the_file_is_written_through(settings: SqliteSettings) -> None:
    with contextlib.closing(connections.open_for_writing(settings)) as writer:
        # 2 is FULL: the log is flushed to the disk with each transaction.
        assert writer.execute("PRAGMA synchronous").fetchone() == (2,)
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_full_disk_is_a_store_that_is_away(settings: SqliteSettings) -> None:
    async def use(opened: Connections) -> None:
        await opened.write(lambda connection: connection.execute("PRAGMA max_page_count = 40").fetchone())
        with pytest.raises(StorageAway, match="full"):
            await opened.write(insert("x" * 10_000_000))
        await opened.write(insert("F"))

    with_connections(settings, use)
    assert flows(settings) == {"F"}


def test_a_file_that_another_process_holds_is_busy(settings: SqliteSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_LOCKED_SECONDS", 0.05)

    async def use(opened: Connections) -> None:
        with contextlib.closing(sqlite3.connect(settings.file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageBusy, match="locked"):
                await opened.write(insert("F"))
        await opened.write(insert("G"))

    with_connections(settings, use)
    assert flows(settings) == {"G"}


def test_a_statement_that_takes_too_long_is_ended(settings: SqliteSettings) -> None:
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

    async def use(opened: Connections) -> None:
        with pytest.raises(StorageBusy, match="interrupted"):
            await opened.read(lambda connection: connection.execute(endless).fetchone())

    with_connections(SqliteSettings(settings.file, 360, statement_seconds=0), use)


def test_a_connection_is_nobody_elses_while_a_reader_that_was_given_up_uses_it(settings: SqliteSettings) -> None:
    """Two threads on one connection end the whole process."""
    begun, go_on = threading.Event(), threading.Event()

    def work(_: sqlite3.Connection) -> None:
        begun.set()
        assert go_on.wait(60)

    async def use(opened: Connections) -> None:
        reader = asyncio.create_task(opened.read(work))
        await asyncio.to_thread(begun.wait, 60)
        for _ in range(3):
            reader.cancel()
            await asyncio.sleep(0)
        given_up_early = reader.done()
        go_on.set()
        await asyncio.wait({reader})
        assert reader.cancelled()
        assert not given_up_early

    with_connections(settings, use)


def test_a_statement_of_a_reader_that_was_given_up_is_ended(settings: SqliteSettings) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    begun = threading.Event()

    def work(connection: sqlite3.Connection) -> None:
        begun.set()
        connection.execute(endless).fetchall()

    async def use(opened: Connections) -> object:
        reader = asyncio.create_task(opened.read(work))
        await asyncio.to_thread(begun.wait, 60)
        reader.cancel()
        await asyncio.wait({reader})
        return await opened.read(lambda connection: connection.execute("SELECT 7").fetchone())

    assert with_connections(replace(settings, statement_seconds=1e9), use) == (7,)


def test_a_reader_does_not_write(settings: SqliteSettings) -> None:
    async def use(opened: Connections) -> None:
        with pytest.raises(StorageAway, match="readonly"):
            await opened.read(insert("F"))

    with_connections(settings, use)


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("This is not a database, but it is long enough to be looked at." * 20)

    async def use(_: Connections) -> None:
        raise AssertionError("opened")

    with pytest.raises(StorageAway, match="not a database"):
        with_connections(SqliteSettings(tmp_path / "text.db", 360), use)


def test_the_commands_look_after_a_file(
    settings: SqliteSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in tuple(os.environ):
        if name.startswith("MF_METADATA_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MF_METADATA_DB_FILE", str(settings.file))
    assert cli.main(["check"]) == 1
    assert "is made" in capsys.readouterr().out and not settings.file.exists()
    assert cli.main(["migrate"]) == 0
    assert "Done" in capsys.readouterr().out
    assert (cli.main(["check"]), cli.main(["migrate"])) == (0, 0)
    assert capsys.readouterr().out == "The schema is up to date.\nThe schema was up to date.\n"
    with contextlib.closing(sqlite3.connect(settings.file)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    assert cli.main(["migrate"]) == 1
    assert "newer release" in capsys.readouterr().err


def test_numbers_go_on_after_a_name_was_taken(settings: SqliteSettings) -> None:
    async def run() -> list[object]:
        storage = SqliteStorage(settings)
        keeper = asyncio.create_task(storage.keep())
        # As a client does: it tries again while the store is not there yet.
        made = None
        while made is None:
            with contextlib.suppress(StorageAway):
                made = await storage.flows.create("F", NewFlow())
            await asyncio.sleep(0)
        first = await storage.runs.create("F", NewRun(run_id="kfp-1"))
        with pytest.raises(AlreadyThere):
            await storage.runs.create("F", NewRun(run_id="kfp-1"))
        second = await storage.runs.create("F", NewRun())
        assert (await storage.runs.get(RunPath("F", 1))).run_number == "kfp-1"
        named = await storage.runs.list("F", Selection(fields=(FieldFilter("run_id", "co", ("KFP",)),)))
        keeper.cancel()
        await storage.close()
        return [first.run_number, second.run_number, len(named.records)]

    assert asyncio.run(run()) == ["kfp-1", 2, 1]


@pytest.mark.parametrize(
    ("text", "pattern", "like"),
    [
        ("My_Run", "%y\\_r%", True),
        ("MyXRun", "%y\\_r%", False),
        ("MyXRun", "my_run", True),
        ("abc", "%", True),
        ("", "%", True),
        ("", "_", False),
        ("abcabd", "%ab_", True),
        ("aXbXc", "a%b%c", True),
        ("aXbX", "a%b%c", False),
        ("Ünïcode", "ünï%", True),
        ("50%", "50\\%", True),
        ("back\\slash", "back\\\\slash", True),
        (None, "%", None),
    ],
)
def test_likeness(text: str | None, pattern: str, like: bool | None) -> None:
    assert ilike(text, pattern) is like


def test_likeness_takes_no_time_to_speak_of() -> None:
    assert ilike("a" * 5_000, "%a" * 100 + "%b") is False


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^(?:\[1\])$", "[1]", True),
        (r"^a$", "a\n", False),
        (r"^a.b$", "a\nb", True),
        (r"a\$", "a$", True),
        (r"[$]$", "cost $", True),
        (r"^[[:alpha:]]+$", "abc", True),
        (r"^[]a]+$", "]a", True),
        (r"\yword\y", "a word here", True),
        (r"\yword\y", "swords", False),
        (r"(?i)ABC", "xabcx", True),
        ("", "anything", True),
    ],
)
def test_patterns_mean_what_they_mean_in_postgresql(pattern: str, text: str, found: bool) -> None:
    assert Pattern(pattern).found_in(text) is found


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "a{2,1}", "\\"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(Malformed, match="regular expression"):
        Pattern(pattern)


def test_a_pattern_that_takes_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "_SECONDS", 0.05)
    with pytest.raises(StorageBusy, match="simpler"):
        Pattern(r"^(.*?,){20}P").found_in(",".join(map(str, range(30))))
