import { expect, test } from "vitest";

import { kubeflowRun } from "./kubeflow";

test("a run is linked only where Kubeflow Pipelines is known", () => {
  expect(kubeflowRun("a-b", "https://k.example/_/pipeline")).toBe("https://k.example/_/pipeline/#/runs/details/a-b");
  expect(kubeflowRun("a-b", "__KUBEFLOW__")).toBeNull();
  expect(kubeflowRun("a-b", "")).toBeNull();
});
