"""Base images: from a registry, or out of Debian's packages by this machine's own sources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from image_builder import bases
from image_builder.engine import DOCKER, PODMAN, Engine
from image_builder.errors import BuildFailed
from image_builder.table import Base

if TYPE_CHECKING:
    from images.tests.conftest import Recorder

BASE = Base("small", "registry.example/small:1", "bookworm", ("bash", "curl"), "2026-01-31", remove=("usr/share/perl",))
STANZAS = """\
Types: deb
URIs: https://user:word@mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: https://mirror.example/debian
Suites: trixie
Components: main

Types: deb
URIs: https://other.example/linux
Suites: bookworm
Components: stable

Enabled: no
Types: deb
URIs: https://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: https://source.example/debian
Suites: bookworm
Components: main
"""
LINES = """\
# deb https://comment.example/debian bookworm main
deb [signed-by=/usr/share/keyrings/x.gpg] https://line.example/debian bookworm-security main contrib
deb https://line.example/debian trixie main
deb-src https://line.example/debian bookworm main
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "apt"
    (folder / "sources.list.d").mkdir(parents=True)
    monkeypatch.setattr(bases, "APT", folder)
    return folder


@pytest.fixture
def podman_with_mmdebstrap(recorder: Recorder) -> Recorder:
    recorder.add("podman", '[ "$1" = import ]')
    recorder.add("mmdebstrap", 'for word; do case "$word" in *.tar) echo files > "$word" ;; esac; done')
    return recorder


def prepare(tmp_path: Path) -> None:
    engine = Engine(PODMAN, tmp_path / "logs")
    bases.prepare(BASE, "localhost/tiny", bases.PACKAGES, engine=engine, cache=tmp_path / "cache", say=lambda _: None)


def test_auto_means_a_registry_with_docker_and_packages_with_podman(tmp_path: Path) -> None:
    assert bases.world("auto", Engine(DOCKER, tmp_path)) == bases.REGISTRY
    assert bases.world("auto", Engine(PODMAN, tmp_path)) == bases.PACKAGES
    assert bases.world(bases.REGISTRY, Engine(PODMAN, tmp_path)) == bases.REGISTRY


def test_a_base_is_made_once_of_its_packages(tmp_path: Path, apt: Path, podman_with_mmdebstrap: Recorder) -> None:
    prepare(tmp_path)
    prepare(tmp_path)
    (argv,) = podman_with_mmdebstrap.calls("mmdebstrap")
    assert "--include=usr-is-merged,bash,curl" in argv
    assert argv[-2] == "bookworm"
    assert any("usr/share/perl" in word and "etc/apt/sources.list*" in word for word in argv)
    archives = [call[1] for call in podman_with_mmdebstrap.calls("podman") if call[0] == "import"]
    assert len(archives) == 2 and len(set(archives)) == 1


def test_the_machine_s_own_sources_of_the_suite_are_used(
    tmp_path: Path, apt: Path, podman_with_mmdebstrap: Recorder
) -> None:
    (apt / "sources.list.d/debian.sources").write_text(STANZAS)
    (apt / "sources.list").write_text(LINES)
    prepare(tmp_path)
    (argv,) = podman_with_mmdebstrap.calls("mmdebstrap")
    stanzas, lines = (Path(word) for word in argv[-2:])
    assert (stanzas.suffix, lines.suffix) == (".sources", ".list")
    assert stanzas.read_text() == STANZAS.split("\n\n")[0] + "\n"
    assert lines.read_text() == LINES.splitlines()[1] + "\n"


def test_a_download_is_tried_again_and_then_told(tmp_path: Path, apt: Path, recorder: Recorder) -> None:
    recorder.add("podman", "exit 1")
    recorder.add("mmdebstrap", "echo no route to mirror >&2; exit 25")
    with pytest.raises(BuildFailed, match=r"base small: mmdebstrap failed \(no route to mirror\)\. Look at"):
        prepare(tmp_path)
    assert len(recorder.calls("mmdebstrap")) == bases.ATTEMPTS
    assert not list((tmp_path / "cache/images").glob("*.tar"))


def test_what_is_half_made_is_not_taken_for_a_base(tmp_path: Path, apt: Path, recorder: Recorder) -> None:
    recorder.add("podman", '[ "$1" = import ]')
    recorder.add("mmdebstrap", 'for word; do case "$word" in *.tar) echo half > "$word" ;; esac; done; exit 1')
    with pytest.raises(BuildFailed):
        prepare(tmp_path)
    assert [call[0] for call in recorder.calls("podman")] == ["image"]
    assert not [path for path in (tmp_path / "cache/images").glob("*.tar") if ".part" not in path.name]


def test_a_recipe_changes_a_base_s_name(tmp_path: Path) -> None:
    other = Base("small", BASE.registry, "bookworm", ("bash",), BASE.renewed)
    names = {bases.reference(base, "localhost/tiny", bases.PACKAGES) for base in (BASE, other)}
    assert len(names) == 2
    assert bases.reference(BASE, "localhost/tiny", bases.REGISTRY) == "registry.example/small:1"
