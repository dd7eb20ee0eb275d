"""An image's tag changes with everything that goes into it, and with nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from image_builder import table
from image_builder.errors import Refused
from image_builder.plan import Given, plan

if TYPE_CHECKING:
    from images.tests.conftest import Checkout


def tags(checkout: Checkout, world: str = "packages", given: Given | None = None) -> dict[str, str]:
    planned = plan(table.read(checkout.table), None, world=world, given=given)
    return {image.image.name: image.tag for image in planned}


def changed(checkout: Checkout, change: Callable[[Checkout], object]) -> set[str]:
    """The images whose tag a change changes."""
    before = tags(checkout)
    change(checkout)
    after = tags(checkout)
    return {name for name in before if before[name] != after[name]}


def test_a_tag_is_twelve_hexadecimal_digits(checkout: Checkout) -> None:
    assert all(len(tag) == 12 and int(tag, 16) >= 0 for tag in tags(checkout).values())


def test_the_same_bytes_elsewhere_give_the_same_tag(checkout: Checkout, tmp_path: Path) -> None:
    before = tags(checkout)
    moved = type(checkout)(tmp_path / "moved")
    checkout.root.rename(moved.root)
    assert tags(moved) == before


@pytest.mark.parametrize(
    ("change", "images"),
    [
        (lambda it: it.write("images/parent/Dockerfile", "FROM scratch\n"), {"parent", "grown-child"}),
        (lambda it: it.write("images/other/motd", "hello\n"), {"other"}),
        (lambda it: it.write("code/program/main.py", "print('frog')\n"), {"parent", "grown-child"}),
        (lambda it: it.write("code/program/deep/new.py", ""), {"parent", "grown-child"}),
        (
            lambda it: (it.root / "code/program/main.py").rename(it.root / "code/program/end.py"),
            {"parent", "grown-child"},
        ),
        (lambda it: (it.root / "code/program/main.py").chmod(0o755), {"parent", "grown-child"}),
        (lambda it: it.write("code/x", "y\n"), {"parent", "grown-child"}),
        (lambda it: it.write("requirements.txt", _relocked(it, "--hash=sha256:cc", "--hash=sha256:ce")), {"fishing"}),
        (lambda it: it.write("requirements.txt", _relocked(it, "bream==2.0", "bream==2.1")), {"fishing"}),
        (
            lambda it: it.edit(lambda table: table["images"]["grown-child"]["args"].update(COLOUR="blue")),
            {"grown-child"},
        ),
        (lambda it: it.edit(lambda table: table["programs"]["tool"].update(version="v1.0.1")), {"other"}),
        (lambda it: it.edit(lambda table: table["programs"]["tool"].update(ldflags="-X a.b=c")), {"other"}),
        (
            lambda it: it.edit(lambda table: table["bases"]["python"].update(renewed="2026-02-01")),
            {"parent", "grown-child", "fishing"},
        ),
    ],
)
def test_what_goes_in_changes_the_tag(
    checkout: Checkout, change: Callable[[Checkout], object], images: set[str]
) -> None:
    assert changed(checkout, change) == images


@pytest.mark.parametrize(
    "change",
    [
        lambda it: os.utime(it.root / "code/program/main.py", (1, 1)),
        lambda it: os.utime(it.root / "images/parent/Dockerfile", (1, 1)),
        lambda it: (it.root / "code/program/main.py").chmod(0o600),
        lambda it: it.write("code/program/__pycache__/main.cpython-311.pyc", "x"),
        lambda it: it.write("images/parent/tests/test_parent.py", "x"),
        lambda it: it.write("images/parent/README.md", "x"),
        lambda it: it.write("code/beside.py", "x"),
        lambda it: it.write("requirements.txt", _relocked(it, "dace==4.0", "dace==4.1")),
        lambda it: it.edit(lambda table: table["images"]["other"].update(files={})),
    ],
)
def test_what_does_not_go_in_leaves_the_tag(checkout: Checkout, change: Callable[[Checkout], object]) -> None:
    assert changed(checkout, change) == set()


def _relocked(checkout: Checkout, old: str, new: str) -> str:
    text = (checkout.root / "requirements.txt").read_text()
    assert old in text
    return text.replace(old, new)


def test_the_world_of_the_bases_is_part_of_the_tag(checkout: Checkout) -> None:
    registry, packages = tags(checkout, "registry"), tags(checkout, "packages")
    assert {name for name in registry if registry[name] == packages[name]} == {"other"}


def test_only_a_registry_s_name_counts_where_bases_come_from_it(checkout: Checkout) -> None:
    before = tags(checkout, "registry")
    checkout.edit(lambda document: document["bases"]["python"].update(packages=["python3", "curl"]))
    assert tags(checkout, "registry") == before


def test_a_child_stands_on_its_parent_by_its_whole_name(checkout: Checkout) -> None:
    planned = {image.image.name: image for image in plan(table.read(checkout.table), None, world="packages")}
    assert planned["grown-child"].base == planned["parent"].reference
    assert planned["parent"].base.startswith("localhost/tiny/base-python:")


def test_a_child_brings_only_packages_that_its_parents_lack(checkout: Checkout) -> None:
    checkout.write("images/more/Dockerfile", "FROM scratch\n")
    checkout.edit(lambda table: table["images"].update(more={"base": "fishing", "python": ["anchovy", "dace"]}))
    planned = {image.image.name: image for image in plan(table.read(checkout.table), None, world="packages")}
    assert [pin.name for pin in planned["more"].packages] == ["dace"]


def test_upstream_s_name_and_tag_hold_and_the_content_is_known_beside_them(checkout: Checkout) -> None:
    checkout.edit(lambda table: table["images"]["other"].update(repository="registry.example/tool", tag="v1"))
    (first,) = plan(table.read(checkout.table), ["other"], world="packages")
    checkout.write("images/other/motd", "hello\n")
    (second,) = plan(table.read(checkout.table), ["other"], world="packages")
    assert first.reference == second.reference == "registry.example/tool:v1"
    assert first.content != second.content


def test_a_given_file_is_part_of_the_tag(checkout: Checkout) -> None:
    checkout.edit(lambda table: table["images"]["other"].update(given=["bin/made"]))
    made = checkout.write("made", "1")
    before = tags(checkout, given={"other": {"bin/made": made}})
    made.write_text("2")
    assert tags(checkout, given={"other": {"bin/made": made}})["other"] != before["other"]


@pytest.mark.parametrize(("given", "said"), [({}, "was not given"), ({"other": {"bin/b": Path("x")}}, "is not listed")])
def test_given_files_are_just_those_that_the_table_lists(checkout: Checkout, given: Given, said: str) -> None:
    checkout.edit(lambda table: table["images"]["other"].update(given=["bin/a"]))
    with pytest.raises(Refused, match=said):
        plan(table.read(checkout.table), None, world="packages", given=given)


def test_pages_count_by_their_sources(checkout: Checkout) -> None:
    checkout.write("web/package-lock.json", "{}")
    before = tags(checkout)
    checkout.edit(lambda table: table["images"]["other"].update(pages="web"))
    bare = tags(checkout)
    assert {name for name in before if before[name] != bare[name]} == {"other"}
    assert changed(checkout, lambda it: it.write("web/node_modules/x.js", "1")) == set()
    assert changed(checkout, lambda it: it.write("web/dist/index.html", "1")) == set()
    assert changed(checkout, lambda it: it.write("web/src/main.tsx", "1")) == {"other"}
