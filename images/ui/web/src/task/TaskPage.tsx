import { SegmentedControl, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { attemptsQuery, cardsQuery, metadataQuery, taskArtifactsQuery, type TaskKey } from "../api/queries";
import type { Artifact, Metadata, Task } from "../api/types";
import { kubeflowRun } from "../format/kubeflow";
import { ArtifactModal } from "../parts/ArtifactView";
import { CardFrame } from "../parts/CardFrame";
import { Fact } from "../parts/Fact";
import { Moment, Took } from "../parts/Moment";
import { Empty, Problem, Waiting } from "../parts/States";
import { Status } from "../parts/Status";
import { typeName } from "../run/DataTab";
import { Copyable } from "../run/RunPage";
import { Failure } from "./Failure";
import { LogView } from "./LogView";
import { TABS, type TaskTab } from "./search";

const route = getRouteApi("/flows/$flow/runs/$run/steps/$step/tasks/$task");
const TITLES: Record<TaskTab, string> = { logs: "Logs", artifacts: "Artifacts", cards: "Cards", metadata: "Metadata" };

export function TaskPage() {
  const key = route.useParams();
  const attempts = useQuery(attemptsQuery(key));
  if (attempts.isPending) return <Waiting />;
  if (!attempts.data) return <Problem error={attempts.error} retry={() => void attempts.refetch()} />;
  return <Shown of={key} attempts={attempts.data} />;
}

function Shown({ of, attempts }: { of: TaskKey; attempts: Task[] }) {
  const search = route.useSearch();
  const navigate = useNavigate({ from: "/flows/$flow/runs/$run/steps/$step/tasks/$task" });
  const tab = search.tab ?? "logs";
  const wanted = search.attempt === undefined ? undefined : Number(search.attempt);
  const task = attempts.find((one) => one.attempt_id === wanted) ?? attempts.at(-1);
  const metadata = useQuery(metadataQuery(of));
  if (!task) return <Empty title="Not found">The task has no attempt.</Empty>;
  const fields = new Map((metadata.data ?? []).filter((one) => one.attempt_id === null || one.attempt_id === task.attempt_id).map((one) => [one.field_name, one.value]));
  return (
    <div className="page">
      <nav className="crumbs" aria-label="Where this is">
        <Link to="/">Runs</Link> <span>/</span>
        <Link to="/flows/$flow" params={of}>{of.flow}</Link> <span>/</span>
        <Link to="/flows/$flow/runs/$run" params={of} className="mono">{of.run}</Link> <span>/</span>
        <Link to="/flows/$flow/runs/$run" params={of} search={{ tab: "tasks", step: of.step }}>{of.step}</Link>
      </nav>
      <div className="page-head" style={{ marginTop: -6 }}>
        <Title order={1} className="cut">
          {of.step} <Copyable text={of.task} />
        </Title>
        <Status of={task.status} pill />
        <span className="grow" />
        {attempts.length > 1 && (
          <SegmentedControl
            aria-label="Attempt"
            value={String(task.attempt_id)}
            onChange={(attempt) => void navigate({ search: (before) => ({ ...before, attempt, line: undefined }), replace: true })}
            data={attempts.map((one) => ({ value: String(one.attempt_id), label: <span><Status of={one.status} word={false} /> Attempt {one.attempt_id + 1}</span> }))}
          />
        )}
      </div>
      <div className="panel panel-body" style={{ flex: "none" }}>
        <dl className="facts">
          <Fact name="Started"><Moment at={task.started_at ?? task.ts_epoch} /></Fact>
          {task.status !== "running" && <Fact name="Finished"><Moment at={task.finished_at} /></Fact>}
          <Fact name="Duration"><Took ms={task.duration} since={task.status === "running" ? (task.started_at ?? task.ts_epoch) : null} /></Fact>
          {task.foreach_label && <Fact name="Foreach"><span className="mono" dir="auto">{task.foreach_label}</span></Fact>}
          {fields.get("kubernetes-pod-name") && <Fact name="Pod"><span className="mono">{fields.get("kubernetes-pod-namespace") ? `${fields.get("kubernetes-pod-namespace")}/` : ""}{fields.get("kubernetes-pod-name")}</span></Fact>}
          {fields.get("kubeflow-pipelines-run-id") && <Fact name="Kubeflow run"><KubeflowRun id={fields.get("kubeflow-pipelines-run-id") ?? ""} /></Fact>}
        </dl>
      </div>
      {task.status === "failed" && <Failure of={of} attempt={task.attempt_id} />}
      <nav className="tabs" aria-label="Views of the task">
        {TABS.map((one) => (
          <Link key={one} to="/flows/$flow/runs/$run/steps/$step/tasks/$task" params={of} search={{ attempt: search.attempt, tab: one === "logs" ? undefined : one }} activeOptions={{ includeSearch: true, explicitUndefined: true }}>
            {TITLES[one]}
          </Link>
        ))}
      </nav>
      {tab === "logs" && <LogView key={`${task.attempt_id}/${task.status === "failed"}/${search.stream ?? ""}/${search.source ?? ""}`} of={of} attempt={task.attempt_id} live={task.status === "running" || task.status === "pending"} failed={task.status === "failed"} />}
      {tab === "artifacts" && <Artifacts of={of} attempt={task.attempt_id} />}
      {tab === "cards" && <Cards of={of} running={task.status === "running"} />}
      {tab === "metadata" && <AllMetadata rows={metadata.data} error={metadata.error} attempt={task.attempt_id} />}
    </div>
  );
}

function KubeflowRun({ id }: { id: string }) {
  const page = kubeflowRun(id);
  return page ? <a className="link mono" href={page} target="_blank" rel="noreferrer">{id}</a> : <span className="mono">{id}</span>;
}

function Artifacts({ of, attempt }: { of: TaskKey; attempt: number }) {
  const artifacts = useQuery(taskArtifactsQuery(of, attempt));
  const [shown, setShown] = useState<Artifact | null>(null);
  if (artifacts.isPending) return <Waiting />;
  if (!artifacts.data) return <Problem error={artifacts.error} retry={() => void artifacts.refetch()} />;
  const rows = artifacts.data.filter((one) => !one.name.startsWith("_"));
  if (rows.length === 0) return <Empty title="No artifacts">What the step assigns to self shows up here when it has ended well.</Empty>;
  return (
    <div className="panel scroll-box" tabIndex={0} role="region" aria-label="Artifacts">
      <table className="plain">
        <thead>
          <tr><th>Artifact</th><th>Type</th><th>Checksum</th></tr>
        </thead>
        <tbody>
          {rows.map((one) => (
            <tr key={one.name} onClick={() => setShown(one)} style={{ cursor: "pointer" }}>
              <td><button type="button" className="as-link" onClick={() => setShown(one)}>{one.name}</button></td>
              <td className="mono">{typeName(one.type)}</td>
              <td className="mono dim">{one.sha?.slice(0, 16)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <ArtifactModal of={of} artifact={shown} close={() => setShown(null)} />
    </div>
  );
}

function Cards({ of, running }: { of: TaskKey; running: boolean }) {
  const cards = useQuery(cardsQuery(of, running));
  if (cards.isPending) return <Waiting />;
  if (!cards.data) return <Problem error={cards.error} retry={() => void cards.refetch()} />;
  if (cards.data.length === 0) return <Empty title="No cards">Put @card above the step, and what it draws is shown here.</Empty>;
  return (
    <div className="grow" style={{ overflowY: "auto", display: "grid", gap: 14, alignContent: "start", paddingBottom: 20 }} tabIndex={0} role="region" aria-label="Cards">
      {cards.data.map((card) => <CardFrame key={card.hash} of={of} card={card} running={running} />)}
    </div>
  );
}

function AllMetadata({ rows, error, attempt }: { rows: Metadata[] | undefined; error: Error | null; attempt: number }) {
  const shown = useMemo(() => (rows ?? []).filter((one) => one.attempt_id === null || one.attempt_id === attempt), [rows, attempt]);
  if (error && !rows) return <Problem error={error} />;
  if (!rows) return <Waiting />;
  if (shown.length === 0) return <Empty title="No metadata" />;
  return (
    <div className="panel scroll-box" tabIndex={0} role="region" aria-label="Metadata">
      <table className="plain">
        <thead>
          <tr><th>Field</th><th>Value</th><th>Recorded</th></tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <tr key={one.id}>
              <td>{one.field_name}</td>
              <td className="mono" dir="auto" style={{ overflowWrap: "anywhere" }}>{one.value.slice(0, 5000)}</td>
              <td><Moment at={one.ts_epoch} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
