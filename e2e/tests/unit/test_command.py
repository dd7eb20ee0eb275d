"""Programs leave their words and output in a log, are tried again, and never hang for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster import command
from cluster.command import CommandFailed


def test_output_and_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    assert command.run(["sh", "-c", "cat; echo aside >&2"], log=log, text="hello") == "hello"
    assert log.read_text().startswith("$ sh -c ")
    assert "hello" in log.read_text()
    assert "aside" in log.read_text()


def test_a_failure_names_program_code_and_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with pytest.raises(CommandFailed, match=rf"^sh ended with code 3. Look at {log}.$"):
        command.run(["sh", "-c", "exit 3"], log=log)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"no-such-program is not on PATH"):
        command.run(["no-such-program"], log=tmp_path / "x.log")


def test_what_works_at_the_second_attempt_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PAUSE", 0.0)
    mark = tmp_path / "mark"
    script = f"test -e {mark} && echo there || {{ touch {mark}; exit 1; }}"
    assert command.run(["sh", "-c", script], log=tmp_path / "x.log", attempts=2) == "there\n"


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"did not end within 0 s"):
        command.run(["sleep", "60"], log=tmp_path / "x.log", timeout=0.2)


def test_a_question_has_no_answer_when_the_program_fails() -> None:
    assert command.try_run(["sh", "-c", "echo yes"]) == "yes\n"
    assert command.try_run(["sh", "-c", "exit 1"]) is None
    assert command.try_run(["no-such-program"]) is None
