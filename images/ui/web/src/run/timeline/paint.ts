/** Draws a timeline on a canvas: only the rows in sight, so that its length costs nothing. */
import { duration } from "../../format/times";
import { density, idOf, type Lane, newest, type Row, type Span, ticks } from "./layout";

export const ROW = 24;
export const AXIS = 26;
export const BRUSH = 46;

export interface Palette {
  text: string;
  dim: string;
  line: string;
  surface: string;
  raised: string;
  hover: string;
  accent: string;
  font: string;
  of: Record<string, string>;
}

export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const get = (name: string) => style.getPropertyValue(name).trim();
  const statuses = ["completed", "failed", "running", "pending", "unknown"];
  return {
    text: get("--text"),
    dim: get("--mantine-color-dimmed"),
    line: get("--line"),
    surface: get("--surface"),
    raised: get("--raised"),
    hover: get("--hover"),
    accent: get("--mantine-color-river-6"),
    font: style.fontFamily,
    of: Object.fromEntries(statuses.map((name) => [name, get(`--${name}`)])),
  };
}

export interface Scene {
  rows: readonly Row[];
  span: Span;
  zero: number;
  now: number;
  /** Of names, on the left. */
  names: number;
  scroll: number;
  active: number;
  palette: Palette;
}

/** Make the canvas as large as it is shown, on a screen of any density; gives what to draw with. */
export function fitted(canvas: HTMLCanvasElement): { context: CanvasRenderingContext2D; width: number; height: number } | null {
  const context = canvas.getContext("2d");
  if (!context) return null;
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

export function paintRows(canvas: HTMLCanvasElement, scene: Scene): void {
  const made = fitted(canvas);
  if (!made) return;
  const { context, width, height } = made;
  const { span, names, palette } = scene;
  const x = (at: number) => names + ((at - span.from) / (span.to - span.from)) * (width - names);
  const marks = ticks(span, scene.zero, (width - names) / 110);
  context.font = `12px ${palette.font}`;
  context.textBaseline = "middle";
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.beginPath();
  for (const at of marks) {
    const place = Math.round(x(at)) + 0.5;
    context.moveTo(place, AXIS);
    context.lineTo(place, height);
  }
  context.stroke();
  const first = Math.max(0, Math.floor(scene.scroll / ROW));
  const last = Math.min(scene.rows.length - 1, Math.ceil((scene.scroll + height - AXIS) / ROW));
  for (let index = first; index <= last; index += 1) {
    const row = scene.rows[index];
    if (row) paintRow(context, row, AXIS + index * ROW - scene.scroll, width, x, scene, index === scene.active);
  }
  paintAxis(context, marks, x, width, scene);
}

function paintAxis(context: CanvasRenderingContext2D, marks: number[], x: (at: number) => number, width: number, scene: Scene): void {
  const { palette, names } = scene;
  context.fillStyle = palette.surface;
  context.fillRect(0, 0, width, AXIS);
  context.fillStyle = palette.dim;
  context.font = `11px ${palette.font}`;
  for (const at of marks) {
    const place = x(at);
    if (place < names || place > width - 34) continue;
    context.fillText(at === scene.zero ? "0" : `+${short(at - scene.zero)}`, place + 4, AXIS / 2);
  }
  context.fillRect(0, AXIS - 1, width, 0);
  context.strokeStyle = palette.line;
  context.beginPath();
  context.moveTo(0, AXIS - 0.5);
  context.lineTo(width, AXIS - 0.5);
  context.stroke();
}

const short = (ms: number) => duration(ms).replace(/ 00s$| 00m$| 0h$/, "").replace(/\.0 s$/, " s");

function paintRow(context: CanvasRenderingContext2D, row: Row, top: number, width: number, x: (at: number) => number, scene: Scene, active: boolean): void {
  const { palette, names, now } = scene;
  if (active) {
    context.fillStyle = palette.hover;
    context.fillRect(0, top, width, ROW);
  }
  context.save();
  context.beginPath();
  context.rect(names, top, width - names, ROW);
  context.clip();
  if (row.kind === "task") paintLane(context, row.lane, top + 5, ROW - 10, x, scene, width);
  else paintMany(context, row.lanes, top, x, scene, width);
  context.restore();
  context.save();
  context.beginPath();
  context.rect(0, top, names - 8, ROW);
  context.clip();
  const middle = top + ROW / 2 + 0.5;
  if (row.kind === "step") {
    paintArrow(context, 12, middle, row.open, palette.dim);
    context.fillStyle = palette.text;
    context.font = `600 12px ${palette.font}`;
    context.fillText(row.step, 24, middle);
    const after = 24 + context.measureText(row.step).width + 8;
    context.font = `12px ${palette.font}`;
    context.fillStyle = row.failed ? (palette.of.failed as string) : palette.dim;
    context.fillText(row.failed ? `${row.failed} of ${row.lanes.length} failed` : String(row.lanes.length), after, middle);
  } else {
    const last = newest(row.lane);
    context.fillStyle = palette.of[last.status] as string;
    context.beginPath();
    context.arc(row.deep ? 30 : 12, middle, 3.5, 0, 7);
    context.fill();
    context.fillStyle = row.deep ? palette.dim : palette.text;
    context.font = `${row.deep ? "" : "600 "}12px ${palette.font}`;
    context.fillText(row.deep ? (last.label ?? idOf(last)) : row.lane.step, row.deep ? 40 : 24, middle);
  }
  context.restore();
  const from = row.kind === "step" ? row.from : newest(row.lane).started;
  const to = (row.kind === "step" ? row.to : newest(row.lane).finished) ?? now;
  paintDuration(context, duration(Math.max(0, to - from)), x(from), x(to), middle, width, scene);
}

function paintDuration(context: CanvasRenderingContext2D, text: string, from: number, to: number, middle: number, width: number, scene: Scene): void {
  context.font = `11px ${scene.palette.font}`;
  const long = context.measureText(text).width;
  if (to < scene.names || from > width) return;
  context.fillStyle = scene.palette.dim;
  if (to + 6 + long < width) context.fillText(text, Math.max(to, scene.names) + 6, middle);
  else if (from - 6 - long > scene.names) context.fillText(text, from - 6 - long, middle);
}

function paintArrow(context: CanvasRenderingContext2D, left: number, middle: number, open: boolean, colour: string): void {
  context.fillStyle = colour;
  context.beginPath();
  if (open) {
    context.moveTo(left - 4, middle - 2.5);
    context.lineTo(left + 4, middle - 2.5);
    context.lineTo(left, middle + 3.5);
  } else {
    context.moveTo(left - 2.5, middle - 4);
    context.lineTo(left + 3.5, middle);
    context.lineTo(left - 2.5, middle + 4);
  }
  context.fill();
}

function paintLane(context: CanvasRenderingContext2D, lane: Lane, top: number, height: number, x: (at: number) => number, scene: Scene, width: number): void {
  const last = newest(lane);
  for (const bar of lane.bars) {
    const from = x(bar.started);
    const to = Math.max(x(bar.finished ?? scene.now), from + 2);
    if (to < scene.names || from > width) continue;
    context.globalAlpha = bar === last ? 0.9 : 0.4;
    context.fillStyle = scene.palette.of[bar.status] as string;
    context.beginPath();
    context.roundRect(Math.max(from, scene.names - 4), top, Math.min(to, width + 4) - Math.max(from, scene.names - 4), height, 2.5);
    context.fill();
  }
  context.globalAlpha = 1;
}

/** A step with its tasks closed: how many run side by side, and where one fails. */
function paintMany(context: CanvasRenderingContext2D, lanes: readonly Lane[], top: number, x: (at: number) => number, scene: Scene, width: number): void {
  const { span, palette, names } = scene;
  const slices = Math.max(1, Math.floor((width - names) / 2));
  const { running, failed } = density(lanes.filter((lane) => newest(lane).started <= span.to && (newest(lane).finished ?? scene.now) >= span.from), span, slices, scene.now);
  const most = Math.max(1, ...running);
  const alive = lanes.some((lane) => newest(lane).status === "running");
  context.fillStyle = palette.of[alive ? "running" : "completed"] as string;
  context.globalAlpha = 0.55;
  for (let slice = 0; slice < slices; slice += 1) {
    const high = ((running[slice] ?? 0) / most) * (ROW - 8);
    if (high > 0) context.fillRect(names + slice * 2, top + ROW - 4 - Math.max(high, 1.5), 2, Math.max(high, 1.5));
  }
  context.globalAlpha = 1;
  context.fillStyle = palette.of.failed as string;
  for (let slice = 0; slice < slices; slice += 1) {
    if (failed[slice]) context.fillRect(names + slice * 2, top + 4, 2, ROW - 8);
  }
  void x;
}

/** The whole run in small, with what is shown of it. */
export function paintBrush(canvas: HTMLCanvasElement, profile: { running: number[]; failed: boolean[]; peak: number }, whole: Span, span: Span, names: number, palette: Palette): void {
  const made = fitted(canvas);
  if (!made) return;
  const { context, width, height } = made;
  const slices = profile.running.length;
  const wide = (width - names) / slices;
  const most = Math.max(1, ...profile.running);
  context.fillStyle = palette.accent;
  context.globalAlpha = 0.45;
  profile.running.forEach((number, slice) => {
    const high = (number / most) * (height - 14);
    if (number > 0) context.fillRect(names + slice * wide, height - 4 - Math.max(high, 1), wide + 0.5, Math.max(high, 1));
  });
  context.globalAlpha = 1;
  context.fillStyle = palette.of.failed as string;
  profile.failed.forEach((yes, slice) => {
    if (yes) context.fillRect(names + slice * wide, 4, Math.max(wide, 1.5), 4);
  });
  const x = (at: number) => names + ((at - whole.from) / (whole.to - whole.from)) * (width - names);
  const [from, to] = [x(span.from), x(span.to)];
  context.fillStyle = palette.raised;
  context.globalAlpha = 0.78;
  context.fillRect(names, 0, from - names, height);
  context.fillRect(to, 0, width - to, height);
  context.globalAlpha = 1;
  if (span.from > whole.from || span.to < whole.to) {
    context.strokeStyle = palette.accent;
    context.lineWidth = 1.5;
    context.strokeRect(from + 0.75, 1, Math.max(to - from - 1.5, 2), height - 2);
  }
  context.fillStyle = palette.dim;
  context.font = `11px ${palette.font}`;
  context.textBaseline = "middle";
  context.fillText(`at most ${profile.peak} at once`, 12, height / 2);
}
