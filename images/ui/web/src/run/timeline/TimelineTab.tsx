import { ActionIcon, Button, SegmentedControl, Select, Switch, TextInput, Tooltip } from "@mantine/core";
import { useDebouncedCallback, useElementSize, useMediaQuery } from "@mantine/hooks";
import { IconSearch, IconZoomIn, IconZoomOut, IconZoomReset } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, type PointerEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";

import { type RunKey, timelineQuery } from "../../api/queries";
import { count, duration, utc } from "../../format/times";
import { Empty, Problem, Waiting } from "../../parts/States";
import type { RunSearch } from "../search";
import { density, extent, idOf, type Lane, lanesOf, newest, peak, type Row, rowsOf, type Span, within, zoomed } from "./layout";
import { AXIS, BRUSH, paintBrush, paintRows, type Palette, paletteOf, ROW } from "./paint";

const route = getRouteApi("/flows/$flow/runs/$run");

export function TimelineTab({ of, running }: { of: RunKey; running: boolean }) {
  const timeline = useQuery(timelineQuery(of, running));
  const lanes = useMemo(() => (timeline.data ? lanesOf(timeline.data) : []), [timeline.data]);
  if (timeline.isPending) return <Waiting />;
  if (!timeline.data) return <Problem error={timeline.error} retry={() => void timeline.refetch()} />;
  if (lanes.length === 0) return <Empty title="No task has begun">The tasks of this run show up here when they begin.</Empty>;
  return <Drawn lanes={lanes} of={of} running={running} more={timeline.data.more} at={timeline.dataUpdatedAt} />;
}

function Drawn({ lanes, of, running, more, at }: { lanes: Lane[]; of: RunKey; running: boolean; more: boolean; at: number }) {
  const search = route.useSearch();
  const navigate = useNavigate({ from: "/flows/$flow/runs/$run" });
  const change = useCallback((part: RunSearch) => void navigate({ search: (before) => ({ ...before, ...part }), replace: true }), [navigate]);
  const [turned, setTurned] = useState<ReadonlySet<string>>(new Set());
  const choice = useMemo(
    () => ({ flat: search.flat === "1", status: search.status, text: search.q, step: search.step, turned }),
    [search.flat, search.status, search.q, search.step, turned],
  );
  const rows = useMemo(() => rowsOf(lanes, choice), [lanes, choice]);
  const steps = useMemo(() => [...new Set(lanes.map((lane) => lane.step))], [lanes]);
  // A run that goes on is drawn up to the moment that was asked for last.
  const whole = useMemo(() => extent(lanes, running ? at : 0), [lanes, running, at]);
  const given = search.from !== undefined && search.to !== undefined ? { from: whole.from + Number(search.from), to: whole.from + Number(search.to) } : null;
  const span = given && given.to > given.from ? within(given, whole) : whole;
  const [typed, setTyped] = useState(search.q ?? "");
  const find = useDebouncedCallback((q: string) => change({ q: q || undefined }), 200);
  const setSpan = useCallback(
    (next: Span) => {
      const all = next.to - next.from >= whole.to - whole.from - 1;
      change(all ? { from: undefined, to: undefined } : { from: String(Math.round(next.from - whole.from)), to: String(Math.round(next.to - whole.from)) });
    },
    [change, whole],
  );
  const middle = (span.from + span.to) / 2;
  const open = useCallback(
    (lane: Lane) => void navigate({ to: "/flows/$flow/runs/$run/steps/$step/tasks/$task", params: { ...of, step: lane.step, task: idOf(newest(lane)) }, search: {} }),
    [navigate, of],
  );
  const turn = useCallback((step: string) => {
    setTurned((before) => {
      const after = new Set(before);
      if (!after.delete(step)) after.add(step);
      return after;
    });
  }, []);

  return (
    <>
      <div className="toolbar" role="search" aria-label="Tasks of the timeline">
        <TextInput w={210} leftSection={<IconSearch size={14} aria-hidden />} placeholder="Foreach value, step or id" aria-label="Find tasks" value={typed} onChange={(event) => { setTyped(event.currentTarget.value); find(event.currentTarget.value.trim()); }} />
        <Select w={150} aria-label="Step" placeholder="All steps" clearable searchable value={search.step ?? null} onChange={(step) => change({ step: step ?? undefined })} data={steps} />
        <Switch size="xs" label="Failed only" checked={search.status === "failed"} onChange={(event) => change({ status: event.currentTarget.checked ? "failed" : undefined })} />
        <SegmentedControl aria-label="Rows" value={search.flat === "1" ? "1" : "0"} onChange={(flat) => change({ flat: flat === "1" ? "1" : undefined })} data={[{ value: "0", label: "By step" }, { value: "1", label: "By start" }]} />
        <span className="grow" />
        <span className="dim tabular">{duration(span.to - span.from)} shown</span>
        <ActionIcon.Group>
          <Zoom label="Closer" act={() => setSpan(zoomed(span, 0.5, middle, whole))}><IconZoomIn size={15} aria-hidden /></Zoom>
          <Zoom label="Farther" act={() => setSpan(zoomed(span, 2, middle, whole))}><IconZoomOut size={15} aria-hidden /></Zoom>
          <Zoom label="All" act={() => setSpan(whole)}><IconZoomReset size={15} aria-hidden /></Zoom>
        </ActionIcon.Group>
      </div>
      {rows.length === 0 ? (
        <div className="panel">
          <Empty title="No task passes these filters" />
          <div style={{ textAlign: "center", paddingBottom: 20 }}>
            <Button variant="default" onClick={() => { setTyped(""); change({ q: undefined, status: undefined, step: undefined }); }}>Show all tasks</Button>
          </div>
        </div>
      ) : (
        <Canvas rows={rows} lanes={lanes} whole={whole} span={span} now={running ? at : whole.to} setSpan={setSpan} open={open} turn={turn} />
      )}
      {more && <div className="dim">Only the first {count(lanes.length)} tasks are drawn.</div>}
    </>
  );
}

function Zoom({ label, act, children }: { label: string; act: () => void; children: React.ReactNode }) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="default" size={30} aria-label={label} onClick={act}>
        {children}
      </ActionIcon>
    </Tooltip>
  );
}

interface CanvasProps {
  rows: Row[];
  lanes: Lane[];
  whole: Span;
  span: Span;
  now: number;
  setSpan: (span: Span) => void;
  open: (lane: Lane) => void;
  turn: (step: string) => void;
}

function Canvas({ rows, lanes, whole, span: settled, now, setSpan, open, turn }: CanvasProps) {
  const { ref: frame, width, height } = useElementSize<HTMLDivElement>();
  const scroll = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const brush = useRef<HTMLCanvasElement>(null);
  const palette = useRef<Palette | null>(null);
  const narrow = useMediaQuery("(max-width: 640px)");
  const names = narrow ? 110 : 230;
  const [active, setActive] = useState(-1);
  const [tip, setTip] = useState<{ x: number; y: number; row: Row } | null>(null);
  // While one zooms, the span changes with every frame; the address learns it when the hand rests.
  const live = useRef(settled);
  const settle = useDebouncedCallback(() => setSpan(live.current), 180);
  const profile = useMemo(() => ({ ...density(lanes, whole, 240, now), peak: peak(lanes, now) }), [lanes, whole, now]);

  const draw = useCallback(() => {
    if (!canvas.current || !brush.current || !scroll.current) return;
    palette.current ??= paletteOf(canvas.current);
    const scene = { rows, span: live.current, zero: whole.from, now, names, scroll: scroll.current.scrollTop, active, palette: palette.current };
    paintRows(canvas.current, scene);
    paintBrush(brush.current, profile, whole, live.current, names, palette.current);
  }, [rows, whole, now, names, active, profile]);
  const asked = useRef(0);
  const drawSoon = useCallback(() => {
    cancelAnimationFrame(asked.current);
    asked.current = requestAnimationFrame(draw);
  }, [draw]);

  useEffect(() => {
    live.current = settled;
    drawSoon();
  }, [settled, drawSoon, width, height]);
  useEffect(() => {
    const again = () => {
      palette.current = null;
      drawSoon();
    };
    const watch = new MutationObserver(again);
    watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
    void document.fonts.ready.then(again);
    return () => watch.disconnect();
  }, [drawSoon]);

  const show = useCallback(
    (next: Span) => {
      live.current = next;
      drawSoon();
      settle();
    },
    [drawSoon, settle],
  );
  const momentAt = useCallback(
    (x: number) => live.current.from + ((x - names) / Math.max(1, width - names)) * (live.current.to - live.current.from),
    [names, width],
  );
  useEffect(() => {
    const element = scroll.current;
    if (!element) return;
    // Not as a property of the element: React's listener could not keep the page from zooming.
    const onWheel = (event: WheelEvent) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        show(zoomed(live.current, Math.exp(event.deltaY / 300), momentAt(event.clientX - element.getBoundingClientRect().left), whole));
      } else if (event.deltaX !== 0 || event.shiftKey) {
        const by = ((event.deltaX || event.deltaY) / Math.max(1, width - names)) * (live.current.to - live.current.from);
        show(within({ from: live.current.from + by, to: live.current.to + by }, whole));
        if (event.shiftKey) event.preventDefault();
      }
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [show, momentAt, whole, width, names]);

  const rowAt = (event: PointerEvent) => {
    const element = scroll.current;
    if (!element) return -1;
    const y = event.clientY - element.getBoundingClientRect().top;
    return y < AXIS ? -1 : Math.floor((y - AXIS + element.scrollTop) / ROW);
  };
  const act = (index: number) => {
    const row = rows[index];
    if (row?.kind === "step") turn(row.step);
    else if (row) open(row.lane);
  };
  const drag = useRef<{ x: number; span: Span; moved: boolean } | null>(null);
  const onMove = (event: PointerEvent<HTMLDivElement>) => {
    const began = drag.current;
    if (began && Math.abs(event.clientX - began.x) > 4) {
      began.moved = true;
      const by = ((began.x - event.clientX) / Math.max(1, width - names)) * (began.span.to - began.span.from);
      show(within({ from: began.span.from + by, to: began.span.to + by }, whole));
      setTip(null);
      return;
    }
    const index = rowAt(event);
    const row = rows[index];
    setActive(index);
    const box = event.currentTarget.getBoundingClientRect();
    setTip(row && event.pointerType === "mouse" ? { x: event.clientX - box.left, y: event.clientY - box.top, row } : null);
  };
  const onKey = (event: KeyboardEvent) => {
    const moves: Record<string, number> = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -rows.length, End: rows.length };
    const by = moves[event.key];
    const length = live.current.to - live.current.from;
    const middle = (live.current.from + live.current.to) / 2;
    if (by !== undefined) {
      const next = Math.min(Math.max(active + by, 0), rows.length - 1);
      setActive(next);
      const element = scroll.current;
      if (element) {
        const top = next * ROW;
        if (top < element.scrollTop) element.scrollTop = top;
        else if (top + ROW > element.scrollTop + element.clientHeight - AXIS) element.scrollTop = top + ROW - element.clientHeight + AXIS;
      }
    } else if (event.key === "Enter" || event.key === " ") act(active);
    else if (event.key === "+" || event.key === "=") show(zoomed(live.current, 0.6, middle, whole));
    else if (event.key === "-") show(zoomed(live.current, 1.7, middle, whole));
    else if (event.key === "0") show(whole);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const step = (event.key === "ArrowLeft" ? -0.15 : 0.15) * length;
      show(within({ from: live.current.from + step, to: live.current.to + step }, whole));
    } else return;
    event.preventDefault();
  };

  const brushed = useRef<number | null>(null);
  const brushAt = (event: PointerEvent<HTMLCanvasElement>) => {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left;
    return whole.from + (Math.min(Math.max(x - names, 0), width - names) / Math.max(1, width - names)) * (whole.to - whole.from);
  };
  const spoken = rows[active];

  return (
    <div className="panel table" ref={frame} data-testid="timeline">
      <canvas
        ref={brush}
        style={{ width: "100%", height: BRUSH, flex: "none", display: "block", cursor: "crosshair", touchAction: "none", borderBottom: "1px solid var(--line)" }}
        role="img"
        aria-label="The whole run in small. Drag over a part of it to see that part."
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          brushed.current = brushAt(event);
        }}
        onPointerMove={(event) => {
          if (brushed.current === null) return;
          const [from, to] = [brushed.current, brushAt(event)].sort((a, b) => a - b) as [number, number];
          if (to - from > (whole.to - whole.from) / 400) show({ from, to });
        }}
        onPointerUp={() => (brushed.current = null)}
        onDoubleClick={() => show(whole)}
      />
      <div
        className="table-scroll"
        ref={scroll}
        tabIndex={0}
        role="application"
        aria-label="Timeline. Arrow keys move, plus and minus zoom, Enter opens. The tab Tasks has the same as a table."
        style={{ position: "relative", cursor: active >= 0 ? "pointer" : "default", touchAction: "pan-y" }}
        onScroll={drawSoon}
        onKeyDown={onKey}
        onPointerDown={(event) => {
          if (event.button === 0) drag.current = { x: event.clientX, span: live.current, moved: false };
        }}
        onPointerMove={onMove}
        onPointerUp={(event) => {
          const moved = drag.current?.moved;
          drag.current = null;
          if (!moved && event.button === 0) act(rowAt(event));
        }}
        onPointerLeave={() => {
          drag.current = null;
          setActive(-1);
          setTip(null);
        }}
      >
        <div style={{ height: rows.length * ROW + AXIS, position: "absolute", width: 1 }} aria-hidden />
        <canvas ref={canvas} style={{ position: "sticky", top: 0, left: 0, width: "100%", height: "100%", display: "block" }} aria-hidden />
      </div>
      <div className="sr" aria-live="polite" style={{ position: "absolute", width: 1, height: 1, overflow: "hidden", clipPath: "inset(50%)" }}>
        {spoken && document.activeElement === scroll.current ? rowText(spoken, now) : ""}
      </div>
      {tip && <Tip {...tip} width={width} now={now} />}
      <div className="table-foot">
        <span>{count(rows.length)} rows</span>
        <span>Ctrl + wheel zooms, drag moves</span>
      </div>
    </div>
  );
}

function rowText(row: Row, now: number): string {
  if (row.kind === "step") return `Step ${row.step}, ${row.lanes.length} tasks, ${row.failed} failed, ${row.open ? "open" : "closed"}`;
  const last = newest(row.lane);
  return `${row.lane.step} ${last.label ?? idOf(last)}, ${last.status}, ${duration(Math.max(0, (last.finished ?? now) - last.started))}`;
}

function Tip({ x, y, row, width, now }: { x: number; y: number; row: Row; width: number; now: number }) {
  const left = Math.min(x + 14, width - 270);
  const style = { position: "absolute", left, top: y + BRUSH + 16, width: 260, pointerEvents: "none", zIndex: 5, boxShadow: "var(--mantine-shadow-md)" } as const;
  if (row.kind === "step") {
    return (
      <div className="panel panel-body" style={style}>
        <strong>{row.step}</strong>
        <div className="dim">{count(row.lanes.length)} tasks{row.failed ? `, ${row.failed} failed` : ""}. Click to {row.open ? "close" : "open"}.</div>
      </div>
    );
  }
  const last = newest(row.lane);
  return (
    <div className="panel panel-body" style={style}>
      <strong className="cut">{row.lane.step}</strong> <span className="dim mono">{idOf(last)}</span>
      {last.label && <div className="mono">{last.label}</div>}
      <div data-of={last.status} style={{ color: "var(--of)", fontWeight: 560 }}>
        {last.status} · {duration(Math.max(0, (last.finished ?? now) - last.started))}
      </div>
      <div className="dim tabular">{utc(last.started)}</div>
      {row.lane.bars.length > 1 && <div className="dim">attempt {last.attempt + 1} of {row.lane.bars.length}</div>}
    </div>
  );
}
