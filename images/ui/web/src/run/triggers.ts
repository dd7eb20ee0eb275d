/** What a run says began it: the field `execution-triggers` of its step start (metaflow/events.py). */
import type { RunKey } from "../api/queries";

export interface Trigger {
  name: string;
  /** As Metaflow calls it: event or run. */
  type: string;
  /** The run whose end it was. */
  run: RunKey | null;
}

const MOST = 20;

/** None where that is no list of events. */
export function readTriggers(text: string): Trigger[] {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(found)) return [];
  return found.slice(0, MOST).flatMap((one: unknown) => {
    if (one === null || typeof one !== "object") return [];
    const { name, type, id } = one as Record<string, unknown>;
    if (typeof name !== "string") return [];
    // Of a run the id is the path of its last task.
    const [flow, run] = type === "run" && typeof id === "string" ? id.split("/") : [];
    return [{ name: name.slice(0, 200), type: typeof type === "string" ? type.slice(0, 40) : "event", run: flow && run ? { flow, run } : null }];
  });
}
