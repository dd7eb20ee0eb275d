import { expect, test } from "vitest";

import { isFiltered, joined, listed, readRunsSearch, runsQuestion } from "./filters";

const NOW = 1_764_115_230_000;

test("what an address does not say in words of this page is left out", () => {
  expect(readRunsSearch({ status: "failed,lost", order: "-password", group: "x", within: "2y", from: "soon", other: "1", flow: "" })).toEqual({ status: "failed" });
});

test("a view survives its address", () => {
  const search = { status: "running,failed", flow: "A,B", user: "ann", project: "p", branch: "prod", tag: "x", parameter: "a=1,b=2", run: "17", within: "24h", order: "+duration", group: "flow" };
  expect(readRunsSearch(Object.fromEntries(new URLSearchParams(search)))).toEqual(search);
});

test("a comma of a value is not one between values", () => {
  const tag = joined(["a,b", "c"]);
  expect(listed(tag)).toEqual(["a,b", "c"]);
  expect(runsQuestion({ tag, project: joined(["p,q"]) }, NOW)).toMatchObject({ _tags: "a\\,b,c", "_tags:any": ["project:p\\,q"] });
});

test("the usual order is not said", () => {
  expect(readRunsSearch({ order: "-ts_epoch" })).toEqual({});
});

test("filters become the backend's words", () => {
  expect(runsQuestion({ status: "failed", flow: "A,B", project: "p,q", branch: "prod", tag: "x,y", parameter: "rate=0.1,text=a=b", run: "17", order: "+run" }, NOW)).toEqual({
    status: "failed",
    flow_id: "A,B",
    user: undefined,
    "run:co": "17",
    "ts_epoch:ge": undefined,
    "ts_epoch:le": undefined,
    _tags: "x,y",
    _parameter: ["rate=0.1", "text=a=b"],
    "_tags:any": ["project:p,project:q", "project_branch:prod"],
    _order: "+run",
  });
});

test("a time that goes along is a whole minute, so that the question stays the same for a while", () => {
  const asked = runsQuestion({ within: "1h" }, NOW);
  expect(asked).toEqual(runsQuestion({ within: "1h" }, NOW + 20_000));
  expect(asked["ts_epoch:ge"]).toBe(NOW - 30_000 - 3_600_000);
});

test("groups are asked for with some runs of each", () => {
  expect(runsQuestion({ group: "user" }, NOW)).toMatchObject({ _group: "user", _group_limit: 10 });
});

test("an order is no filter", () => {
  expect(isFiltered({ order: "+run", group: "flow" })).toBe(false);
  expect(isFiltered({ tag: "x" })).toBe(true);
});
