import { Button, Title, Tooltip } from "@mantine/core";
import { IconList } from "@tabler/icons-react";
import { useQueries, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";

import { failedTaskQuery, flowRunsQuery } from "../api/queries";
import type { Run } from "../api/types";
import { duration, moment } from "../format/times";
import { Moment, Took } from "../parts/Moment";
import { Empty, Problem, Waiting } from "../parts/States";
import { Status } from "../parts/Status";
import { causeQuery } from "../task/logs";
import { inShort } from "../task/traceback";
import { FlowMenu } from "./FlowMenu";
import { byCause, summaryOf } from "./trend";

const route = getRouteApi("/flows/$flow");
const LOOKED_AT = 100;
const FAILURES = 8;

/** How a flow has been doing. */
export function FlowPage() {
  const { flow } = route.useParams();
  const runs = useQuery(flowRunsQuery(flow, LOOKED_AT));
  if (runs.isPending) return <Waiting />;
  if (!runs.data) return <Problem error={runs.error} retry={() => void runs.refetch()} />;
  if (runs.data.data.length === 0) return <Empty title="No runs">Either there is no flow {flow}, or all of its runs were deleted.</Empty>;
  return <Home flow={flow} runs={runs.data.data} />;
}

function Home({ flow, runs }: { flow: string; runs: Run[] }) {
  const summary = useMemo(() => summaryOf(runs), [runs]);
  return (
    <div className="page scrolls" tabIndex={0} role="region" aria-label={`Flow ${flow}`}>
      <div className="crumbs">
        <Link to="/flows">Flows</Link>
      </div>
      <div className="page-head" style={{ marginTop: -6 }}>
        <Title order={1} className="cut">{flow}</Title>
        <span className="grow" />
        <Button variant="default" leftSection={<IconList size={15} aria-hidden />} renderRoot={(props) => <Link {...props} to="/" search={{ flow }} />}>
          All runs
        </Button>
        <FlowMenu flow={flow} />
      </div>
      <div className="numbers">
        <Figure name={`Success, last ${runs.length} runs`} value={summary.successRate === null ? "–" : `${Math.round(summary.successRate * 100)} %`} note={`${summary.completed} completed, ${summary.failed} failed`} />
        <Figure name="Median duration" value={duration(summary.median)} note={`longest ${duration(summary.slowest)}`} />
        <Figure name="Running now" value={String(summary.running)} note="" />
      </div>
      <section className="panel">
        <div className="panel-head">
          <h2>Duration of the last {runs.length} runs</h2>
          <span className="legend dim">
            {(["completed", "failed", "running"] as const).map((status) => <span key={status} data-of={status}><i /> {status}</span>)}
          </span>
        </div>
        <div className="panel-body"><Trend runs={runs} /></div>
      </section>
      <div className="halves">
        <LastFailures flow={flow} runs={runs} />
        <section className="panel">
          <div className="panel-head"><h2>Last runs</h2></div>
          <table className="plain">
            <tbody>
              {runs.slice(0, 10).map((run) => (
                <tr key={run.run}>
                  <td><Status of={run.status} /></td>
                  <td className="mono cut" style={{ maxWidth: 180 }}><Link className="quiet-link" to="/flows/$flow/runs/$run" params={{ flow, run: run.run }}>{run.run}</Link></td>
                  <td>{run.user ?? run.user_name}</td>
                  <td style={{ textAlign: "right" }}><Moment at={run.ts_epoch} /></td>
                  <td style={{ textAlign: "right" }}><Took ms={run.duration} since={run.status === "running" ? run.ts_epoch : null} /></td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </div>
    </div>
  );
}

function Figure({ name, value, note }: { name: string; value: string; note: string }) {
  return (
    <div className="panel figure">
      <div className="dim">{name}</div>
      <div className="figure-value tabular">{value}</div>
      <div className="dim">{note || " "}</div>
    </div>
  );
}

const HIGH = 120;

function Trend({ runs }: { runs: Run[] }) {
  const navigate = useNavigate();
  const shown = [...runs].reverse();
  const longest = Math.max(1, ...shown.map((run) => run.duration ?? 0));
  return (
    <div className="trend" style={{ height: HIGH + 22 }}>
      <div className="trend-axis dim tabular" aria-hidden><span>{duration(longest)}</span><span>0</span></div>
      <div className="trend-bars">
        {shown.map((run) => {
          const high = Math.max(3, ((run.duration ?? 0) / longest) * HIGH);
          return (
            <Tooltip key={run.run} label={`${run.run.slice(0, 40)} · ${run.status} · ${duration(run.duration)} · ${moment(run.ts_epoch)}`}>
              <button type="button" data-of={run.status} style={{ height: high }} aria-label={`Run ${run.run}, ${run.status}, ${duration(run.duration)}`} onClick={() => void navigate({ to: "/flows/$flow/runs/$run", params: { flow: run.flow_id, run: run.run } })} />
            </Tooltip>
          );
        })}
      </div>
      <div className="trend-dates dim tabular" aria-hidden><span>{moment(shown[0]?.ts_epoch ?? 0)}</span><span>{moment(shown.at(-1)?.ts_epoch ?? 0)}</span></div>
    </div>
  );
}

function LastFailures({ flow, runs }: { flow: string; runs: Run[] }) {
  const failed = useMemo(() => runs.filter((run) => run.status === "failed").slice(0, FAILURES), [runs]);
  const tasks = useQueries({
    queries: failed.map((run) => failedTaskQuery({ flow, run: run.run })),
  });
  const causes = useQueries({
    queries: failed.map((run, place) => {
      const task = tasks[place]?.data;
      const key = { flow, run: run.run, step: task?.step_name ?? "", task: task?.task_name ?? String(task?.task_id ?? "") };
      return { ...causeQuery(key, task?.attempt_id ?? 0), enabled: Boolean(task) };
    }),
  });
  const groups = byCause(
    failed.map((run, place) => {
      const task = tasks[place]?.data;
      const cause = causes[place]?.data;
      const waiting = tasks[place]?.isPending || (task && causes[place]?.isPending);
      return { cause: cause ? inShort(cause) : waiting ? "Looking for the cause…" : task ? `Task of ${task.step_name} failed without a traceback in its log` : "No task says that it failed: its heartbeats ended", of: { run, task } };
    }),
  );
  return (
    <section className="panel">
      <div className="panel-head"><h2>Last failures by cause</h2></div>
      {groups.length === 0 ? (
        <Empty small title="None of these runs failed" />
      ) : (
        groups.map(({ cause, of }) => (
          <div key={cause} className="cause">
            <div className="mono" dir="auto">{cause}</div>
            <div className="cause-runs">
              {of.map(({ run, task }) => (
                <span key={run.run}>
                  {task ? (
                    <Link className="link" to="/flows/$flow/runs/$run/steps/$step/tasks/$task" params={{ flow, run: run.run, step: task.step_name, task: task.task_name ?? String(task.task_id) }} search={{ stream: "err" }}>
                      {task.step_name}
                    </Link>
                  ) : (
                    <Link className="link" to="/flows/$flow/runs/$run" params={{ flow, run: run.run }}>run</Link>
                  )}{" "}
                  <span className="dim"><Moment at={run.ts_epoch} /></span>
                </span>
              ))}
            </div>
          </div>
        ))
      )}
    </section>
  );
}
