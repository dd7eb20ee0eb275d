import { Switch, Title } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";

import { address, getList } from "../api/http";
import { cardsQuery, parametersQuery, previewQuery, type RunKey, runPath, runQuery, stepsQuery } from "../api/queries";
import type { Artifact } from "../api/types";
import { duration } from "../format/times";
import { CardFrame } from "../parts/CardFrame";
import { Moment, Took } from "../parts/Moment";
import { Empty } from "../parts/States";
import { Status } from "../parts/Status";
import { Tags } from "../parts/Tags";
import { shortValue } from "../run/values";
import { comparedRuns, MOST } from "./search";

const route = getRouteApi("/compare");
const SMALL = /^<class '(int|float|str|bool|NoneType|numpy\.(float|int)\d+)'>$/;
const MOST_ARTIFACTS = 30;

/** Runs side by side: what they were given, how long they took, what came out. */
export function ComparePage() {
  const compared = comparedRuns(route.useSearch()).slice(0, MOST);
  const [different, setDifferent] = useState(false);
  if (compared.length < 2) {
    return (
      <Empty title="Nothing to compare">
        Choose two to {MOST} runs in <Link className="link" to="/">Runs</Link> and press c.
      </Empty>
    );
  }
  return (
    <div className="page">
      <div className="page-head">
        <Title order={1}>Compare {compared.length} runs</Title>
        <span className="grow" />
        <Switch size="xs" label="Only what differs" checked={different} onChange={(event) => setDifferent(event.currentTarget.checked)} />
      </div>
      <div className="panel scroll-box" tabIndex={0} role="region" aria-label="Comparison">
        <Table compared={compared} different={different} />
      </div>
    </div>
  );
}

function Table({ compared, different }: { compared: RunKey[]; different: boolean }) {
  const runs = useQueries({ queries: compared.map((key) => runQuery(key)) });
  const parameters = useQueries({ queries: compared.map((key) => parametersQuery(key)) });
  const steps = useQueries({ queries: compared.map((key, place) => stepsQuery(key, runs[place]?.data?.status === "running")) });
  const ends = useEnds(compared);
  const names = (of: (place: number) => string[]) => [...new Set(compared.flatMap((_, place) => of(place)))];
  const previews = usePreviews(compared, ends);
  const cell = (row: string, texts: (string | null)[], shown?: ReactNode[]) => <Row key={row} name={row} texts={texts} shown={shown} different={different} />;
  const wide = compared.length + 1;
  return (
    <table className="plain compare">
      <thead>
        <tr>
          <th><span className="sr-only">What</span></th>
          {compared.map((key, place) => (
            <th key={`${key.flow}/${key.run}`}>
              <Link className="quiet-link" to="/flows/$flow/runs/$run" params={key}>
                <span style={{ color: "var(--text)" }}>{key.flow}</span>
                <br />
                <span className="mono">{key.run}</span>
              </Link>
              {runs[place]?.isError && <div role="alert">{runs[place].error.message}</div>}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {cell("Status", runs.map((run) => run.data?.status ?? null), runs.map((run) => run.data && <Status of={run.data.status} />))}
        {cell("Started", runs.map((run) => String(run.data?.ts_epoch)), runs.map((run) => run.data && <Moment at={run.data.ts_epoch} />))}
        {cell("Duration", runs.map((run) => duration(run.data?.duration ?? null)), runs.map((run) => run.data && <Took ms={run.data.duration} since={run.data.status === "running" ? run.data.ts_epoch : null} />))}
        {cell("User", runs.map((run) => run.data?.user ?? run.data?.user_name ?? null))}
        {cell("Tags", runs.map((run) => run.data?.tags.join(" ") ?? null), runs.map((run) => run.data && <Tags of={run.data.tags} wrap />))}
      </tbody>
      <Section title="Parameters" wide={wide}>
        {names((place) => Object.keys(parameters[place]?.data ?? {})).map((name) => cell(name, parameters.map((one) => (one.data && name in one.data ? shortValue(one.data[name]?.value) : null))))}
      </Section>
      <Section title="Artifacts at the end" wide={wide}>
        {names((place) => previews[place]?.map((one) => one.name) ?? []).map((name) => cell(name, compared.map((_, place) => previews[place]?.find((one) => one.name === name)?.text ?? null)))}
      </Section>
      <Section title="Duration of steps" wide={wide}>
        {names((place) => (steps[place]?.data ?? []).map((step) => step.step_name)).filter((name) => name !== "_parameters").map((name) => {
          const times = steps.map((one) => one.data?.find((step) => step.step_name === name)?.duration ?? null);
          const longest = Math.max(1, ...times.map((time) => time ?? 0));
          return cell(name, times.map((time) => (time === null ? null : duration(time))), times.map((time) => time !== null && (
            <span className="compare-bar"><i style={{ width: `${(70 * time) / longest}%` }} /> <span className="tabular">{duration(time)}</span></span>
          )));
        })}
      </Section>
      <Cards compared={compared} wide={wide} />
    </table>
  );
}

function Section({ title, wide, children }: { title: string; wide: number; children: ReactNode[] }) {
  if (children.length === 0) return null;
  return (
    <tbody>
      <tr className="compare-section"><th colSpan={wide} scope="colgroup">{title}</th></tr>
      {children}
    </tbody>
  );
}

function Row({ name, texts, shown, different }: { name: string; texts: (string | null)[]; shown?: ReactNode[] | undefined; different: boolean }) {
  const same = new Set(texts).size <= 1;
  if (same && different) return null;
  return (
    <tr data-differs={!same || undefined}>
      <th scope="row">{name}</th>
      {texts.map((text, place) => (
        <td key={place} className={shown ? undefined : "mono"} dir="auto">{shown ? (shown[place] ?? <span className="dim">–</span>) : (text ?? <span className="dim">–</span>)}</td>
      ))}
    </tr>
  );
}

/** The artifacts of each run's step `end`, which has all that the steps before it have passed on. */
function useEnds(compared: RunKey[]) {
  return useQueries({
    queries: compared.map((key) => ({
      queryKey: ["end-artifacts", key],
      queryFn: async ({ signal }: { signal: AbortSignal }) =>
        (await getList<Artifact>(address([...runPath(key), "steps", "end", "artifacts"], { _limit: 200, _order: "+name" }), signal)).data,
    })),
  }).map((one) => one.data ?? []);
}

function usePreviews(compared: RunKey[], ends: Artifact[][]) {
  const wanted = ends.flatMap((artifacts, place) =>
    artifacts.filter((one) => !one.name.startsWith("_") && SMALL.test(one.type ?? "")).slice(0, MOST_ARTIFACTS).map((artifact) => ({ artifact, place })),
  );
  const found = useQueries({ queries: wanted.map(({ artifact, place }) => previewQuery(taskOf(compared[place] as RunKey, artifact), artifact.name, artifact.attempt_id)) });
  return compared.map((_, run) =>
    wanted.flatMap(({ artifact, place }, index) => (place === run ? [{ name: artifact.name, text: found[index]?.data ? shortValue(found[index].data.value) : found[index]?.isPending ? "…" : null }] : [])),
  );
}

const taskOf = (key: RunKey, artifact: Artifact) => ({ ...key, step: artifact.step_name, task: artifact.task_name ?? String(artifact.task_id) });

function Cards({ compared, wide }: { compared: RunKey[]; wide: number }) {
  const tasks = useQueries({
    queries: compared.map((key) => ({
      queryKey: ["single-tasks", key],
      queryFn: async ({ signal }: { signal: AbortSignal }) =>
        (await getList<{ step_name: string; task_id: number; task_name: string | null }>(address([...runPath(key), "tasks"], { _limit: 50, _order: "-ts_epoch" }), signal)).data,
    })),
  });
  // The task that came last of each step, from the end of the run on.
  const last = tasks.map((one) => [...new Map((one.data ?? []).map((task) => [task.step_name, task])).values()].filter((task) => task.step_name !== "_parameters").slice(0, 8));
  const asked = last.flatMap((found, place) => found.map((task) => ({ place, key: { ...(compared[place] as RunKey), step: task.step_name, task: task.task_name ?? String(task.task_id) } })));
  const cards = useQueries({ queries: asked.map(({ key }) => cardsQuery(key)) });
  const shown = asked.flatMap(({ place, key }, index) => (cards[index]?.data ?? []).map((card) => ({ place, key, card })));
  if (shown.length === 0) return null;
  const steps = [...new Set(shown.map((one) => one.key.step))];
  return (
    <tbody>
      <tr className="compare-section"><th colSpan={wide} scope="colgroup">Cards</th></tr>
      {steps.map((step) => (
        <tr key={step}>
          <th scope="row">{step}</th>
          {compared.map((_, place) => (
            <td key={place} style={{ minWidth: 340 }}>
              {shown.filter((one) => one.place === place && one.key.step === step).map((one) => <CardFrame key={one.card.hash} of={one.key} card={one.card} />)}
            </td>
          ))}
        </tr>
      ))}
    </tbody>
  );
}
