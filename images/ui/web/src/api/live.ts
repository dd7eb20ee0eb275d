/** One feed of what changes, for the whole page. It names what has to be asked again; what it says is never shown itself. */
import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

interface Change {
  kind: "flow" | "run" | "step" | "task" | "metadata" | "artifact";
  flow_id: string;
  run_number?: number | null;
}

interface Message {
  cursor: string;
  changes?: Change[];
  reset?: boolean;
}

const AT_MOST_EVERY = 700;
const SILENCE = 45_000;
const LONGEST_PAUSE = 15_000;
/** What the backend says when it closes the feed of somebody who may not see anything any more. */
const REFUSED = 1008;

let connected = false;
const watchers = new Set<() => void>();

function setConnected(yes: boolean): void {
  if (connected === yes) return;
  connected = yes;
  for (const watcher of watchers) watcher();
}

/** Whether changes come by themselves now; otherwise the pages ask every few seconds. */
export const isLive = () => connected;

export function useLive(): boolean {
  return useSyncExternalStore((watcher) => {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  }, isLive);
}

const OF_A_RUN = new Set([
  "run", "steps", "timeline", "attempts", "metadata", "artifacts", "run-artifacts", "cards", "failed-task", "single-tasks", "end-artifacts",
]);

/** Numbers of runs by their flow; of a change to the flow itself none. */
export type Changed = Map<string, Set<number>>;

/** Whether the answer with this key may be another after these changes. A run that goes by a name may be any of its flow. */
export function touches(key: readonly unknown[], changed: Changed): boolean {
  const [first, of] = key;
  if (first === "runs") return true;
  if (first === "flow-runs") return changed.has(String(of));
  if (!OF_A_RUN.has(String(first)) || of === null || typeof of !== "object" || !("flow" in of) || !("run" in of)) return false;
  const runs = changed.get(String(of.flow));
  return runs !== undefined && (!/^\d+$/.test(String(of.run)) || runs.has(Number(of.run)));
}

/**
 * Listen until what it gives is called. Comes back with its cursor, to this replica or another.
 *
 * The first one stands in the document, which is older than all that the page asks: nothing is to be asked twice.
 */
export function listen(client: QueryClient): () => void {
  let cursor = document.querySelector<HTMLMetaElement>('meta[name="cursor"]')?.content ?? "";
  let pause = 500;
  let misses = 0;
  let changed: Changed = new Map();
  let everything = false;
  let timer = 0;
  let busy = false;
  let asked = 0;
  let ended = false;
  let socket: WebSocket | null = null;
  let next = 0;

  const ask = async () => {
    timer = 0;
    busy = true;
    asked = Date.now();
    const [all, these] = [everything, changed];
    everything = false;
    changed = new Map();
    const touched = { predicate: ({ queryKey }: { queryKey: readonly unknown[] }) => all || touches(queryKey, these) };
    // What is on its way was asked before the change, maybe. It is let arrive, so that a slow answer is seen at all, and asked once more.
    const late = client.isFetching(touched) > 0;
    await client.invalidateQueries(touched, { cancelRefetch: false }).catch(() => undefined);
    busy = false;
    if (late) {
      everything ||= all;
      for (const [flow, runs] of these) changed.set(flow, new Set([...(changed.get(flow) ?? []), ...runs]));
    }
    if (everything || changed.size > 0) soon();
  };
  // Changes come in bursts; what they touch is asked once for each.
  const soon = () => {
    if (!timer && !busy) timer = window.setTimeout(() => void ask(), Math.max(100, asked + AT_MOST_EVERY - Date.now()));
  };
  const note = (change: Change) => {
    const runs = changed.get(change.flow_id) ?? new Set();
    if (change.run_number !== null && change.run_number !== undefined) runs.add(change.run_number);
    changed.set(change.flow_id, runs);
  };

  const connect = () => {
    const url = new URL("api/changes", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (cursor) url.searchParams.set("since", cursor);
    const opened = new WebSocket(url);
    socket = opened;
    let watchdog = 0;
    const heard = () => {
      clearTimeout(watchdog);
      // The backend says something every 20 seconds. A connection that is silent is dead.
      watchdog = window.setTimeout(() => opened.close(), SILENCE);
    };
    opened.onopen = heard;
    opened.onmessage = ({ data }: MessageEvent<string>) => {
      heard();
      if (data === "__pong__") return;
      const message = JSON.parse(data) as Message;
      // What was asked before the first message may be older than it.
      if (!connected && cursor === "") everything = true;
      cursor = message.cursor;
      pause = 500;
      misses = 0;
      setConnected(true);
      if (message.reset) everything = true;
      message.changes?.forEach(note);
      if (everything || changed.size > 0) soon();
    };
    opened.onclose = ({ code }: CloseEvent) => {
      clearTimeout(watchdog);
      setConnected(false);
      if (ended) return;
      // Refused, or away for longer than it takes to find another replica: from here on the pages ask by themselves, beginning now.
      if (code === REFUSED || misses === 1) {
        everything = true;
        soon();
      }
      misses += 1;
      next = window.setTimeout(connect, pause * (0.5 + Math.random()));
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    };
  };
  connect();
  return () => {
    ended = true;
    clearTimeout(next);
    clearTimeout(timer);
    socket?.close();
  };
}
