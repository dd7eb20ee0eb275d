import { Anchor, CopyButton, Title, Tooltip } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";

import { parametersQuery, type RunKey, runQuery, stepsQuery } from "../api/queries";
import type { Run, Step } from "../api/types";
import { count } from "../format/times";
import { Fact } from "../parts/Fact";
import { Moment, Took } from "../parts/Moment";
import { Problem, Waiting } from "../parts/States";
import { Status } from "../parts/Status";
import { systemTag } from "../parts/Tags";
import { CardsTab } from "./CardsTab";
import { DataTab } from "./DataTab";
import { RunFailure } from "./RunFailure";
import { RunLinks } from "./RunLinks";
import { RunMenu } from "./RunMenu";
import { RunTags } from "./RunTags";
import { TABS, type RunTab } from "./search";
import { TasksTab } from "./TasksTab";
import { TimelineTab } from "./timeline/TimelineTab";
import { TriggerFact } from "./Trigger";
import { shortValue } from "./values";

const route = getRouteApi("/flows/$flow/runs/$run");
const GraphTab = lazy(() => import("./graph/GraphTab"));
const CodeTab = lazy(() => import("./code/CodeTab"));

const TITLES: Record<RunTab, string> = { timeline: "Timeline", graph: "Graph", tasks: "Tasks", cards: "Cards", data: "Data", code: "Code" };

export function RunPage() {
  const key = route.useParams();
  const { tab = "timeline" } = route.useSearch();
  const run = useQuery(runQuery(key));
  if (run.isPending) return <Waiting />;
  if (!run.data) return <Problem error={run.error} retry={() => void run.refetch()} />;
  return <Shown run={run.data} of={key} tab={tab} />;
}

function Shown({ run, of, tab }: { run: Run; of: RunKey; tab: RunTab }) {
  const running = run.status === "running";
  const steps = useQuery(stepsQuery(of, running));
  return (
    <div className="page">
      <div className="crumbs">
        <Link to="/">Runs</Link> <span>/</span>
        <Link to="/flows/$flow" params={{ flow: run.flow_id }}>
          {run.flow_id}
        </Link>
      </div>
      <div className="page-head" style={{ marginTop: -6 }}>
        <Title order={1} className="cut">
          {run.flow_id} <Copyable text={run.run} />
        </Title>
        <Status of={run.status} pill />
        <span className="grow" />
        <RunLinks run={run} of={of} />
        <RunMenu of={of} />
      </div>
      {run.status === "failed" && <RunFailure run={run} of={of} />}
      <Facts run={run} of={of} steps={steps.data} />
      <nav className="tabs" aria-label="Views of the run">
        {TABS.map((one) => (
          <Link key={one} from={route.id} to="/flows/$flow/runs/$run" params={of} search={{ tab: one === "timeline" ? undefined : one }} activeOptions={{ includeSearch: true, explicitUndefined: true }}>
            {TITLES[one]}
            {one === "tasks" && steps.data && <span className="dim tabular"> {count(steps.data.reduce((sum, step) => sum + step.tasks, 0))}</span>}
          </Link>
        ))}
      </nav>
      {tab === "timeline" && <TimelineTab of={of} running={running} />}
      {tab === "graph" && (
        <Suspense fallback={<Waiting />}>
          <GraphTab of={of} running={running} steps={steps.data ?? []} />
        </Suspense>
      )}
      {tab === "tasks" && <TasksTab of={of} running={running} />}
      {tab === "cards" && <CardsTab of={of} running={running} />}
      {tab === "data" && <DataTab of={of} />}
      {tab === "code" && (
        <Suspense fallback={<Waiting />}>
          <CodeTab of={of} />
        </Suspense>
      )}
    </div>
  );
}

function Facts({ run, of, steps }: { run: Run; of: RunKey; steps: Step[] | undefined }) {
  const parameters = useQuery(parametersQuery(of));
  const project = systemTag(run.system_tags, "project");
  const branch = systemTag(run.system_tags, "project_branch");
  return (
    <div className="panel panel-body" style={{ display: "flex", flexDirection: "column", gap: 10, flex: "none", maxHeight: "34dvh", overflowY: "auto" }} tabIndex={0} role="group" aria-label="About the run">
      <dl className="facts">
        <Fact name="Started">
          <Moment at={run.ts_epoch} />
        </Fact>
        {run.status !== "running" && (
          <Fact name="Finished">
            <Moment at={run.finished_at} />
          </Fact>
        )}
        <Fact name="Duration">
          <Took ms={run.duration} since={run.status === "running" ? run.ts_epoch : null} />
        </Fact>
        <Fact name="Tasks">
          <Counts steps={steps} />
        </Fact>
        <Fact name="User">{run.user ?? run.user_name ?? "–"}</Fact>
        {project && <Fact name="Project">{branch ? `${project} · ${branch}` : project}</Fact>}
        {systemTag(run.system_tags, "runtime") && <Fact name="Runtime">{systemTag(run.system_tags, "runtime")}</Fact>}
        <TriggerFact of={of} />
        <Fact name="Tags">
          <RunTags run={run} />
        </Fact>
      </dl>
      {parameters.data && Object.keys(parameters.data).length > 0 && (
        <dl className="facts" style={{ borderTop: "1px solid var(--line)", paddingTop: 10 }} aria-label="Parameters">
          {Object.entries(parameters.data).map(([name, { value, preview }]) => (
            <Fact key={name} name={name}>
              <span className="mono" dir="auto">
                {preview.kind === "none" ? (preview.why ?? "–") : shortValue(value)}
              </span>
            </Fact>
          ))}
        </dl>
      )}
      {parameters.isError && parameters.error.status !== 404 && <div className="dim">Parameters: {parameters.error.message}</div>}
    </div>
  );
}

function Counts({ steps }: { steps: Step[] | undefined }) {
  if (!steps) return <span className="dim">…</span>;
  const sum = (name: "tasks" | "completed" | "failed" | "running" | "pending" | "unknown") => steps.reduce((total, step) => total + step[name], 0);
  const total = sum("tasks");
  const parts = (["completed", "running", "failed", "pending", "unknown"] as const).map((name) => [name, sum(name)] as const).filter(([, number]) => number > 0);
  return (
    <span style={{ display: "flex", gap: 10, alignItems: "center", flexWrap: "wrap" }}>
      <span className="bar" style={{ width: 90 }} role="img" aria-label={parts.map(([name, number]) => `${number} ${name}`).join(", ")}>
        {parts.map(([name, number]) => (
          <i key={name} data-of={name} style={{ width: `${(100 * number) / total}%` }} />
        ))}
      </span>
      <span className="tabular">
        {count(sum("completed"))} of {count(total)}
        {sum("failed") > 0 && (
          <>
            {" · "}
            <Link className="link" to="/flows/$flow/runs/$run" from={route.id} search={{ tab: "tasks", status: "failed" }} params={true}>
              {count(sum("failed"))} failed
            </Link>
          </>
        )}
      </span>
    </span>
  );
}

export function Copyable({ text }: { text: string }) {
  return (
    <CopyButton value={text}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? "Copied" : "Copy"}>
          <Anchor component="button" type="button" onClick={copy} className="mono" c="dimmed" fz={15} fw={400} underline="hover">
            {text}
          </Anchor>
        </Tooltip>
      )}
    </CopyButton>
  );
}
