import { ActionIcon, Button, CloseButton, Menu, SegmentedControl, Select, TextInput, Title, Tooltip } from "@mantine/core";
import { useDebouncedCallback, useDisclosure, useHotkeys, useLocalStorage } from "@mantine/hooks";
import { IconColumns3, IconFilterOff, IconGitCompare, IconSearch, IconTag } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { runsQuery } from "../api/queries";
import { useMay } from "../api/session";
import type { Run } from "../api/types";
import { count } from "../format/times";
import { DataTable, type Entry } from "../parts/DataTable";
import { Facet } from "../parts/Facet";
import { Moment, Took } from "../parts/Moment";
import { Empty, Problem, Waiting } from "../parts/States";
import { Status } from "../parts/Status";
import { TagsModal } from "../parts/TagsModal";
import { ALWAYS, choosing, COLUMNS, DEFAULT, keyOf, RunLink } from "./columns";
import { DEFAULT_ORDER, GROUPS, isFiltered, joined, type ListName, listed, type RunsSearch, runsQuestion } from "./filters";
import { ParameterFilter } from "./ParameterFilter";

const route = getRouteApi("/");
const MOST_COMPARED = 10;

export function RunsPage() {
  const search = route.useSearch();
  const navigate = useNavigate({ from: "/" });
  const change = useCallback(
    (part: Partial<RunsSearch>) => void navigate({ search: (before) => clean({ ...before, ...part }), replace: true }),
    [navigate],
  );
  const now = useMinute();
  const runs = useInfiniteQuery(runsQuery(useMemo(() => runsQuestion(search, now), [search, now])));
  const [shown, setShown] = useLocalStorage<string[]>({ key: "tributary.runs.columns", defaultValue: DEFAULT });
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const toggle = useCallback((key: string) => {
    setChosen((before) => {
      const after = new Set(before);
      if (!after.delete(key)) after.add(key);
      return after;
    });
  }, []);
  const columns = useMemo(
    () => [choosing(chosen, toggle), ...COLUMNS.filter((column) => shown.includes(column.id ?? "") || ALWAYS.includes(column.id ?? ""))],
    [chosen, toggle, shown],
  );
  const records = useMemo(() => runs.data?.pages.flatMap((page) => page.data) ?? [], [runs.data]);
  const entries = useMemo(() => grouped(records, search.group), [records, search.group]);
  const find = useRef<HTMLInputElement>(null);
  useHotkeys([["/", () => find.current?.focus()], ["c", () => compare()]]);
  const compare = () => {
    if (chosen.size >= 2 && chosen.size <= MOST_COMPARED) void navigate({ to: "/compare", search: { runs: [...chosen].join(",") } });
  };
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = runs;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  return (
    <div className="page">
      <div className="page-head">
        <Title order={1}>Runs</Title>
        <SegmentedControl
          aria-label="Status"
          value={search.status ?? ""}
          onChange={(status) => change({ status: status || undefined })}
          data={[{ value: "", label: "All" }, { value: "running", label: "Running" }, { value: "failed", label: "Failed" }, { value: "completed", label: "Completed" }]}
        />
        <span className="grow" />
        {chosen.size > 0 && (
          <>
            <span className="dim">{chosen.size} chosen</span>
            <Tooltip label={chosen.size < 2 ? "Choose at least two runs" : chosen.size > MOST_COMPARED ? `At most ${MOST_COMPARED} runs` : "Side by side (c)"}>
              <Button leftSection={<IconGitCompare size={15} aria-hidden />} data-disabled={chosen.size < 2 || chosen.size > MOST_COMPARED || undefined} onClick={compare}>
                Compare
              </Button>
            </Tooltip>
            <TagChosen runs={records.filter((run) => chosen.has(keyOf(run)))} />
            <CloseButton aria-label="Choose none" onClick={() => setChosen(new Set())} />
          </>
        )}
      </div>
      <Filters search={search} change={change} find={find} shown={shown} setShown={setShown} />
      {runs.isError && records.length === 0 ? (
        <Problem error={runs.error} retry={() => void runs.refetch()} />
      ) : (
        <DataTable<Run>
          label="Runs"
          columns={columns}
          entries={entries}
          order={search.order ?? DEFAULT_ORDER}
          onOrder={(order) => change({ order })}
          chosen={chosen}
          onChoose={toggle}
          open={(run) => void navigate({ to: "/flows/$flow/runs/$run", params: { flow: run.flow_id, run: run.run } })}
          onEnd={onEnd}
          narrow={(run) => <NarrowRun run={run} />}
          empty={runs.isPending ? <Waiting /> : <NoRuns filtered={isFiltered(search)} reset={() => void navigate({ search: {} })} />}
          foot={
            <>
              <span>
                {count(records.length)}
                {hasNextPage ? "+" : ""} {search.group ? "runs, the newest of each group" : "runs"}
              </span>
              <span>{runs.isError ? "The backend does not answer; trying again" : isFetchingNextPage ? "Loading more…" : ""}</span>
            </>
          }
        />
      )}
    </div>
  );
}

function TagChosen({ runs }: { runs: Run[] }) {
  const [editing, { open, close }] = useDisclosure(false);
  if (!useMay("write") || runs.length === 0) return null;
  return (
    <>
      <Button variant="default" leftSection={<IconTag size={15} aria-hidden />} onClick={open}>
        Tag
      </Button>
      <TagsModal runs={runs} opened={editing} close={close} />
    </>
  );
}

function Filters({ search, change, find, shown, setShown }: { search: RunsSearch; change: (part: Partial<RunsSearch>) => void; find: React.RefObject<HTMLInputElement | null>; shown: string[]; setShown: (value: string[]) => void }) {
  const [typed, setTyped] = useState(search.run ?? "");
  const [days, setDays] = useState(false);
  const between = days || Boolean(search.from ?? search.to);
  const findRun = useDebouncedCallback((run: string) => change({ run: run || undefined }), 250);
  const facet = (kind: Exclude<ListName, "status">, label: string) => (
    <Facet label={label} kind={kind} values={listed(search[kind])} onChange={(values) => change({ [kind]: joined(values) })} />
  );
  return (
    <div className="toolbar" role="search" aria-label="Filters">
      <TextInput
        ref={find}
        w={170}
        leftSection={<IconSearch size={14} aria-hidden />}
        placeholder="Run id  /"
        aria-label="Run id"
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          findRun(event.currentTarget.value.trim());
        }}
      />
      {facet("flow", "Flow")}
      {facet("user", "User")}
      {facet("project", "Project")}
      {facet("branch", "Branch")}
      {facet("tag", "Tag")}
      <ParameterFilter values={listed(search.parameter)} flow={listed(search.flow)[0]} onChange={(values) => change({ parameter: joined(values) })} />
      <Select
        w={132}
        aria-label="Started"
        value={search.within ?? (between ? "between" : "")}
        onChange={(within) => {
          setDays(within === "between");
          change({ within: within && within !== "between" ? within : undefined, from: undefined, to: undefined });
        }}
        data={[
          { value: "", label: "Any time" },
          { value: "1h", label: "Last hour" },
          { value: "24h", label: "Last 24 hours" },
          { value: "7d", label: "Last 7 days" },
          { value: "30d", label: "Last 30 days" },
          { value: "between", label: "Between days" },
        ]}
        allowDeselect={false}
      />
      {between && <Days search={search} change={change} />}
      {isFiltered(search) && (
        <Button
          variant="subtle"
          leftSection={<IconFilterOff size={14} aria-hidden />}
          onClick={() => {
            setTyped("");
            change({ status: undefined, flow: undefined, user: undefined, project: undefined, branch: undefined, tag: undefined, parameter: undefined, run: undefined, within: undefined, from: undefined, to: undefined });
          }}
        >
          Clear
        </Button>
      )}
      <span className="grow" />
      <Select
        w={140}
        aria-label="Group"
        value={search.group ?? ""}
        onChange={(group) => change({ group: group || undefined })}
        data={[{ value: "", label: "No groups" }, ...Object.keys(GROUPS).map((name) => ({ value: name, label: `By ${name}` }))]}
        allowDeselect={false}
      />
      <Menu closeOnItemClick={false} position="bottom-end">
        <Menu.Target>
          <Tooltip label="Columns">
            <ActionIcon variant="default" size={30} aria-label="Columns">
              <IconColumns3 size={16} aria-hidden />
            </ActionIcon>
          </Tooltip>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Columns</Menu.Label>
          {COLUMNS.filter((column) => !ALWAYS.includes(column.id ?? "")).map((column) => {
            const id = column.id ?? "";
            return (
              <Menu.CheckboxItem key={id} checked={shown.includes(id)} onChange={(checked) => setShown(checked ? [...shown, id] : shown.filter((one) => one !== id))}>
                {String(column.header)}
              </Menu.CheckboxItem>
            );
          })}
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

function Days({ search, change }: { search: RunsSearch; change: (part: Partial<RunsSearch>) => void }) {
  const field = (name: "from" | "to", label: string) => (
    <TextInput type="date" w={128} aria-label={label} value={day(search[name])} onChange={(event) => change({ [name]: moment(event.currentTarget.value, name) })} />
  );
  return (
    <>
      {field("from", "Started from")}
      {field("to", "Started until")}
    </>
  );
}

const day = (ms: string | undefined) => {
  if (!ms) return "";
  const at = new Date(Number(ms));
  return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
};

const moment = (value: string, name: "from" | "to") => {
  const at = new Date(`${value}T${name === "from" ? "00:00:00" : "23:59:59.999"}`);
  return Number.isNaN(at.getTime()) ? undefined : String(at.getTime());
};

function NarrowRun({ run }: { run: Run }) {
  return (
    <div style={{ display: "flex", gap: 10, alignItems: "center" }}>
      <Status of={run.status} word={false} />
      <div className="grow">
        <div className="cut" style={{ fontWeight: 560 }}>
          <RunLink run={run}>{run.flow_id}</RunLink>
        </div>
        <div className="cut dim mono">{run.run}</div>
      </div>
      <div style={{ textAlign: "right" }}>
        <Moment at={run.ts_epoch} />
        <div className="dim">
          <Took ms={run.duration} since={run.status === "running" ? run.ts_epoch : null} />
        </div>
      </div>
    </div>
  );
}

function NoRuns({ filtered, reset }: { filtered: boolean; reset: () => void }) {
  if (!filtered) {
    return <Empty title="No runs yet">Point METAFLOW_SERVICE_URL at the metadata service, set METAFLOW_DEFAULT_METADATA to “service”, and start a flow. It shows up here at once.</Empty>;
  }
  return (
    <div>
      <Empty title="No run passes these filters">
        <Button variant="default" onClick={reset}>
          Clear all filters
        </Button>
      </Empty>
    </div>
  );
}

function grouped(records: readonly Run[], group: string | undefined): Entry<Run>[] {
  if (!group) return records.map((record) => ({ record, key: keyOf(record) }));
  const of = (run: Run) => (group === "flow" ? run.flow_id : group === "user" ? (run.user ?? "no user") : run.status);
  return records.flatMap((record, place): Entry<Run>[] => {
    const before = records[place - 1];
    const entry = { record, key: keyOf(record) };
    if (before && of(before) === of(record)) return [entry];
    return [{ key: `group ${of(record)}`, group: group === "status" ? <Status of={record.status} /> : of(record) }, entry];
  });
}

const clean = (search: RunsSearch): RunsSearch => Object.fromEntries(Object.entries(search).filter(([name, value]) => value !== undefined && !(name === "order" && value === DEFAULT_ORDER)));

function useMinute(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 60_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
