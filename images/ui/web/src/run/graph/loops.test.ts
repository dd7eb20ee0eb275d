import { expect, test } from "vitest";

import type { Graph } from "../../api/types";
import { loopsOf } from "./loops";

const graph = (steps: Record<string, string[]>): Graph => ({
  steps: Object.fromEntries(Object.entries(steps).map(([name, next]) => [name, { name, type: name === "start" ? "start" : "linear", next }])),
});

test("a graph without loops has none", () => {
  expect(loopsOf(graph({ start: ["a", "b"], a: ["join"], b: ["join"], join: ["end"], end: [] }))).toEqual(new Set());
});

test("a step that leads to itself, and one that leads far back", () => {
  expect(loopsOf(graph({ end: [], judge: ["start2", "end"], start2: ["again"], again: ["again", "judge"], start: ["start2"] }))).toEqual(new Set(["again>again", "judge>start2"]));
});

test("a step that is not there, and a deep graph", () => {
  const deep = Object.fromEntries(Array.from({ length: 20_000 }, (_, place) => [`s${place}`, [`s${place + 1}`]]));
  expect(loopsOf(graph(deep))).toEqual(new Set());
  expect(loopsOf({ steps: {} })).toEqual(new Set());
});
