import { TextInput, Title } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import type { ColumnDef } from "@tanstack/react-table";
import { type ReactNode, useMemo, useState } from "react";

import { flowsQuery, lastRunsQuery } from "../api/queries";
import type { Run } from "../api/types";
import { count } from "../format/times";
import { DataTable } from "../parts/DataTable";
import { Moment, Took } from "../parts/Moment";
import { Empty, Problem, Waiting } from "../parts/States";
import { Status } from "../parts/Status";
import { RunLink } from "../runs/columns";

interface FlowRow {
  flow_id: string;
  ts_epoch: number;
  /** Its newest run, once that is known. */
  last: Run | undefined;
}

const name = (flow: FlowRow) => (
  <Link className="quiet-link" style={{ fontWeight: 560 }} to="/flows/$flow" params={{ flow: flow.flow_id }}>
    {flow.flow_id}
  </Link>
);
const status = ({ last }: FlowRow) => last && <Status of={last.status} />;
const started = ({ last }: FlowRow) => last && <Moment at={last.ts_epoch} />;
const took = ({ last }: FlowRow) => last && <Took ms={last.duration} since={last.status === "running" ? last.ts_epoch : null} />;

const column = (id: string, header: string, width: string, cell: (flow: FlowRow) => ReactNode, right = false): ColumnDef<FlowRow> => ({
  id,
  header,
  meta: { width, right },
  cell: ({ row }) => cell(row.original),
});

const COLUMNS = [
  column("flow", "Flow", "minmax(140px, 2fr)", name),
  column("status", "Last run", "110px", status),
  column("run", "Run", "minmax(90px, 1.4fr)", ({ last }) => last && <span className="mono cut"><RunLink run={last} /></span>),
  column("user", "User", "minmax(70px, 0.7fr)", ({ last }) => last && (last.user ?? last.user_name)),
  column("started", "Started", "118px", started, true),
  column("duration", "Duration", "92px", took, true),
  column("first", "First seen", "118px", (flow) => <Moment at={flow.ts_epoch} />, true),
];

export function FlowsPage() {
  const flows = useQuery(flowsQuery);
  const runs = useQuery(lastRunsQuery).data?.data;
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const entries = useMemo(
    () => {
      const last = new Map((runs ?? []).map((run) => [run.flow_id, run]));
      return (flows.data?.data ?? [])
        .filter((flow) => flow.flow_id.toLowerCase().includes(typed.toLowerCase()))
        .map((flow) => ({ record: { ...flow, last: last.get(flow.flow_id) }, key: flow.flow_id }));
    },
    [flows.data, runs, typed],
  );
  return (
    <div className="page">
      <div className="page-head">
        <Title order={1}>Flows</Title>
        <span className="grow" />
        <TextInput w={210} leftSection={<IconSearch size={14} aria-hidden />} placeholder="Name of a flow" aria-label="Find flows" value={typed} onChange={(event) => setTyped(event.currentTarget.value)} />
      </div>
      {flows.isPending ? (
        <Waiting />
      ) : flows.isError ? (
        <Problem error={flows.error} retry={() => void flows.refetch()} />
      ) : (
        <DataTable<FlowRow>
          label="Flows"
          columns={COLUMNS}
          entries={entries}
          open={(flow) => void navigate({ to: "/flows/$flow", params: { flow: flow.flow_id } })}
          narrow={(flow) => (
            <div style={{ display: "flex", gap: 10, alignItems: "center" }}>
              <div className="grow cut">{name(flow)}</div>
              <div style={{ textAlign: "right" }}>
                {status(flow)}
                <div className="dim">{started(flow)}</div>
              </div>
            </div>
          )}
          empty={<Empty title={typed ? "No flow has this in its name" : "No flows yet"} />} foot={<span>{count(entries.length)}{flows.data.next ? "+" : ""} flows</span>}
        />
      )}
    </div>
  );
}
