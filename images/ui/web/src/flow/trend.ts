/** What the last runs of a flow add up to. */
import type { Run } from "../api/types";

export interface Summary {
  completed: number;
  failed: number;
  running: number;
  /** Of those that have ended; null where none has. */
  successRate: number | null;
  /** Of completed runs, in milliseconds. */
  median: number | null;
  slowest: number | null;
}

export function summaryOf(runs: readonly Run[]): Summary {
  const number = (status: Run["status"]) => runs.filter((run) => run.status === status).length;
  const [completed, failed] = [number("completed"), number("failed")];
  const times = runs.flatMap((run) => (run.status === "completed" && run.duration !== null ? [run.duration] : [])).sort((a, b) => a - b);
  const middle = times.length / 2;
  const median = times.length === 0 ? null : times.length % 2 ? (times[Math.floor(middle)] ?? null) : ((times[middle - 1] ?? 0) + (times[middle] ?? 0)) / 2;
  return { completed, failed, running: number("running"), successRate: completed + failed ? completed / (completed + failed) : null, median, slowest: times.at(-1) ?? null };
}

/** Things that share a cause together, most frequent first. */
export function byCause<T>(found: readonly { cause: string; of: T }[]): { cause: string; of: T[] }[] {
  const groups = new Map<string, T[]>();
  for (const { cause, of } of found) groups.set(cause, [...(groups.get(cause) ?? []), of]);
  return [...groups].map(([cause, of]) => ({ cause, of })).sort((a, b) => b.of.length - a.of.length);
}
