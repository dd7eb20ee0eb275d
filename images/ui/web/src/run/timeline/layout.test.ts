import { expect, test } from "vitest";

import type { TaskStatus, Timeline } from "../../api/types";
import { CLOSED_FROM, density, extent, lanesOf, newest, peak, rowsOf, ticks, within, zoomed } from "./layout";

const STATUSES: TaskStatus[] = ["completed", "failed", "running", "pending", "unknown"];

type Attempt = [step: string, task: number, attempt: number, started: number, finished: number | null, status: TaskStatus, label?: string];

function timeline(...attempts: Attempt[]): Timeline {
  const steps = [...new Set(attempts.map(([step]) => step))];
  return {
    steps,
    statuses: STATUSES,
    step: attempts.map(([step]) => steps.indexOf(step)),
    task: attempts.map(([, task]) => task),
    name: attempts.map(() => null),
    attempt: attempts.map(([, , attempt]) => attempt),
    started: attempts.map(([, , , started]) => started),
    finished: attempts.map(([, , , , finished]) => finished),
    status: attempts.map(([, , , , , status]) => STATUSES.indexOf(status)),
    label: attempts.map(([, , , , , , label]) => label ?? null),
    more: false,
  };
}

const USUAL = { flat: false, turned: new Set<string>() };

const RUN = lanesOf(
  timeline(
    ["_parameters", 9, 0, 0, 1, "completed"],
    ["start", 1, 0, 0, 100, "completed"],
    ["work", 3, 1, 300, 400, "completed", "shop=b"],
    ["work", 3, 0, 110, 290, "failed", "shop=b"],
    ["work", 2, 0, 105, 500, "failed", "shop=a"],
    ["end", 4, 0, 510, null, "running"],
  ),
);

test("attempts of a task share a lane, the newest last, and parameters are no step", () => {
  expect(RUN.map((lane) => [lane.step, lane.task, lane.bars.map((bar) => bar.attempt)])).toEqual([
    ["start", 1, [0]],
    ["work", 3, [0, 1]],
    ["work", 2, [0]],
    ["end", 4, [0]],
  ]);
  expect(RUN.map((lane) => newest(lane).status)).toEqual(["completed", "completed", "failed", "running"]);
});

test("what runs reaches to now", () => {
  expect(extent(RUN, 2000)).toEqual({ from: 0, to: 2000 });
  expect(extent([], 5000)).toEqual({ from: 4000, to: 5000 });
});

const shown = (rows: ReturnType<typeof rowsOf>) => rows.map((row) => (row.kind === "step" ? `${row.step}${row.open ? "▾" : "▸"}${row.failed}` : `${row.deep ? " " : ""}${row.lane.task}`));

test("steps with several tasks have a row of their own, in the order of their begin", () => {
  expect(shown(rowsOf(RUN, USUAL))).toEqual(["1", "work▾1", " 2", " 3", "4"]);
  expect(shown(rowsOf(RUN, { ...USUAL, turned: new Set(["work"]) }))).toEqual(["1", "work▸1", "4"]);
  expect(shown(rowsOf(RUN, { ...USUAL, flat: true }))).toEqual(["1", "2", "3", "4"]);
});

test("a wide step begins closed, and opens when one looks for something in it", () => {
  const wide = lanesOf(timeline(...Array.from({ length: CLOSED_FROM + 1 }, (_, place): Attempt => ["wide", place, 0, place, place + 5, "completed", `i=${place}`])));
  expect(rowsOf(wide, USUAL)).toHaveLength(1);
  expect(shown(rowsOf(wide, { ...USUAL, text: "I=6" }))).toEqual(["wide▾0", " 6", " 60"]);
});

test("tasks are chosen by status, step, and text", () => {
  expect(shown(rowsOf(RUN, { ...USUAL, status: "failed" }))).toEqual(["2"]);
  expect(shown(rowsOf(RUN, { ...USUAL, text: "shop=B" }))).toEqual(["3"]);
  expect(shown(rowsOf(RUN, { ...USUAL, step: "end" }))).toEqual(["4"]);
});

test("zooming keeps the moment under the pointer, and stays inside", () => {
  const whole = { from: 0, to: 1000 };
  expect(zoomed(whole, 0.5, 250, whole)).toEqual({ from: 125, to: 625 });
  expect(zoomed({ from: 125, to: 625 }, 100, 600, whole)).toEqual(whole);
  expect(within({ from: 900, to: 1300 }, whole)).toEqual({ from: 600, to: 1000 });
});

test("ticks are round and not too many", () => {
  expect(ticks({ from: 1000, to: 61_000 }, 1000, 7)).toEqual([1000, 11_000, 21_000, 31_000, 41_000, 51_000, 61_000]);
  expect(ticks({ from: 0, to: 40 * 604_800_000 }, 0, 5)).toHaveLength(6);
});

test("how many run at once", () => {
  expect(peak(RUN, 1000)).toBe(2);
  const { running, failed } = density(RUN, { from: 0, to: 1000 }, 10, 1000);
  expect(running).toEqual([1, 3, 2, 2, 2, 2, 1, 1, 1, 1]);
  expect(failed.flatMap((yes, slice) => (yes ? [slice] : []))).toEqual([2, 5]);
});
