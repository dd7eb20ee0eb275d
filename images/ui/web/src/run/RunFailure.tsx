import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { IconCircleXFilled } from "@tabler/icons-react";

import { failedTaskQuery, type RunKey } from "../api/queries";
import type { Run } from "../api/types";
import { utc } from "../format/times";
import { causeQuery } from "../task/logs";

/** Which task of a failed run failed last, and why: one click from its log. */
export function RunFailure({ run, of }: { run: Run; of: RunKey }) {
  const failed = useQuery(failedTaskQuery(of));
  const task = failed.data;
  const key = { ...of, step: task?.step_name ?? "", task: task?.task_name ?? String(task?.task_id ?? "") };
  const cause = useQuery({ ...causeQuery(key, task?.attempt_id ?? 0), enabled: Boolean(task) });
  if (failed.isPending) return null;
  return (
    <section className="panel failure" data-of="failed" aria-label="What failed">
      <IconCircleXFilled size={18} aria-hidden />
      <div className="grow">
        {task ? (
          <>
            <Link className="link" style={{ fontWeight: 600 }} to="/flows/$flow/runs/$run/steps/$step/tasks/$task" params={key} search={{ attempt: String(task.attempt_id) }}>
              {task.step_name}
              {task.foreach_label ? ` ${task.foreach_label.slice(0, 80)}` : ""}
            </Link>{" "}
            failed
            {cause.data && (
              <div className="mono failure-words" dir="auto">
                {cause.data.exception.slice(0, 500)}
              </div>
            )}
          </>
        ) : (
          <span>No task says that it failed. {run.finished_at === null ? "There never was a sign of life." : `The last sign of life was at ${utc(run.finished_at)}.`}</span>
        )}
      </div>
    </section>
  );
}
