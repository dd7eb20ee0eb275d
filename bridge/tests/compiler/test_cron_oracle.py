"""Our reading of robfig/cron, held against the program itself: the very module and version that Kubeflow Pipelines has.

It is built with go, out of the module cache that the images are built with.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice, product
from pathlib import Path

import pytest

from bridge.tests.compiler.test_cron import KNOWN
from bridge.tests.lib import robfig

pytestmark = pytest.mark.slow

MODULE = """module oracle

go 1.21

require github.com/robfig/cron v1.2.0
"""
SUMS = """github.com/robfig/cron v1.2.0 h1:ZjScXvvxeQ63Dbyxy76Fj3AT3Ut0aKsyd2/tl3DTMuQ=
github.com/robfig/cron v1.2.0/go.mod h1:JGuDeoQd7Z6yL4zQhZ3OPEVHB7fL6Ka6skscFHfmt2k=
"""
PROGRAM = """package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/robfig/cron"
)

// Reads {"expressions": [...], "from": [seconds...], "count": n}, and writes for each expression and each beginning the
// next n times.
func main() {
	var asked struct {
		Expressions []string
		From        []int64
		Count       int
	}
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	told := [][][]int64{}
	for _, expression := range asked.Expressions {
		schedule, err := cron.Parse(expression)
		if err != nil {
			panic(err)
		}
		all := [][]int64{}
		for _, from := range asked.From {
			times, at := []int64{}, time.Unix(from, 0).UTC()
			for len(times) < asked.Count {
				at = schedule.Next(at)
				times = append(times, at.Unix())
			}
			all = append(all, times)
		}
		told = append(told, all)
	}
	json.NewEncoder(os.Stdout).Encode(told)
}
"""
# Ends of months and years, a leap day, and an ordinary moment.
BEGINNINGS = [
    datetime(2026, 12, 31, 23, 59, 30, tzinfo=timezone.utc),
    datetime(2028, 2, 28, 12, tzinfo=timezone.utc),
    datetime(2026, 7, 17, 6, 29, 59, tzinfo=timezone.utc),
]
COUNT = 5

EXPRESSIONS = sorted(
    {*KNOWN.values(), "0 0 0 29 2 *", "0 0 0 ? * 5", "5/20 0 0 13 * 5", "0 0 0 1/2 * 1", "0 7-9/2 * * * *"}
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[int]]]:
    """For each expression the times that the program gives, from each of the beginnings on."""
    go = shutil.which("go")
    if go is None:
        pytest.fail("go is missing. Install Go 1.25 or newer: a checkout needs it.")
    folder = tmp_path_factory.mktemp("oracle")
    for name, text in {"go.mod": MODULE, "go.sum": SUMS, "main.go": PROGRAM}.items():
        (folder / name).write_text(text)
    asked = {"expressions": EXPRESSIONS, "from": [int(each.timestamp()) for each in BEGINNINGS], "count": COUNT}
    done = subprocess.run(
        [go, "run", "."],
        cwd=folder,
        env={**os.environ, **_caches()},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(EXPRESSIONS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_our_reading_has_the_next_times_of_the_program(expression: str, told: dict[str, list[list[int]]]) -> None:
    fields = robfig.parse(expression)
    assert told[expression] == [list(islice(_times(fields, each), COUNT)) for each in BEGINNINGS]


def _times(fields: robfig.Fields, after: datetime) -> Iterator[int]:
    """The times at which a schedule fires, looked for through 25 years."""
    of_day = list(product(*(sorted(numbers) for numbers, _ in reversed(fields[:3]))))
    day = after.replace(hour=0, minute=0, second=0)
    for _ in range(25 * 366):
        for hour, minute, second in of_day:
            moment = day.replace(hour=hour, minute=minute, second=second)
            if moment > after and robfig.matches(fields, moment):
                yield int(moment.timestamp())
        day += timedelta(days=1)


def _caches() -> dict[str, str]:
    """Where go finds the module and keeps what it builds."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(os.environ.get("CACHE") or home / "tributary") / "go"
    return {
        "GOMODCACHE": str(cache / "mod"),
        "GOCACHE": str(cache / "build"),
        "GOFLAGS": "-mod=mod -modcacherw",
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
