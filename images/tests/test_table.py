"""A table is read with a closed schema; all of its problems come at once, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from image_builder import table
from image_builder.errors import Refused

if TYPE_CHECKING:
    from images.tests.conftest import Checkout


def test_parents_come_before_their_children(checkout: Checkout) -> None:
    images = list(table.read(checkout.table).images)
    assert images.index("parent") < images.index("grown-child")


def test_a_selection_brings_its_parents(checkout: Checkout) -> None:
    chosen = table.read(checkout.table).select(["grown-child"])
    assert [image.name for image in chosen] == ["parent", "grown-child"]


def test_an_unknown_image_is_refused_with_the_known_ones(checkout: Checkout) -> None:
    with pytest.raises(Refused, match=r"there is no image 'childe'.*grown-child"):
        table.read(checkout.table).select(["childe"])


@pytest.mark.parametrize(
    ("place", "key"),
    [((), "image"), (("bases", "python"), "pakages"), (("programs", "tool"), "modul"), (("images", "other"), "bse")],
)
def test_an_unknown_key_is_refused_by_name(checkout: Checkout, place: tuple[str, ...], key: str) -> None:
    def add(document: dict[str, Any]) -> None:
        for step in place:
            document = document[step]
        document[key] = "value"

    checkout.edit(add)
    with pytest.raises(Refused, match=f"unknown key '{key}'"):
        table.read(checkout.table)


@pytest.mark.parametrize(
    ("section", "name", "key", "value", "said"),
    [
        ("bases", "python", "renewed", "yesterday", "bases.python.renewed: 'yesterday' is not a day"),
        ("bases", "python", "packages", "python3", "bases.python.packages: 'python3' is not a list of texts"),
        ("images", "other", "args", {"A": 1}, "images.other.args: {'A': 1} is not a mapping of texts"),
        ("images", "other", "base", "", "images.other.base: '' is not a text"),
        ("images", "other", "base", "nowhere", "'nowhere' is neither a base nor an image"),
        ("images", "other", "programs", ["saw"], "there is no program 'saw'"),
        ("images", "other", "sources", ["lost"], "there is no 'lost' in the checkout"),
        ("images", "other", "files", {"a": "gone"}, "there is no 'gone' in the checkout"),
        ("images", "other", "pages", "code", "there is no 'code/package-lock.json' in the checkout"),
        ("images", "other", "folder", "elsewhere", "there is no Dockerfile in elsewhere/"),
        ("images", "other", "python", ["anchovy"], "images.other.python: the base has no Python version"),
    ],
)
def test_what_does_not_fit_is_named(
    checkout: Checkout, section: str, name: str, key: str, value: object, said: str
) -> None:
    checkout.edit(lambda document: document[section][name].update({key: value}))
    with pytest.raises(Refused) as refused:
        table.read(checkout.table)
    assert said in str(refused.value)


def test_a_missing_key_is_named(checkout: Checkout) -> None:
    checkout.edit(lambda document: document["images"]["other"].pop("base"))
    with pytest.raises(Refused, match=r"images.other: the key 'base' is missing"):
        table.read(checkout.table)


def test_all_problems_come_at_once(checkout: Checkout) -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["images"]["other"]["bse"] = "x"
        document["images"]["parent"]["sorces"] = []
        document["prefix"] = 3

    checkout.edit(spoil)
    with pytest.raises(Refused) as refused:
        table.read(checkout.table)
    assert len(refused.value.problems) == 3


def test_a_circle_of_parents_is_refused(checkout: Checkout) -> None:
    checkout.edit(lambda document: document["images"]["parent"].update(base="grown-child"))
    with pytest.raises(Refused, match=r"-> .* are built on each other"):
        table.read(checkout.table)


@pytest.mark.parametrize("text", ["- a list", "a: [", ""])
def test_what_is_no_mapping_is_refused(checkout: Checkout, text: str) -> None:
    checkout.table.write_text(text)
    with pytest.raises(Refused, match=r"images.yml: "):
        table.read(checkout.table)


def test_a_table_that_is_not_there_is_refused(checkout: Checkout) -> None:
    with pytest.raises(Refused, match="there is no such table"):
        table.read(checkout.root / "imags.yml")
