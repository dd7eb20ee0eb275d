import { TextInput, Title } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { flowsQuery } from "../api/queries";
import { count } from "../format/times";
import { DataTable } from "../parts/DataTable";
import { Moment } from "../parts/Moment";
import { Empty, Problem, Waiting } from "../parts/States";

interface FlowRow {
  flow_id: string;
  ts_epoch: number;
}

const COLUMNS = [
  {
    id: "flow",
    header: "Flow",
    meta: { width: "minmax(140px, 1fr)" },
    cell: ({ row }: { row: { original: FlowRow } }) => (
      <Link className="quiet-link" style={{ fontWeight: 560 }} to="/flows/$flow" params={{ flow: row.original.flow_id }}>
        {row.original.flow_id}
      </Link>
    ),
  },
  { id: "first", header: "First seen", meta: { width: "140px", right: true }, cell: ({ row }: { row: { original: FlowRow } }) => <Moment at={row.original.ts_epoch} /> },
];

export function FlowsPage() {
  const flows = useQuery(flowsQuery);
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const entries = useMemo(
    () => (flows.data?.data ?? []).filter((flow) => flow.flow_id.toLowerCase().includes(typed.toLowerCase())).map((record) => ({ record, key: record.flow_id })),
    [flows.data, typed],
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
        <DataTable<FlowRow> label="Flows" columns={COLUMNS} entries={entries} open={(flow) => void navigate({ to: "/flows/$flow", params: { flow: flow.flow_id } })} empty={<Empty title={typed ? "No flow has this in its name" : "No flows yet"} />} foot={<span>{count(entries.length)}{flows.data.next ? "+" : ""} flows</span>} />
      )}
    </div>
  );
}
