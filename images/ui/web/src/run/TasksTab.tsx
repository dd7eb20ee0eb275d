import { Select, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import type { ColumnDef } from "@tanstack/react-table";
import { useCallback, useMemo, useState } from "react";

import { type RunKey, timelineQuery } from "../api/queries";
import { count } from "../format/times";
import { DataTable } from "../parts/DataTable";
import { Moment, Took } from "../parts/Moment";
import { Empty, Problem, Waiting } from "../parts/States";
import { Status } from "../parts/Status";
import type { RunSearch } from "./search";
import { type Bar, idOf, lanesOf, newest } from "./timeline/layout";

const route = getRouteApi("/flows/$flow/runs/$run");

interface TaskRow extends Bar {
  attempts: number;
}

const order = (name: string) => ({ order: name });

function columnsOf(of: RunKey): ColumnDef<TaskRow>[] {
  return [
    { id: "status", header: "Status", meta: { width: "108px", ...order("status") }, cell: ({ row }) => <Status of={row.original.status} /> },
    {
      id: "step",
      header: "Step",
      meta: { width: "minmax(90px, 1fr)", ...order("step") },
      cell: ({ row: { original: task } }) => (
        <Link className="quiet-link" style={{ fontWeight: 560 }} to="/flows/$flow/runs/$run/steps/$step/tasks/$task" params={{ ...of, step: task.step, task: idOf(task) }}>
          {task.step}
        </Link>
      ),
    },
    { id: "task", header: "Task", meta: { width: "minmax(80px, 1.2fr)", ...order("task") }, cell: ({ row }) => <span className="mono">{idOf(row.original)}</span> },
    { id: "label", header: "Foreach", meta: { width: "minmax(80px, 1.2fr)", ...order("label") }, cell: ({ row }) => <span className="mono" dir="auto">{row.original.label ?? ""}</span> },
    { id: "attempts", header: "Attempts", meta: { width: "80px", right: true, ...order("attempts") }, cell: ({ row }) => row.original.attempts },
    { id: "started", header: "Started", meta: { width: "118px", right: true, ...order("started") }, cell: ({ row }) => <Moment at={row.original.started} /> },
    { id: "duration", header: "Duration", meta: { width: "92px", right: true, ...order("duration") }, cell: ({ row: { original: task } }) => <Duration task={task} /> },
  ];
}

function Duration({ task }: { task: TaskRow }) {
  return <Took ms={task.finished === null ? null : Math.max(0, task.finished - task.started)} since={task.status === "running" ? task.started : null} />;
}

export function TasksTab({ of, running }: { of: RunKey; running: boolean }) {
  const search = route.useSearch();
  const navigate = useNavigate({ from: "/flows/$flow/runs/$run" });
  const change = useCallback((part: RunSearch) => void navigate({ search: (before) => ({ ...before, ...part }), replace: true }), [navigate]);
  const timeline = useQuery(timelineQuery(of, running));
  const [typed, setTyped] = useState(search.q ?? "");
  const find = useDebouncedCallback((q: string) => change({ q: q || undefined }), 200);
  const lanes = useMemo(() => (timeline.data ? lanesOf(timeline.data) : []), [timeline.data]);
  const steps = useMemo(() => [...new Set(lanes.map((lane) => lane.step))], [lanes]);
  const entries = useMemo(() => {
    const text = search.q?.toLowerCase() ?? "";
    const kept = lanes.map((lane): TaskRow => ({ ...newest(lane), attempts: lane.bars.length })).filter(
      (task) =>
        (!search.status || task.status === search.status) &&
        (!search.step || task.step === search.step) &&
        (!text || `${task.step} ${idOf(task)} ${task.label ?? ""}`.toLowerCase().includes(text)),
    );
    return sorted(kept, search.order ?? "+started").map((record) => ({ record, key: `${record.step}/${record.task}` }));
  }, [lanes, search.q, search.status, search.step, search.order]);
  const columns = useMemo(() => columnsOf(of), [of]);
  if (timeline.isPending) return <Waiting />;
  if (!timeline.data) return <Problem error={timeline.error} retry={() => void timeline.refetch()} />;
  return (
    <>
      <div className="toolbar" role="search" aria-label="Tasks">
        <TextInput w={210} leftSection={<IconSearch size={14} aria-hidden />} placeholder="Foreach value, step or id" aria-label="Find tasks" value={typed} onChange={(event) => { setTyped(event.currentTarget.value); find(event.currentTarget.value.trim()); }} />
        <Select w={150} aria-label="Step" placeholder="All steps" clearable searchable value={search.step ?? null} onChange={(step) => change({ step: step ?? undefined })} data={steps} />
        <Select w={140} aria-label="Status" placeholder="Any status" clearable value={search.status ?? null} onChange={(status) => change({ status: status ?? undefined })} data={["running", "failed", "completed", "pending", "unknown"]} />
      </div>
      <DataTable<TaskRow>
        label="Tasks"
        columns={columns}
        entries={entries}
        order={search.order ?? "+started"}
        onOrder={(to) => change({ order: to })}
        open={(task) => void navigate({ to: "/flows/$flow/runs/$run/steps/$step/tasks/$task", params: { ...of, step: task.step, task: idOf(task) }, search: {} })}
        narrow={(task) => (
          <div style={{ display: "flex", gap: 10, alignItems: "center" }}>
            <Status of={task.status} word={false} />
            <div className="grow">
              <div className="cut" style={{ fontWeight: 560 }}>{task.step}</div>
              <div className="cut dim mono">{task.label ?? idOf(task)}</div>
            </div>
            <Duration task={task} />
          </div>
        )}
        empty={<Empty title={lanes.length ? "No task passes these filters" : "No task has begun"} />}
        foot={<span>{count(entries.length)} tasks</span>}
      />
    </>
  );
}

function sorted(tasks: TaskRow[], by: string): TaskRow[] {
  const down = by.startsWith("-") ? -1 : 1;
  const value = (task: TaskRow): string | number => {
    switch (by.slice(1)) {
      case "duration":
        return (task.finished ?? Date.now()) - task.started;
      case "status":
        return task.status;
      case "step":
        return task.step;
      case "task":
        return task.task;
      case "label":
        return task.label ?? "";
      case "attempts":
        return task.attempts;
      default:
        return task.started;
    }
  };
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  return tasks.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return down * (typeof x === "number" && typeof y === "number" ? x - y : compare(String(x), String(y))) || a.task - b.task;
  });
}
