import { expect, test } from "vitest";

import { ago, duration, size, utc } from "./times";

test.each([
  [null, "–"], [0, "0 ms"], [999, "999 ms"], [1_000, "1.0 s"], [9_940, "9.9 s"], [59_900, "59 s"], [60_000, "1m 00s"],
  [3_599_400, "59m 59s"], [3_600_000, "1h 00m"], [90_000_000, "1d 1h"],
])("%s ms are %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test("times are told in UTC with their zone", () => {
  expect(utc(1_764_115_200_000)).toBe("2025-11-26 00:00:00 UTC");
});

test("sizes and ages", () => {
  expect([size(0), size(999), size(1_234), size(200_000_000)]).toEqual(["0 B", "999 B", "1.2 kB", "200 MB"]);
  expect([ago(0, 5_000), ago(0, 300_000), ago(0, 7_200_000), ago(10, 0)]).toEqual(["5 s ago", "5 min ago", "2 h ago", "0 s ago"]);
});
