"""Which runs a policy keeps."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from metadata_service.domain.garbage import Blob, blob_of
from metadata_service.domain.refusals import Malformed
from metadata_service.domain.retention import AgedRun, Policies, Policy, expired
from metadata_service.retention.datastores import Files, LocalDatastore, segment

DAY = 86_400_000
NOW = 1_000 * DAY


def aged(number: int, days: float, *tags: str, running: bool = False) -> AgedRun:
    return AgedRun(number, NOW - round(days * DAY), running, frozenset(tags))


RUNS = [aged(1, 100), aged(2, 50, "keep"), aged(3, 40, running=True), aged(4, 10), aged(5, 1)]


@pytest.mark.parametrize(
    ("policy", "gone"),
    [
        (Policy(keep_last=0), [1, 2, 4, 5]),
        (Policy(keep_last=2), [1, 2]),
        (Policy(keep_last=9), []),
        (Policy(keep_last=2, keep_tags=("keep",)), [1]),
        (Policy(max_age_days=30), [1, 2]),
        (Policy(max_age_days=10), [1, 2, 4]),
        (Policy(max_age_days=5, keep_last=2), [1, 2]),
        (Policy(max_age_days=60, keep_last=1), [1]),
    ],
)
def test_a_run_stays_while_any_rule_keeps_it(policy: Policy, gone: list[int]) -> None:
    assert [run.run for run in expired(policy, RUNS, NOW)] == gone


def test_a_run_stays_for_those_that_were_resumed_from_it() -> None:
    runs = [
        aged(1, 9),
        AgedRun(2, NOW - 8 * DAY, False, frozenset(), frozenset({"1"})),
        aged(3, 7),
        AgedRun("kfp-4", NOW - DAY, False, frozenset(), frozenset({"2"})),
    ]
    assert [run.run for run in expired(Policy(keep_last=1), runs, NOW)] == [3]
    assert [run.run for run in expired(Policy(keep_last=0), runs, NOW)] == [1, 2, 3, "kfp-4"]


def test_the_first_policy_that_holds_for_a_flow_counts() -> None:
    special, general = Policy(("Train*", "Old"), keep_last=1), Policy(keep_last=5)
    policies = Policies((special, general))
    assert policies.of("TrainModel") is policies.of("Old") is special
    assert policies.of("train") is policies.of("Older") is general
    assert Policies((special,)).of("Other") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"policies": [{}]}', "max_age_days or keep_last"),
        ('{"policies": [{"keep_last": -1}]}', "keep_last"),
        ('{"policies": [{"keep_lats": 1}]}', "keep_lats"),
        ("{}", "policies"),
    ],
)
def test_a_policy_that_would_remove_by_mistake_is_refused(text: str, said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.json.decode(text, type=Policies)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b"])
def test_no_name_leads_out_of_a_datastore(name: str) -> None:
    with pytest.raises(Malformed):
        segment(name)


@pytest.mark.parametrize(
    ("location", "sha", "blob"),
    [
        (":root:s3://b/m", "a" * 40, Blob("s3://b/m", "a" * 40)),
        ("s3://b/m", "a" * 40, None),
        (":root:s3://b/m", "../../x", None),
        (":root:s3://b/m", "A" * 40, None),
        (":root:s3://b/m", None, None),
        (" ", " ", None),
    ],
)
def test_only_what_metaflow_stored_is_taken_for_a_blob(location: str, sha: str | None, blob: Blob | None) -> None:
    assert blob_of(location, sha) == blob


@pytest.mark.parametrize("name", ["x" * 300, "\N{OWL}" * 100])
def test_of_a_name_that_is_too_long_for_a_folder_nothing_is_there(name: str, tmp_path: Path) -> None:
    datastore = LocalDatastore(tmp_path)
    assert datastore.blobs(name) == {}
    assert datastore.run_files(name, "1") == Files()
    datastore.remove_run(name, "1")
