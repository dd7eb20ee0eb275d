/** The part of a log that is held in the page: it grows at both ends as one scrolls, and at its end while the task runs. */
import { useCallback, useEffect, useRef, useState } from "react";

import { ApiError } from "../api/http";
import type { LogLine } from "../api/types";
import { fetchWindow, type LogKey } from "./logs";

const LENGTH = 131_072;
const PAUSE = 1_500;

interface Held {
  lines: LogLine[];
  start: number;
  end: number;
  size: number;
  /** Counts what asks for a place to be scrolled to. */
  version: number;
  placed: number | "end" | null;
}

export function useLog(key: LogKey, pointed: number | null, live: boolean) {
  const [held, setHeld] = useState<Held | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [following, setFollowing] = useState(pointed === null);
  const busy = useRef(false);
  const state = useRef(held);
  state.current = held;
  const keyRef = useRef(key);
  keyRef.current = key;

  const load = useCallback(async (work: () => Promise<void>) => {
    if (busy.current) return;
    busy.current = true;
    try {
      await work();
      setError(null);
    } catch (problem) {
      if (problem instanceof ApiError) setError(problem);
      else if (!(problem instanceof DOMException)) throw problem;
    } finally {
      busy.current = false;
    }
  }, []);

  const show = useCallback(
    (at: number | null) =>
      void load(async () => {
        // A little before the line that is asked for too, so that it does not stand alone.
        const window = at === null ? await fetchWindow(keyRef.current, { length: LENGTH }) : await around(keyRef.current, at);
        setFollowing(at === null);
        setHeld((before) => ({ ...window, version: (before?.version ?? 0) + 1, placed: at ?? "end" }));
      }),
    [load],
  );
  const first = useRef(true);
  useEffect(() => {
    if (first.current) show(pointed);
    first.current = false;
  }, [show, pointed]);

  const before = useCallback(() => {
    const now = state.current;
    if (!now || now.start === 0) return;
    void load(async () => {
      const more = await fetchWindow(keyRef.current, { before: now.start, length: LENGTH });
      setHeld((held) => held && { ...held, lines: [...more.lines, ...held.lines], start: more.start, size: more.size, placed: null });
    });
  }, [load]);

  const after = useCallback(() => {
    const now = state.current;
    if (!now || now.end >= now.size) return;
    void load(async () => {
      const more = await fetchWindow(keyRef.current, { after: now.end, length: LENGTH });
      setHeld((held) => held && { ...held, lines: [...held.lines, ...more.lines], end: more.end, size: more.size, placed: null });
    });
  }, [load]);

  useEffect(() => {
    if (!live) return;
    const timer = setInterval(() => {
      const now = state.current;
      if (!now || document.hidden) return;
      void load(async () => {
        const more = await fetchWindow(keyRef.current, { after: now.end, length: LENGTH });
        if (more.lines.length === 0 && more.size === now.size) return;
        setHeld((held) => held && { ...held, lines: [...held.lines, ...more.lines], end: more.end, size: more.size, version: held.version + (following ? 1 : 0), placed: following ? "end" : null });
      });
    }, PAUSE);
    return () => clearInterval(timer);
  }, [live, following, load]);

  return {
    lines: held?.lines ?? [],
    start: held?.start ?? 0,
    size: held?.size ?? 0,
    version: held?.version ?? 0,
    placed: held?.placed ?? null,
    pending: held === null && error === null,
    error,
    following,
    show,
    before,
    after,
    follow: () => show(null),
    atEnd: (yes: boolean) => {
      if (live && following !== yes && !busy.current) setFollowing(yes && (held?.end ?? 0) >= (held?.size ?? 0));
    },
  };
}

async function around(key: LogKey, at: number) {
  const earlier = at > 0 ? await fetchWindow(key, { before: at, length: 16_384 }) : null;
  const later = await fetchWindow(key, { after: at, length: LENGTH });
  return { lines: [...(earlier?.lines ?? []), ...later.lines], start: earlier?.start ?? at, end: later.end, size: later.size };
}
