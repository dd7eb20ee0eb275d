/** What the backend tells, in its own words. Times are milliseconds since 1970, in UTC. */

export type RunStatus = "completed" | "failed" | "running";
export type TaskStatus = RunStatus | "pending" | "unknown";

export interface Run {
  flow_id: string;
  run_number: number;
  run_id: string | null;
  run: string;
  user: string | null;
  user_name: string | null;
  ts_epoch: number;
  finished_at: number | null;
  duration: number | null;
  status: RunStatus;
  tags: string[];
  system_tags: string[];
}

export interface Step {
  step_name: string;
  ts_epoch: number;
  started_at: number | null;
  finished_at: number | null;
  duration: number | null;
  tasks: number;
  completed: number;
  failed: number;
  running: number;
  pending: number;
  unknown: number;
}

export interface Task {
  flow_id: string;
  run_number: number;
  run_id: string | null;
  step_name: string;
  task_id: number;
  task_name: string | null;
  attempt_id: number;
  ts_epoch: number;
  started_at: number | null;
  finished_at: number | null;
  duration: number | null;
  status: TaskStatus;
  foreach_label: string | null;
}

/** All attempts of a run by columns. `step` and `status` are places in `steps` and `statuses`. */
export interface Timeline {
  steps: string[];
  statuses: TaskStatus[];
  step: number[];
  task: number[];
  name: (string | null)[];
  attempt: number[];
  started: number[];
  finished: (number | null)[];
  status: number[];
  label: (string | null)[];
  more: boolean;
}

export interface Metadata {
  id: number;
  step_name: string;
  task_id: number;
  field_name: string;
  value: string;
  type: string;
  ts_epoch: number;
  attempt_id: number | null;
}

export interface Artifact {
  step_name: string;
  task_id: number;
  task_name: string | null;
  name: string;
  type: string | null;
  sha: string | null;
  location: string;
  attempt_id: number;
  ts_epoch: number;
}

export interface Preview {
  kind: "value" | "part" | "none";
  size: number;
  value: unknown;
  why: string | null;
}

export interface Parameter {
  value: unknown;
  preview: Preview;
}

export interface Card {
  hash: string;
  type: string;
  id: string | null;
  size: number;
}

/** What a card that changes while its task runs shows now. */
export interface CardData {
  reload_token: string;
  data: unknown;
}

export interface LogLine {
  at: number;
  time: string | null;
  text: string;
}

export interface LogWindow {
  start: number;
  end: number;
  size: number;
  lines: LogLine[];
}

export interface LogHits {
  lines: LogLine[];
  next: number | null;
  size: number;
}

export interface GraphNode {
  name: string;
  type: string;
  doc?: string;
  next: string[];
  foreach_artifact?: string;
  condition?: string;
  switch_cases?: Record<string, string>;
  decorators?: { name: string; attributes?: Record<string, unknown> }[];
}

export interface Graph {
  file?: string;
  doc?: string;
  steps: Record<string, GraphNode>;
}

export interface CodeFile {
  path: string;
  size: number;
  /** Whether Metaflow has put it into the package. */
  of_metaflow: boolean;
}

export interface CodeDifference {
  path: string;
  kind: "added" | "removed" | "changed";
  /** As in a unified diff; null for what is no text. */
  lines: string[] | null;
}
