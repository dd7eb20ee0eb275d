"""The build of the UI's pages, with an npm that writes down what it is told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from image_builder import pages
from image_builder.errors import BuildFailed

_NPM = """#!/bin/sh
echo "$*" >> "$NPM_SAYS"
case "$*" in
  *" ci "*) mkdir -p "$2/node_modules" && touch "$2/node_modules/.package-lock.json" ;;
  *" build "*) [ ! -e "$2/broken" ] || { echo "src/main.tsx: no"; exit 1; }; mkdir -p "$7" && touch "$7/index.html" ;;
esac
"""


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    programs = tmp_path / "programs"
    programs.mkdir()
    npm = programs / "npm"
    npm.write_text(_NPM)
    npm.chmod(0o755)
    says = tmp_path / "says"
    says.touch()
    monkeypatch.setenv("NPM_SAYS", str(says))
    # npm is taken from beside the Python that runs.
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    made = tmp_path / "web"
    (made / "src").mkdir(parents=True)
    (made / "src" / "main.tsx").write_text("1")
    (made / "package-lock.json").write_text("{}")
    return made


def said(web: Path) -> list[str]:
    """The npm commands so far."""
    return [line.split()[2] for line in (web.parent / "says").read_text().splitlines()]


def build(web: Path) -> Path:
    return pages.build(web.parent / "cache", lambda line: None, web)


def test_what_did_not_change_is_not_built_twice(web: Path) -> None:
    first = build(web)
    assert (first / "index.html").is_file()
    (web / "dist").mkdir()
    (web / "dist" / "index.html").touch()
    (web / "node_modules" / "more").touch()
    assert build(web) == first
    assert said(web) == ["ci", "run"]
    (web / "src" / "main.tsx").write_text("2")
    assert build(web) != first
    assert said(web) == ["ci", "run", "run"]


def test_packages_follow_the_lock(web: Path) -> None:
    build(web)
    lock = web / "package-lock.json"
    lock.write_text("{ }")
    os.utime(lock, (lock.stat().st_mtime + 100,) * 2)
    build(web)
    assert said(web) == ["ci", "run", "ci", "run"]


def test_a_build_that_fails_says_why_and_leaves_nothing(web: Path) -> None:
    (web / "broken").touch()
    with pytest.raises(BuildFailed, match=r"the pages' build: npm failed \(src/main.tsx: no\)"):
        build(web)
    assert not pages.folder(web.parent / "cache", web).exists()
