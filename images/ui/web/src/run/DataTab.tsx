import { TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";

import { type RunKey, runArtifactsQuery } from "../api/queries";
import type { Artifact } from "../api/types";
import { count } from "../format/times";
import { ArtifactModal } from "../parts/ArtifactView";
import { DataTable } from "../parts/DataTable";
import { Empty, Problem, Waiting } from "../parts/States";

const route = getRouteApi("/flows/$flow/runs/$run");

const COLUMNS = [
  { id: "name", header: "Artifact", meta: { width: "minmax(110px, 1.2fr)" }, cell: ({ row }: { row: { original: Artifact } }) => <span style={{ fontWeight: 560 }}>{row.original.name}</span> },
  { id: "type", header: "Type", meta: { width: "minmax(90px, 1fr)" }, cell: ({ row }: { row: { original: Artifact } }) => <span className="mono">{typeName(row.original.type)}</span> },
  { id: "step", header: "Step", meta: { width: "minmax(80px, 1fr)" }, cell: ({ row }: { row: { original: Artifact } }) => row.original.step_name },
  { id: "task", header: "Task", meta: { width: "minmax(80px, 1fr)" }, cell: ({ row }: { row: { original: Artifact } }) => <span className="mono">{row.original.task_name ?? row.original.task_id}</span> },
  { id: "sha", header: "Checksum", meta: { width: "110px" }, cell: ({ row }: { row: { original: Artifact } }) => <span className="mono dim">{row.original.sha?.slice(0, 12)}</span> },
];

/** `<class 'int'>` as int. */
export const typeName = (type: string | null) => /^<class '(.+)'>$/.exec(type ?? "")?.[1] ?? type ?? "";

/** Every artifact of the run by its name, and what can be shown of it. */
export function DataTab({ of }: { of: RunKey }) {
  const search = route.useSearch();
  const navigate = useNavigate({ from: "/flows/$flow/runs/$run" });
  const [typed, setTyped] = useState(search.q ?? "");
  const find = useDebouncedCallback((q: string) => void navigate({ search: (before) => ({ ...before, q: q || undefined }), replace: true }), 200);
  const [shown, setShown] = useState<Artifact | null>(null);
  const artifacts = useInfiniteQuery(runArtifactsQuery(of, search.q ?? ""));
  const entries = useMemo(
    () => (artifacts.data?.pages.flatMap((page) => page.data) ?? []).filter((one) => !one.name.startsWith("_")).map((record) => ({ record, key: `${record.step_name}/${record.task_id}/${record.name}` })),
    [artifacts.data],
  );
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = artifacts;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  if (artifacts.isPending) return <Waiting />;
  if (!artifacts.data) return <Problem error={artifacts.error} retry={() => void artifacts.refetch()} />;
  return (
    <>
      <div className="toolbar" role="search" aria-label="Artifacts">
        <TextInput w={230} leftSection={<IconSearch size={14} aria-hidden />} placeholder="Name of an artifact" aria-label="Find artifacts" value={typed} onChange={(event) => { setTyped(event.currentTarget.value); find(event.currentTarget.value.trim()); }} />
      </div>
      <DataTable<Artifact>
        label="Artifacts"
        columns={COLUMNS}
        entries={entries}
        open={setShown}
        onEnd={onEnd}
        narrow={(one) => (
          <div>
            <div style={{ fontWeight: 560 }}>{one.name}</div>
            <div className="dim cut">{one.step_name} · {typeName(one.type)}</div>
          </div>
        )}
        empty={<Empty title="No artifacts">{search.q ? "None has this in its name." : "What a step assigns to self shows up here when the step has ended."}</Empty>}
        foot={<span>{count(entries.length)}{hasNextPage ? "+" : ""} artifacts</span>}
      />
      <ArtifactModal of={shown && { ...of, step: shown.step_name, task: shown.task_name ?? String(shown.task_id) }} artifact={shown} close={() => setShown(null)} />
    </>
  );
}
