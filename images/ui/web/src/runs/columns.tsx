import { Checkbox, VisuallyHidden } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ColumnDef } from "@tanstack/react-table";

import type { Run } from "../api/types";
import { Moment, Took } from "../parts/Moment";
import { Status } from "../parts/Status";
import { systemTag, Tags } from "../parts/Tags";

export const keyOf = (run: Run) => `${run.flow_id}/${run.run}`;

export function RunLink({ run, children }: { run: Run; children?: React.ReactNode }) {
  return (
    <Link className="quiet-link" to="/flows/$flow/runs/$run" params={{ flow: run.flow_id, run: run.run }}>
      {children ?? run.run}
    </Link>
  );
}

const plain = (id: string, header: string, width: string, text: (run: Run) => string | null): ColumnDef<Run> => ({
  id,
  header,
  meta: { width },
  cell: ({ row }) => text(row.original) ?? <span className="dim">–</span>,
});

/** All columns, in their order. The first two and the status are always shown. */
export const COLUMNS: ColumnDef<Run>[] = [
  { id: "status", header: "Status", meta: { width: "104px", order: "status" }, cell: ({ row }) => <Status of={row.original.status} /> },
  {
    id: "flow",
    header: "Flow",
    meta: { width: "minmax(130px, 1.4fr)", order: "flow_id" },
    cell: ({ row }) => (
      <Link className="quiet-link" style={{ fontWeight: 560 }} to="/flows/$flow" params={{ flow: row.original.flow_id }}>
        {row.original.flow_id}
      </Link>
    ),
  },
  {
    id: "run",
    header: "Run",
    meta: { width: "minmax(90px, 1.1fr)", order: "run" },
    cell: ({ row }) => (
      <span className="mono">
        <RunLink run={row.original} />
      </span>
    ),
  },
  { ...plain("user", "User", "minmax(70px, 0.7fr)", (run) => run.user ?? run.user_name), meta: { width: "minmax(70px, 0.7fr)", order: "user" } },
  { id: "started", header: "Started", meta: { width: "118px", order: "ts_epoch", right: true }, cell: ({ row }) => <Moment at={row.original.ts_epoch} /> },
  { id: "finished", header: "Finished", meta: { width: "118px", order: "finished_at", right: true }, cell: ({ row }) => <Moment at={row.original.finished_at} /> },
  {
    id: "duration",
    header: "Duration",
    meta: { width: "92px", order: "duration", right: true },
    cell: ({ row: { original: run } }) => <Took ms={run.duration} since={run.status === "running" ? run.ts_epoch : null} />,
  },
  plain("project", "Project", "minmax(80px, 0.8fr)", (run) => systemTag(run.system_tags, "project")),
  plain("branch", "Branch", "minmax(90px, 0.9fr)", (run) => systemTag(run.system_tags, "project_branch")),
  plain("runtime", "Runtime", "minmax(90px, 0.9fr)", (run) => systemTag(run.system_tags, "runtime")),
  plain("metaflow", "Metaflow", "90px", (run) => systemTag(run.system_tags, "metaflow_version")),
  { id: "tags", header: "Tags", meta: { width: "minmax(120px, 1.3fr)" }, cell: ({ row }) => <Tags of={row.original.tags} /> },
];

export const ALWAYS = ["status", "flow", "run"];
export const DEFAULT = ["status", "flow", "run", "user", "started", "duration", "project", "tags"];

/** A column to choose runs with. */
export const choosing = (chosen: ReadonlySet<string>, toggle: (key: string) => void): ColumnDef<Run> => ({
  id: "choose",
  header: () => <VisuallyHidden>Chosen</VisuallyHidden>,
  meta: { width: "18px" },
  cell: ({ row }) => (
    <Checkbox size="xs" checked={chosen.has(keyOf(row.original))} onChange={() => toggle(keyOf(row.original))} aria-label={`Choose run ${row.original.run}`} />
  ),
});
