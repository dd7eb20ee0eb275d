import { Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";

import { ago, duration, moment, utc } from "../format/times";

/** A time in the reader's zone; on hover in UTC and how long ago. */
export function Moment({ at }: { at: number | null }) {
  if (at === null) return <span className="dim">–</span>;
  return (
    <Tooltip label={`${utc(at)} · ${ago(at)}`}>
      <time dateTime={new Date(at).toISOString()} className="tabular">
        {moment(at)}
      </time>
    </Tooltip>
  );
}

/** How long something took, or has taken so far: then it counts on. */
export function Took({ ms, since }: { ms: number | null; since?: number | null }) {
  const now = useClock(since != null);
  return <span className="tabular">{duration(since != null ? Math.max(0, now - since) : ms)}</span>;
}

function useClock(on: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [on]);
  return now;
}
