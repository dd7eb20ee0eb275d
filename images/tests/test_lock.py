"""A part of a lock is what was asked for and all that it needs, with versions and hashes as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from image_builder import lock
from image_builder.errors import Refused

if TYPE_CHECKING:
    from images.tests.conftest import Checkout

LOCK_OF_THIS_REPOSITORY = Path(__file__).parents[2] / "requirements.txt"


def names(pins: list[lock.Pin]) -> list[str]:
    return [pin.name for pin in pins]


def test_the_part_is_closed(checkout: Checkout) -> None:
    pins = lock.read(checkout.root / "requirements.txt")
    assert names(lock.closure(pins, ["anchovy[fried]"], where="")) == ["anchovy", "bream", "char-fish"]
    assert names(lock.closure(pins, ["dace"], where="")) == ["dace"]


def test_a_circle_of_needs_ends(checkout: Checkout) -> None:
    pins = lock.read(checkout.root / "requirements.txt")
    assert names(lock.closure(pins, ["char_fish"], where="")) == ["bream", "char-fish"]


def test_versions_and_hashes_stay_as_they_are(checkout: Checkout) -> None:
    pins = lock.read(checkout.root / "requirements.txt")
    assert pins["bream"].lines == ("bream==2.0 \\", "    --hash=sha256:bb \\", "    --hash=sha256:bc")


def test_an_unknown_package_is_refused_by_name(checkout: Checkout) -> None:
    pins = lock.read(checkout.root / "requirements.txt")
    with pytest.raises(Refused, match="'eel' is not in the lock"):
        lock.closure(pins, ["dace", "eel"], where="images.x")


def test_a_package_without_a_hash_is_refused(checkout: Checkout) -> None:
    pins = lock.read(checkout.write("bare.txt", "gar==1.0\n    # via tiny\n"))
    with pytest.raises(Refused, match="no hash for 'gar'"):
        lock.closure(pins, ["gar"], where="images.x")


def test_this_repository_s_lock_says_what_boto3_needs() -> None:
    pins = lock.read(LOCK_OF_THIS_REPOSITORY)
    assert {"boto3", "botocore", "jmespath", "s3transfer", "urllib3"} <= set(
        names(lock.closure(pins, ["boto3"], where=""))
    )
