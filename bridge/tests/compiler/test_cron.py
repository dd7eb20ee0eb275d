"""Schedules in Kubeflow's words: each conversion is held against an independent reading of both dialects."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.tests.lib import robfig
from metaflow_extensions.tributary.plugins.kubeflow_pipelines.compiler.cron import NotCron, convert

KNOWN = {
    # Metaflow's own words for weekly, hourly and daily.
    "0 0 ? * SUN *": "0 0 0 * * 0",
    "0 * * * ? *": "0 0 * * * *",
    "0 0 * * ? *": "0 0 0 * * *",
    # Five fields.
    "0 10 * * *": "0 0 10 * * *",
    "*/5 * * * *": "0 0/5 * * * *",
    "30 6 1,15 JAN-MAR *": "0 30 6 1,15 1-3 *",
    "0 0 * * 7": "0 0 0 * * 0",
    "0 0 * * 5-7": "0 0 0 * * 0,5-6",
    "0 0 * * mon-fri": "0 0 0 * * 1-5",
    "0 0 13 * FRI": "0 0 0 13 * 5",
    # Either kind of day, and one of them is all days.
    "0 0 1-31 * FRI": "0 0 0 * * *",
    "0 0 */2 * *": "0 0 0 1/2 * *",
    # AWS counts Sunday as 1.
    "0 12 ? * 2-6 *": "0 0 12 * * 1-5",
    "0/15 8 1 * ? *": "0 0/15 8 1 * *",
    # Seconds first.
    "0 0 10 ? * MON-FRI": "0 0 10 * * 1-5",
    "*/30 * * * * ?": "0,30 * * * * *",
    "0 30 4 * * 1": "0 30 4 * * 1",
    "@daily": "0 0 0 * * *",
}

REFUSED = {
    "0 */5 * * * *": "may begin with the seconds, or end with the year",
    "0 10 * * * 2027": "may begin with the seconds, or end with the year",
    "0 10 * * ? 2027": "know no year",
    "0 10 ? * ? *": "one is ?",
    "0 0 L * ? *": "L, W and # are not known",
    "0 0 ? * 6L *": "L, W and # are not known",
    "0 0 ? * 2#1 *": "L, W and # are not known",
    "0 0 */2 * FRI": "both at once by some",
    "0 0 30 2 *": "never comes",
    "0 0 31 4,6,9 *": "never comes",
    "TZ=Europe/Zurich 0 0 * * *": "no time zone of its own",
    "@every 1h": "only @yearly",
    "61 * * * *": "61 is not among 0 to 59",
    "0 0 * * FRI-MON": "ends before it begins",
    "*/0 * * * *": "never ends",
    "0 0 * *": "has 4 fields",
    "": "has 0 fields",
    "0 0 * * x": "'x' is no number",
    "? * * * *": "is no field",
    "0 0 ? * 8 *": "8 is not among 1 to 7",
}


@pytest.mark.parametrize("expression", KNOWN)
def test_each_form_is_said_in_kubeflows_six_fields(expression: str) -> None:
    assert convert(expression) == KNOWN[expression]


@pytest.mark.parametrize("expression", REFUSED)
def test_what_kubeflow_would_read_in_another_way_is_refused_with_the_reason(expression: str) -> None:
    with pytest.raises(NotCron) as refused:
        convert(expression)
    assert REFUSED[expression] in str(refused.value)


@dataclass(frozen=True)
class Part:
    """A field of cron as text, the numbers that it means, and whether it leaves the choice of the day to the other."""

    text: str
    numbers: frozenset[int]
    star: bool


def field(low: int, high: int) -> st.SearchStrategy[Part]:
    """A star, or a list of numbers, ranges and ranges with steps."""
    number = st.integers(low, high)

    def ranged(first: int, last: int, step: int) -> tuple[str, frozenset[int]]:
        low_one, high_one = sorted((first, last))
        text = f"{low_one}-{high_one}" + (f"/{step}" if step > 1 else "")
        return text, frozenset(range(low_one, high_one + 1, step))

    single = number.map(lambda value: (str(value), frozenset({value})))
    part = st.one_of(single, st.builds(ranged, number, number, st.integers(1, 7)))
    listed = st.lists(part, min_size=1, max_size=3).map(
        lambda parts: Part(",".join(text for text, _ in parts), frozenset().union(*(each for _, each in parts)), False)
    )
    return st.one_of(st.just(Part("*", frozenset(range(low, high + 1)), True)), listed)


@st.composite
def crons(draw: st.DrawFn) -> list[Part]:
    """Minute, hour, day, month, weekday."""
    return [draw(field(0, 59)), draw(field(0, 23)), draw(field(1, 31)), draw(field(1, 12)), draw(field(0, 7))]


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)).map(lambda each: each.replace(microsecond=0))


@settings(max_examples=300, deadline=None)
@given(crons(), MOMENTS)
def test_five_fields_fire_at_the_same_moments_on_kubeflow(parts: list[Part], moment: datetime) -> None:
    minute, hour, day, month, weekday = parts
    try:
        fields = robfig.parse(convert(" ".join(part.text for part in parts)))
    except NotCron as error:
        assert "never comes" in str(error)
        assert all(not _is_day(each, day, month, weekday) for each in _days_of_four_years())
        return
    # Moments that fire are rare, so the time of day is set to one that does, every other time.
    near = moment.replace(second=0, minute=min(minute.numbers), hour=min(hour.numbers))
    for each in (moment, moment.replace(second=0), near, *(near + timedelta(days=days) for days in range(1, 32))):
        wanted = each.second == 0 and each.minute in minute.numbers and each.hour in hour.numbers
        assert robfig.matches(fields, each) == (wanted and _is_day(each, day, month, weekday)), each


def _is_day(moment: datetime, day: Part, month: Part, weekday: Part) -> bool:
    """The rule of cron: with both kinds of day restricted, either is enough."""
    on_day, on_weekday = moment.day in day.numbers, moment.isoweekday() % 7 in {each % 7 for each in weekday.numbers}
    either = not day.star and not weekday.star
    return moment.month in month.numbers and ((on_day or on_weekday) if either else (on_day and on_weekday))


def _days_of_four_years() -> list[datetime]:
    return [datetime(2026, 1, 1) + timedelta(days=days) for days in range(4 * 366)]
