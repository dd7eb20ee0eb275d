"""Filters of the list of runs."""

from __future__ import annotations

import time

import pytest
from metadata_testbed.api import Api
from metadata_testbed.stores import Store

pytestmark = pytest.mark.server


class Runs:
    """The runs of one flow, by the names that a test gives them."""

    def __init__(self, api: Api, store: Store) -> None:
        self._api, self._store = api, store
        self._flow = api.new_flow()

    def add(self, name: str, ts_epoch: int = 0, heartbeat: int | None = None, **body: object) -> str:
        run = self._api.new_run(self._flow, run_number=name, **body)
        self._store.execute(
            "UPDATE runs_v3 SET ts_epoch = %(ts)s, last_heartbeat_ts = %(heartbeat)s"
            " WHERE flow_id = %(flow)s AND run_id = %(run)s",
            {"ts": ts_epoch, "heartbeat": heartbeat, "flow": self._flow.rpartition("/")[2], "run": name},
        )
        return run

    def mark_end(self, run: str, *marks: tuple[str, str, int]) -> None:
        """Metadata of the end step: field, value and time."""
        task = self._api.new_task(self._api.new_step(run, "end"))
        for field, value, ts_epoch in marks:
            self._api.post(task + "/metadata", [{"field_name": field, "value": value, "type": field}])
            self._store.execute(
                "UPDATE metadata_v3 SET ts_epoch = %(ts)s WHERE id = (SELECT max(id) FROM metadata_v3)",
                {"ts": ts_epoch},
            )

    def found(self, **filters: str) -> set[str]:
        return {run["run_number"] for run in self._api.get(self._flow + "/runs", filters)}


@pytest.fixture
def runs(api: Api, store: Store) -> Runs:
    return Runs(api, store)


def test_a_status_is_derived_as_upstream_does(runs: Runs) -> None:
    now = int(time.time())
    runs.mark_end(runs.add("ended", heartbeat=now), ("attempt", "0", 1), ("attempt_ok", "True", 2))
    runs.mark_end(runs.add("broke", heartbeat=now), ("attempt", "0", 1), ("attempt_ok", "false", 2))
    runs.mark_end(runs.add("again"), ("attempt_ok", "false", 1), ("attempt", "1", 2))
    runs.mark_end(runs.add("better"), ("attempt_ok", "false", 1), ("attempt", "1", 2), ("attempt_ok", '"true"', 3))
    runs.mark_end(runs.add("strange", heartbeat=now), ("attempt_ok", "maybe", 1))
    runs.add("alive", heartbeat=now)
    runs.add("silent", heartbeat=now - 400)
    runs.add("never")
    assert runs.found(**{"status:eq": "completed"}) == {"ended", "better"}
    assert runs.found(status="running") == {"again", "strange", "alive"}
    assert runs.found(**{"status:eq": "failed"}) == {"broke", "silent", "never"}
    assert runs.found(**{"status:eq": "failed,completed"}) == {"broke", "silent", "never", "ended", "better"}
    assert runs.found(**{"status:ne": "failed,completed"}) == {"again", "strange", "alive"}


def test_times(runs: Runs) -> None:
    for ts in (1000, 2000, 3000):
        runs.add(str(ts) + "ms", ts)
    assert runs.found(**{"ts_epoch:ge": "2000"}) == {"2000ms", "3000ms"}
    assert runs.found(**{"ts_epoch:le": "2000"}) == {"1000ms", "2000ms"}
    assert runs.found(**{"ts_epoch:gt": "1000", "ts_epoch:lt": "3000"}) == {"2000ms"}
    assert runs.found(**{"ts_epoch:eq": "1000,3000"}) == {"1000ms", "3000ms"}
    assert runs.found(**{"ts_epoch:ge": str(2**63 - 1)}) == set()


def test_a_user_counts_when_its_tag_says_so(runs: Runs) -> None:
    runs.add("ann", user_name="ann", system_tags=["user:ann"])
    runs.add("bob", user_name="bob", system_tags=["user:bob"])
    runs.add("ghost", user_name="ann", system_tags=["runtime:x"])
    assert runs.found(**{"user:eq": "ann"}) == {"ann"}
    assert runs.found(**{"user:eq": "ann,bob"}) == {"ann", "bob"}
    assert runs.found(**{"user:eq": "null"}) == {"ghost"}
    assert runs.found(**{"user:ne": "null"}) == {"ann", "bob"}
    assert runs.found(**{"user:ne": "ann"}) == {"bob", "ghost"}
    assert runs.found(user_name="ann") == {"ann", "ghost"}


def test_likeness_takes_wildcards_literally_except_in_li(runs: Runs) -> None:
    for name in ("my_run", "myXrun", "MY_RUN2", "50%"):
        runs.add(name)
    assert runs.found(**{"run_id:sw": "my_"}) == {"my_run", "MY_RUN2"}
    assert runs.found(**{"run_id:co": "y_r"}) == {"my_run", "MY_RUN2"}
    assert runs.found(**{"run_id:ew": "run"}) == {"my_run", "myXrun"}
    assert runs.found(**{"run_id:co": "%"}) == {"50%"}
    assert runs.found(**{"run_id:li": "my_run"}) == {"my_run", "myXrun"}


def test_a_comma_of_a_value_has_a_backslash_before_it(runs: Runs) -> None:
    runs.add("prod", tags=["env:prod", "eu"])
    runs.add("dev", tags=["env:dev"])
    runs.add("both", tags=["env:prod,eu", "back\\slash"])
    assert runs.found(**{"_tags:any": "env:prod\\,eu,env:dev"}) == {"both", "dev"}
    assert runs.found(**{"_tags:all": "env:prod\\,eu,back\\slash"}) == {"both"}


def test_tags_and_system_tags_are_one_set(runs: Runs) -> None:
    runs.add("prod", tags=["env:prod", "x"], system_tags=["team:ml"])
    runs.add("dev", tags=["env:dev"], system_tags=["team:ml"])
    runs.add("bare")
    assert runs.found(**{"_tags:any": "env:prod,env:dev"}) == {"prod", "dev"}
    assert runs.found(**{"_tags:all": "env:prod,team:ml"}) == {"prod"}
    assert runs.found(_tags="env:dev,team:ml") == {"dev"}
    assert runs.found(**{"_tags:likeany": "prod,nothing"}) == {"prod"}
    assert runs.found(**{"_tags:likeall": "env,team"}) == {"prod", "dev"}
    assert runs.found(**{"_tags:likeall": "env,%"}) == set()


def test_tags_of_a_strange_shape_do_not_break_the_list(runs: Runs, api: Api, store: Store) -> None:
    run = runs.add("strange")
    runs.add("plain", tags=["a"])
    store.execute("""UPDATE runs_v3 SET tags = '{"a": 1}', system_tags = '{"b": 2}' WHERE run_id = 'strange'""")
    assert runs.found(**{"_tags:likeany": "a"}) == {"plain"}
    assert api.get(run)["tags"] == {"a": 1}
    assert api.patch(run + "/tag/mutate", {"tags_to_add": ["b"]}) == {"tags": ["b"]}


def test_filters_hold_together(runs: Runs) -> None:
    for number in range(6):
        runs.add(f"r{number}", number, user_name="ann", tags=["keep" if number % 2 else "drop"])
    assert runs.found(**{"_tags:any": "keep", "ts_epoch:ge": "2"}) == {"r3", "r5"}


def test_a_filtered_page_is_full(runs: Runs, api: Api) -> None:
    path = ""
    for number in range(6):
        path = runs.add(f"r{number}", number, tags=["keep" if number % 2 else "drop"])
    pages = api.pages(path.rpartition("/")[0], 2, {"_tags:any": "keep"})
    assert [[run["run_number"] for run in page] for page in pages] == [["r5", "r3"], ["r1"]]


@pytest.mark.parametrize(
    "filters",
    [
        {"status": "bogus"},
        {"status:zz": "running"},
        {"ts_epoch:ge": "yesterday"},
        {"_order": "ts_epoch"},
        {"tags:co": "a"},
        {"_limit": "0"},
        {"_limit": "abc"},
        {"_cursor": "garbage"},
    ],
)
def test_what_is_not_served_is_refused_by_name(api: Api, filters: dict[str, str]) -> None:
    answer = api.get(api.new_flow() + "/runs", filters, 400)
    assert next(iter(filters)) in answer["message"]


def test_an_unknown_field_is_ignored_and_named(api: Api) -> None:
    response = api.http.get(api.new_flow() + "/runs", params={"nonsense:eq": "x"})
    assert response.status_code == 200
    assert response.headers["X-Ignored-Parameters"] == "nonsense:eq"
