import { expect, test } from "vitest";

import { causeIn, inShort } from "./traceback";

const TRACE = ["Traceback (most recent call last):", '  File "flow.py", line 4, in train', "    fit()", "           ^^^^"];

test("the last traceback is the cause, without colours", () => {
  const cause = causeIn(["hello", ...TRACE, "KeyError: 'a'", "", ...TRACE, "\u001b[31mValueError: NaN in X\u001b[0m"]);
  expect(cause?.exception).toBe("ValueError: NaN in X");
  expect(cause?.traceback.split("\n")).toEqual([...TRACE, "ValueError: NaN in X"]);
});

test("an exception may have more lines, what is logged after it is none of them", () => {
  const cause = causeIn([...TRACE, "lib.errors.NotFitted: no", "call fit first", "INFO bye"]);
  expect(cause?.exception).toBe("lib.errors.NotFitted: no\ncall fit first");
  expect(cause && inShort(cause)).toBe("lib.errors.NotFitted: no");
});

test("a traceback that was cut still tells what there is", () => {
  expect(causeIn(TRACE)?.traceback).toContain("flow.py");
  expect(causeIn(["all is well"])).toBeNull();
});
