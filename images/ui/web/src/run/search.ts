/** The state of the page of a run as it stands in the URL. */

export const TABS = ["timeline", "graph", "tasks", "cards", "data", "code"] as const;
export type RunTab = (typeof TABS)[number];

export interface RunSearch {
  tab?: RunTab;
  /** Of tasks: only those with this status. */
  status?: string;
  /** Text in the step, the id or the place in a foreach. */
  q?: string;
  step?: string;
  /** Timeline without groups. */
  flat?: string;
  order?: string;
  /** What the timeline shows, in milliseconds since the run began. */
  from?: string;
  to?: string;
  /** Of the code: the file that is shown, and the run that it is compared with, as FLOW/RUN. */
  file?: string;
  with?: string;
}

const TASK_STATUSES = ["completed", "failed", "running", "pending", "unknown"];
const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
const number = (value: unknown) => (/^\d{1,13}$/.test(text(value) ?? "") ? text(value) : undefined);

export function readRunSearch(raw: Record<string, unknown>): RunSearch {
  const tab = TABS.find((one) => one === raw.tab);
  const found: RunSearch = {
    tab: tab === "timeline" ? undefined : tab,
    status: TASK_STATUSES.find((one) => one === raw.status),
    q: text(raw.q),
    step: text(raw.step),
    flat: raw.flat === "1" ? "1" : undefined,
    order: /^[+-][a-z_]+$/.test(text(raw.order) ?? "") ? text(raw.order) : undefined,
    from: number(raw.from),
    to: number(raw.to),
    file: text(raw.file),
    with: text(raw.with),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}
