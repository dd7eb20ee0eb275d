import { expect, test } from "vitest";

import { touches } from "./live";

const CHANGED = new Map([["A", new Set([1])]]);

test("a change touches the lists of runs, its flow, and what was asked about its run", () => {
  expect(touches(["runs", {}], CHANGED)).toBe(true);
  expect(touches(["flow-runs", "A", 100], CHANGED)).toBe(true);
  expect(touches(["timeline", { flow: "A", run: "1" }], CHANGED)).toBe(true);
  expect(touches(["attempts", { flow: "A", run: "kfp-1", step: "s", task: "t" }], CHANGED)).toBe(true);
});

test("it touches nothing else", () => {
  expect(touches(["flow-runs", "B", 100], CHANGED)).toBe(false);
  expect(touches(["timeline", { flow: "B", run: "1" }], CHANGED)).toBe(false);
  expect(touches(["timeline", { flow: "A", run: "2" }], CHANGED)).toBe(false);
  expect(touches(["graph", { flow: "A", run: "1" }], CHANGED)).toBe(false);
  expect(touches(["names", "flow", ""], CHANGED)).toBe(false);
});
