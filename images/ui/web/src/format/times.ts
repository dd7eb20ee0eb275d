/** Times as people read them. The machine's zone is meant unless a name says UTC. */

const pad = (value: number, digits = 2) => String(value).padStart(digits, "0");

/** 2026-11-26 08:15:09, in UTC. */
export function utc(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Today only the clock, this year without the year. */
export function moment(ms: number, now = Date.now()): string {
  const at = new Date(ms);
  const today = new Date(now);
  const clock = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  if (at.toDateString() === today.toDateString()) return clock;
  const day = at.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  if (at.getFullYear() === today.getFullYear()) return `${day}, ${clock.slice(0, 5)}`;
  return `${day} ${at.getFullYear()}, ${clock.slice(0, 5)}`;
}

/** How long ago, roughly: 12 s, 5 min, 3 h, 4 d. */
export function ago(ms: number, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - ms) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** 850 ms, 12.4 s, 3m 05s, 2h 14m, 3d 4h. */
export function duration(ms: number | null): string {
  if (ms === null) return "–";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 60) return `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(Math.min(seconds, 59))} s`;
  const whole = Math.round(seconds);
  if (whole < 3_600) return `${Math.floor(whole / 60)}m ${pad(whole % 60)}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3_600)}h ${pad(Math.floor((whole % 3_600) / 60))}m`;
  return `${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3_600)}h`;
}

/** 12.4 kB. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export const count = (value: number) => value.toLocaleString("en-US");
