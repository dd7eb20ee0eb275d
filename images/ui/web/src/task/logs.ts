/** Questions about logs. */
import { queryOptions } from "@tanstack/react-query";

import { address, ApiError, getOne } from "../api/http";
import { type TaskKey, taskPath } from "../api/queries";
import type { LogHits, LogWindow } from "../api/types";
import { type Cause, causeIn } from "./traceback";

export type Stream = "out" | "err";

export interface LogKey {
  of: TaskKey;
  attempt: number;
  stream: Stream;
  source?: string | undefined;
}

const logAddress = ({ of, attempt, stream, source }: LogKey, what: string, query: Record<string, string | number | undefined> = {}) =>
  address([...taskPath(of), "logs", stream, what], { attempt_id: attempt, source, ...query });

export const fetchWindow = (key: LogKey, place: { before?: number; after?: number; length?: number }, signal?: AbortSignal) =>
  getOne<LogWindow>(logAddress(key, "window", place), signal);

export const fetchHits = (key: LogKey, q: string, after: number, signal?: AbortSignal) =>
  getOne<LogHits>(logAddress(key, "search", { q, after }), signal);

export const downloadAddress = (key: LogKey) => logAddress(key, "download");

/** What ended an attempt, out of the end of its log of errors. */
export const causeQuery = (of: TaskKey, attempt: number) =>
  queryOptions<Cause | null>({
    queryKey: ["cause", of, attempt],
    queryFn: async ({ signal }) => {
      for (const stream of ["err", "out"] as const) {
        try {
          const end = await fetchWindow({ of, attempt, stream }, { length: 32_768 }, signal);
          const cause = causeIn(end.lines.map((line) => line.text));
          if (cause) return cause;
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          return null;
        }
      }
      return null;
    },
    staleTime: 60_000,
  });
