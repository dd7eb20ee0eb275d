import { expect, test } from "vitest";

import { readTriggers } from "./triggers";

test("an event has its name, a run the way to it", () => {
  const said = [{ id: "7", name: "data.updated", type: "event" }, { id: "Flow/argo-x/end/t-1", name: "metaflow.Flow.end", type: "run" }];
  expect(readTriggers(JSON.stringify(said))).toEqual([
    { name: "data.updated", type: "event", run: null },
    { name: "metaflow.Flow.end", type: "run", run: { flow: "Flow", run: "argo-x" } },
  ]);
});

test.each(["", "{", "{}", "[1, null, {}]", '[{"name": 5}]'])("what says nothing that can be read is nothing: %s", (text) => {
  expect(readTriggers(text)).toEqual([]);
});
