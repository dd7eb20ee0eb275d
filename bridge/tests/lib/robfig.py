"""How robfig/cron 1.2.0 reads six fields, seconds first: written from its rules, with none of our converter in it."""

from datetime import datetime

BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))

Fields = list[tuple[set[int], bool]]


def parse(text: str) -> Fields:
    """For each field its numbers, and whether its star bit is set."""
    words = text.split()
    assert len(words) == 6, text
    return [_field(word, *bounds) for word, bounds in zip(words, BOUNDS, strict=True)]


def matches(fields: Fields, moment: datetime) -> bool:
    """Whether the schedule fires at this second."""
    second, minute, hour, (days, any_day), month, (weekdays, any_weekday) = fields
    on_day, on_weekday = moment.day in days, moment.isoweekday() % 7 in weekdays
    day = (on_day and on_weekday) if any_day or any_weekday else (on_day or on_weekday)
    times = ((second, moment.second), (minute, moment.minute), (hour, moment.hour), (month, moment.month))
    return day and all(value in numbers for (numbers, _), value in times)


def _field(word: str, low: int, high: int) -> tuple[set[int], bool]:
    numbers: set[int] = set()
    star = False
    for part in word.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if first in ("*", "?"):
            begin, end, star = low, high, True
        else:
            begin = int(first)
            end = int(last) if last else high if step else begin
        assert low <= begin <= end <= high, word
        numbers |= set(range(begin, end + 1, int(step or 1)))
    return numbers, star
