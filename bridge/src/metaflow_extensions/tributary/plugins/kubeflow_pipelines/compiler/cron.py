"""A schedule as Metaflow's users write it, in the words that Kubeflow Pipelines understands.

Kubeflow Pipelines reads six fields with the seconds first (robfig/cron 1.2), and takes five fields for six without the
day of the week: `0 10 * * *` would start a run at ten minutes past every hour. So three forms are told apart here, and
what can be read in two ways is refused.

| form | fields | days of the week |
|---|---|---|
| cron | minute hour day month weekday | 0 to 7, Sunday is 0 and 7 |
| AWS | minute hour day month weekday year, with ? as day or weekday | 1 to 7, Sunday is 1 |
| Kubeflow's own | second minute hour day month weekday; a weekday, or ? as day or weekday | 0 to 6, Sunday is 0 |
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MONTHS = {name: number for number, name in enumerate(_MONTHS, 1)}
WEEKDAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
LONGEST_MONTH = {month: 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 for month in range(1, 13)}

SHORTHANDS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}

_PART = re.compile(r"(?P<first>\*|\?|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")


class NotCron(ValueError):
    """Why an expression cannot be a schedule of Kubeflow Pipelines, to be put behind the expression."""


@dataclass(frozen=True)
class _Field:
    """The numbers that a field of the expression may name. `names` are for them as written; see `shift`."""

    what: str
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)
    # What a written weekday is more than ours: AWS counts from 1. Names are as ours in every form.
    shift: int = 0

    @property
    def last(self) -> int:
        """The last of our numbers; 7 is another name of Sunday."""
        return min(self.high - self.shift, 6) if self.names is WEEKDAYS else self.high


_SECOND, _MINUTE, _HOUR = _Field("second", 0, 59), _Field("minute", 0, 59), _Field("hour", 0, 23)
_DAY, _MONTH = _Field("day of the month", 1, 31), _Field("month", 1, 12, MONTHS)
_WEEKDAY = "day of the week"
_CRON_WEEKDAY = _Field(_WEEKDAY, 0, 7, WEEKDAYS)
_AWS_WEEKDAY = _Field(_WEEKDAY, 1, 7, WEEKDAYS, shift=1)
_OWN_WEEKDAY = _Field(_WEEKDAY, 0, 6, WEEKDAYS)


@dataclass(frozen=True)
class _Days:
    """What a field of days names; `star` says that it begins with * or ?, and so leaves the choice to the other."""

    numbers: frozenset[int]
    star: bool
    stepped: bool
    whole: frozenset[int]

    @property
    def full(self) -> bool:
        return self.numbers == self.whole


def convert(expression: str) -> str:
    """The expression in six fields, seconds first. NotCron with the reason when Kubeflow Pipelines cannot have it."""
    words = expression.split()
    if expression.strip().startswith("@"):
        if expression.strip() not in SHORTHANDS:
            raise NotCron(f"only {', '.join(SHORTHANDS)} are known of what begins with @")
        return SHORTHANDS[expression.strip()]
    if any("=" in word for word in words):
        raise NotCron("a schedule of Kubeflow Pipelines has no time zone of its own")
    match words:
        case [minute, hour, day, month, weekday]:
            return _convert("0", minute, hour, day, month, weekday, _CRON_WEEKDAY)
        case [_, _, _, _, _, _] if "?" in (words[2], words[4]):
            return _convert_aws(words)
        case [second, minute, hour, day, month, weekday] if "?" in (day, weekday) or not _may_be_year(weekday):
            return _convert(second, minute, hour, day, month, weekday, _OWN_WEEKDAY)
        case [_, _, _, _, _, _]:
            raise NotCron(
                "its six fields may begin with the seconds, or end with the year. "
                "With ? as the day of the month or of the week it is clear which"
            )
    raise NotCron(f"it has {len(words)} fields, and cron has 5 or 6")


def _may_be_year(word: str) -> bool:
    return word == "*" or re.match(r"\d{4}", word) is not None


def _convert_aws(words: list[str]) -> str:
    minute, hour, day, month, weekday, year = words
    if (day == "?") == (weekday == "?"):
        raise NotCron("of the day of the month and the day of the week, one is ? and the other is not")
    if year != "*":
        raise NotCron("schedules of Kubeflow Pipelines know no year")
    return _convert("0", minute, hour, day, month, weekday, _AWS_WEEKDAY)


def _convert(second: str, minute: str, hour: str, day: str, month: str, weekday: str, weekdays: _Field) -> str:
    times = [_print(_numbers(text, each), each) for text, each in ((second, _SECOND), (minute, _MINUTE), (hour, _HOUR))]
    months = _numbers(month, _MONTH)
    on = _days(day, _numbers(day, _DAY), _DAY)
    at = _days(weekday, frozenset(number % 7 for number in _numbers(weekday, weekdays)), _OWN_WEEKDAY)
    if (on.stepped and not at.full) or (at.stepped and not on.full):
        raise NotCron(
            "*/… beside another kind of day is read as both at once by some and as either by others. "
            "Write the first and last day in place of the *"
        )
    either = not on.star and not at.star
    if not either and at.full and not any(min(on.numbers) <= LONGEST_MONTH[each] for each in months):
        raise NotCron("it names a day that never comes")
    # With either kind of day, one that names all days leaves nothing to the other.
    always = either and (on.full or at.full)
    days = "*" if always else _print(on.numbers, _DAY)
    return " ".join([*times, days, _print(months, _MONTH), "*" if always else _print(at.numbers, _OWN_WEEKDAY)])


def _days(text: str, numbers: frozenset[int], known: _Field) -> _Days:
    star = text.startswith(("*", "?"))
    whole = frozenset(range(known.low, known.high + 1))
    return _Days(numbers, star, star and numbers != whole, whole)


def _numbers(text: str, known: _Field) -> frozenset[int]:
    """The numbers that the field's text names, in our counting."""
    found: set[int] = set()
    for part in text.split(","):
        found |= _part(part, text, known)
    return frozenset(found)


def _part(part: str, text: str, known: _Field) -> set[int]:
    match = _PART.fullmatch(part)
    days = known.names is WEEKDAYS or known is _DAY
    if match is None or (match["first"] == "?" and (text != "?" or not days)):
        raise _wrong(text, known, "L, W and # are not known" if days and re.search("[LW#]", text) else "is no field")
    step = int(match["step"] or 1)
    if step == 0:
        raise _wrong(text, known, "a step of 0 never ends")
    if match["first"] in ("*", "?"):
        if match["last"]:
            raise _wrong(text, known, "is no field")
        first, last = known.low - known.shift, known.last
    else:
        first = _number(match["first"], text, known)
        # `5/10` is every tenth from the fifth on.
        last = _number(match["last"], text, known) if match["last"] else first
        if match["step"] and not match["last"]:
            last = known.last
    if first > last:
        raise _wrong(text, known, "a range ends before it begins")
    return set(range(first, last + 1, step))


def _number(word: str, text: str, known: _Field) -> int:
    name = known.names.get(word.upper())
    if name is not None:
        return name
    if not word.isdecimal() or not word.isascii():
        raise _wrong(text, known, "L, W and # are not known" if re.search("[LW]$", word) else f"{word!r} is no number")
    if not known.low <= int(word) <= known.high:
        raise _wrong(text, known, f"{word} is not among {known.low} to {known.high}")
    return int(word) - known.shift


def _wrong(text: str, known: _Field, why: str) -> NotCron:
    return NotCron(f"{text!r} as its {known.what}: {why}")


def _print(numbers: frozenset[int], known: _Field) -> str:
    """The numbers as a field: all as *, a progression to the end as first/step, else a list of numbers and ranges."""
    found = sorted(numbers)
    if found == list(range(known.low, known.high + 1)):
        return "*"
    step = found[1] - found[0] if len(found) > 2 else 1
    if step > 1 and found == list(range(found[0], known.high + 1, step)):
        return f"{found[0]}/{step}"
    runs: list[list[int]] = []
    for number in found:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
