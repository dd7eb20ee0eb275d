/** The state of the page Runs as it stands in the URL, and the question that it asks. */
import type { Query } from "../api/http";

export interface RunsSearch {
  status?: string;
  flow?: string;
  user?: string;
  project?: string;
  branch?: string;
  tag?: string;
  /** Values of parameters, `name=value,name=value`. */
  parameter?: string;
  run?: string;
  /** Started within: 1h, 24h, 7d, 30d. */
  within?: string;
  /** Started between, in milliseconds. */
  from?: string;
  to?: string;
  order?: string;
  group?: string;
}

export const NAMES = ["status", "flow", "user", "project", "branch", "tag"] as const;
export type ListName = (typeof NAMES)[number];

export const STATUSES = ["running", "failed", "completed"] as const;
export const GROUPS = { flow: "flow_id", user: "user", status: "status" } as const;
export const DEFAULT_ORDER = "-ts_epoch";

const ORDERS = /^[+-](ts_epoch|flow_id|run|user|status|finished_at|duration)$/;
const WITHIN: Record<string, number> = { "1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000 };

const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);

/** What an address says, without what this page does not know. */
export function readRunsSearch(raw: Record<string, unknown>): RunsSearch {
  const order = text(raw.order);
  const group = text(raw.group);
  const within = text(raw.within);
  const number = (value: unknown) => (/^\d{1,15}$/.test(text(value) ?? "") ? text(value) : undefined);
  const found: RunsSearch = {
    status: joined(listed(text(raw.status)).filter((one) => (STATUSES as readonly string[]).includes(one))),
    flow: text(raw.flow),
    user: text(raw.user),
    project: text(raw.project),
    branch: text(raw.branch),
    tag: text(raw.tag),
    parameter: joined(listed(text(raw.parameter)).filter((one) => one.indexOf("=") > 0)),
    run: text(raw.run),
    within: within !== undefined && within in WITHIN ? within : undefined,
    from: number(raw.from),
    to: number(raw.to),
    order: order !== undefined && ORDERS.test(order) && order !== DEFAULT_ORDER ? order : undefined,
    group: group !== undefined && group in GROUPS ? group : undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

/** The values of a filter. A comma of their own has a backslash before it, here and in what the backend is asked. */
export const listed = (value: string | undefined): string[] =>
  value ? value.split(/(?<!\\),/).filter(Boolean).map((one) => one.replaceAll("\\,", ",")) : [];

export const joined = (values: readonly string[]): string | undefined =>
  values.map((one) => one.replaceAll(",", "\\,")).join(",") || undefined;

/** The question to the backend. `now` is rounded to a minute, so that it stays the same for a while. */
export function runsQuestion(search: RunsSearch, now: number): Query {
  const minute = Math.floor(now / 60_000) * 60_000;
  const since = search.within ? minute - (WITHIN[search.within] ?? 0) : search.from;
  const tagged = (prefix: string, value: string | undefined) => joined(listed(value).map((one) => prefix + one)) ?? "";
  const plain: Query = {
    status: search.status,
    flow_id: search.flow,
    user: search.user,
    "run:co": search.run,
    "ts_epoch:ge": since,
    "ts_epoch:le": search.within ? undefined : search.to,
    _tags: search.tag,
    _parameter: listed(search.parameter),
    "_tags:any": [tagged("project:", search.project), tagged("project_branch:", search.branch)].filter(Boolean),
    _order: search.order ?? DEFAULT_ORDER,
  };
  if (search.group) {
    plain._group = GROUPS[search.group as keyof typeof GROUPS];
    plain._group_limit = 10;
  }
  return plain;
}

export const isFiltered = (search: RunsSearch) => [...NAMES, "parameter", "run", "within", "from", "to"].some((name) => name in search);
