import { useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";

import { cardsQuery, type RunKey, timelineQuery } from "../api/queries";
import { CardFrame } from "../parts/CardFrame";
import { Empty, Problem, Waiting } from "../parts/States";
import { idOf, lanesOf, newest } from "./timeline/layout";

const OF_A_STEP = 4;
const MOST = 60;

/** The cards of the first tasks of each step; those of wide steps are one click further, at their tasks. */
export function CardsTab({ of, running }: { of: RunKey; running: boolean }) {
  const timeline = useQuery(timelineQuery(of, running));
  const tasks = useMemo(() => {
    const seen = new Map<string, number>();
    return (timeline.data ? lanesOf(timeline.data) : [])
      .filter((lane) => {
        const before = seen.get(lane.step) ?? 0;
        seen.set(lane.step, before + 1);
        return before < OF_A_STEP;
      })
      .slice(0, MOST)
      .map((lane) => ({ key: { ...of, step: lane.step, task: idOf(newest(lane)) }, running: newest(lane).status === "running" }));
  }, [timeline.data, of]);
  const cards = useQueries({ queries: tasks.map((task) => cardsQuery(task.key, task.running)) });
  if (timeline.isPending) return <Waiting />;
  if (!timeline.data) return <Problem error={timeline.error} retry={() => void timeline.refetch()} />;
  const found = tasks.flatMap(({ key, running: runs }, place) => (cards[place]?.data ?? []).map((card) => ({ task: key, card, runs })));
  const problem = cards.find((one) => one.error && one.error.status !== 404)?.error;
  return (
    <div className="grow" style={{ overflowY: "auto", display: "grid", gap: 14, alignContent: "start", gridTemplateColumns: "repeat(auto-fill, minmax(min(100%, 520px), 1fr))", paddingBottom: 20 }} tabIndex={0} role="region" aria-label="Cards">
      {found.map(({ task, card, runs }) => (
        <CardFrame
          key={`${task.step}/${task.task}/${card.hash}`}
          of={task}
          card={card}
          running={runs}
          title={
            <Link className="quiet-link" to="/flows/$flow/runs/$run/steps/$step/tasks/$task" params={task} search={{ tab: "cards" }}>
              {task.step} <span className="dim mono">{task.task}</span>
            </Link>
          }
        />
      ))}
      {found.length === 0 && <div style={{ gridColumn: "1 / -1" }}>{cards.some((one) => one.isPending) ? <Waiting /> : problem ? <Problem error={problem} /> : <Empty title="No cards">Put @card above a step, and what it draws is shown here. Looked at were the first {OF_A_STEP} tasks of each step.</Empty>}</div>}
    </div>
  );
}
