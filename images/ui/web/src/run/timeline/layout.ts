/** What a timeline draws and where: plain numbers, no canvas. */
import type { TaskStatus, Timeline } from "../../api/types";

export interface Bar {
  step: string;
  task: number;
  name: string | null;
  attempt: number;
  started: number;
  /** null while it runs. */
  finished: number | null;
  status: TaskStatus;
  label: string | null;
}

/** All attempts of one task; the newest is the last. */
export interface Lane {
  step: string;
  task: number;
  bars: Bar[];
}

export type Row =
  | { kind: "step"; step: string; lanes: Lane[]; open: boolean; failed: number; from: number; to: number | null }
  | { kind: "task"; lane: Lane; deep: boolean };

export interface Span {
  from: number;
  to: number;
}

export interface Choice {
  flat: boolean;
  status?: string | undefined;
  text?: string | undefined;
  step?: string | undefined;
  /** Steps whose tasks are not shown, or are, against what is usual for their number. */
  turned: ReadonlySet<string>;
}

/** Steps with more tasks than this begin closed. */
export const CLOSED_FROM = 60;

/** Attempts as tasks in the order of steps and begin. */
export function lanesOf(data: Timeline): Lane[] {
  const lanes = new Map<string, Lane>();
  for (let i = 0; i < data.task.length; i += 1) {
    const step = data.steps[data.step[i] ?? -1] ?? "";
    // Where Metaflow keeps the parameters: no step of the flow.
    if (step === "_parameters") continue;
    const task = data.task[i] ?? 0;
    const key = `${step}/${task}`;
    let lane = lanes.get(key);
    if (!lane) {
      lane = { step, task, bars: [] };
      lanes.set(key, lane);
    }
    lane.bars.push({
      step,
      task,
      name: data.name[i] ?? null,
      attempt: data.attempt[i] ?? 0,
      started: data.started[i] ?? 0,
      finished: data.finished[i] ?? null,
      status: data.statuses[data.status[i] ?? -1] ?? "unknown",
      label: data.label[i] ?? null,
    });
  }
  for (const lane of lanes.values()) lane.bars.sort((a, b) => a.attempt - b.attempt);
  return [...lanes.values()];
}

export const newest = (lane: Lane): Bar => lane.bars[lane.bars.length - 1] as Bar;
const begin = (lane: Lane): number => (lane.bars[0] as Bar).started;

export const idOf = (bar: Bar) => bar.name ?? String(bar.task);

/** From the first begin to the last end; what runs ends now. */
export function extent(lanes: readonly Lane[], now: number): Span {
  let from = Infinity;
  let to = -Infinity;
  for (const lane of lanes) {
    for (const bar of lane.bars) {
      from = Math.min(from, bar.started);
      to = Math.max(to, bar.finished ?? now, bar.started);
    }
  }
  if (from === Infinity) return { from: now - 1000, to: now };
  return { from, to: Math.max(to, from + 1000) };
}

/** The lanes that are chosen, as rows. */
export function rowsOf(lanes: readonly Lane[], choice: Choice): Row[] {
  const text = choice.text?.toLowerCase() ?? "";
  const kept = lanes.filter((lane) => passes(lane, choice, text));
  if (choice.flat) {
    return [...kept].sort((a, b) => begin(a) - begin(b)).map((lane) => ({ kind: "task", lane, deep: false }));
  }
  const steps = new Map<string, Lane[]>();
  for (const lane of kept) {
    const of = steps.get(lane.step);
    if (of) of.push(lane);
    else steps.set(lane.step, [lane]);
  }
  const found = [...steps.entries()].map(([step, of]) => ({ step, of: of.sort((a, b) => begin(a) - begin(b)) }));
  found.sort((a, b) => begin(a.of[0] as Lane) - begin(b.of[0] as Lane));
  const narrowed = Boolean(choice.status || text);
  return found.flatMap(({ step, of }): Row[] => {
    const first = of[0] as Lane;
    if (of.length === 1) return [{ kind: "task", lane: first, deep: false }];
    const usual = narrowed || of.length <= CLOSED_FROM;
    const open = choice.turned.has(step) ? !usual : usual;
    const head: Row = { kind: "step", step, lanes: of, open, failed: of.filter((lane) => newest(lane).status === "failed").length, ...reach(of) };
    return [head, ...(open ? of.map((lane): Row => ({ kind: "task", lane, deep: true })) : [])];
  });
}

function reach(lanes: readonly Lane[]): { from: number; to: number | null } {
  let to: number | null = 0;
  for (const lane of lanes) {
    const end = newest(lane).finished;
    to = to === null || end === null ? null : Math.max(to, end);
  }
  return { from: begin(lanes[0] as Lane), to };
}

function passes(lane: Lane, choice: Choice, text: string): boolean {
  const last = newest(lane);
  if (choice.status && last.status !== choice.status) return false;
  if (choice.step && lane.step !== choice.step) return false;
  return !text || `${lane.step} ${idOf(last)} ${last.label ?? ""}`.toLowerCase().includes(text);
}

/** The span after zooming by a factor (below 1: closer) around a moment, within the whole. */
export function zoomed(span: Span, factor: number, around: number, whole: Span): Span {
  const shortest = Math.min(50, whole.to - whole.from);
  const length = Math.min(Math.max((span.to - span.from) * factor, shortest), whole.to - whole.from);
  const share = (around - span.from) / (span.to - span.from);
  return within({ from: around - share * length, to: around + (1 - share) * length }, whole);
}

/** The span moved into the whole, as long as before where that is possible. */
export function within(span: Span, whole: Span): Span {
  const length = Math.min(span.to - span.from, whole.to - whole.from);
  const from = Math.min(Math.max(span.from, whole.from), whole.to - length);
  return { from, to: from + length };
}

const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000,
  1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000, 172_800_000, 604_800_000,
];

/** Round moments after `zero`, at most as many as fit. */
export function ticks(span: Span, zero: number, most: number): number[] {
  const wanted = (span.to - span.from) / Math.max(most, 1);
  const step = STEPS.find((one) => one >= wanted) ?? Math.ceil(wanted / 604_800_000) * 604_800_000;
  const found = [];
  for (let at = Math.ceil((span.from - zero) / step) * step; zero + at <= span.to; at += step) found.push(zero + at);
  return found;
}

/** How many attempts ran at the same time at most. */
export function peak(lanes: readonly Lane[], now: number): number {
  const changes = lanes.flatMap((lane) => lane.bars.flatMap((bar): [number, number][] => [[bar.started, 1], [bar.finished ?? now, -1]]));
  // Of one moment the ends come first.
  changes.sort(([at, by], [other, than]) => at - other || by - than);
  let running = 0;
  return changes.reduce((most, [, by]) => Math.max(most, (running += by)), 0);
}

/** How many tasks run in each of so many slices of the whole, and in which of them one fails. */
export function density(lanes: readonly Lane[], whole: Span, slices: number, now: number): { running: number[]; failed: boolean[] } {
  const change = new Array<number>(slices + 1).fill(0);
  const failed = new Array<boolean>(slices).fill(false);
  const place = (at: number) => Math.min(slices - 1, Math.max(0, Math.floor(((at - whole.from) / (whole.to - whole.from)) * slices)));
  for (const lane of lanes) {
    for (const bar of lane.bars) {
      const first = place(bar.started);
      const last = place(bar.finished ?? now);
      change[first] = (change[first] ?? 0) + 1;
      change[last + 1] = (change[last + 1] ?? 0) - 1;
      if (bar.status === "failed") failed[last] = true;
    }
  }
  let sum = 0;
  return { running: change.slice(0, slices).map((by) => (sum += by)), failed };
}
