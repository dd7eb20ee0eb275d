/** The state of the page of a task as it stands in the URL. */

export const TABS = ["logs", "artifacts", "cards", "metadata"] as const;
export type TaskTab = (typeof TABS)[number];

export interface TaskSearch {
  tab?: TaskTab;
  attempt?: string;
  stream?: "out" | "err";
  /** The byte of the log where the line begins that is pointed to. */
  line?: string;
  source?: string;
}

const number = (value: unknown, digits: number) => (typeof value === "string" && /^\d+$/.test(value) && value.length <= digits ? value : undefined);

export function readTaskSearch(raw: Record<string, unknown>): TaskSearch {
  const tab = TABS.find((one) => one === raw.tab);
  const found: TaskSearch = {
    tab: tab === "logs" ? undefined : tab,
    attempt: number(raw.attempt, 5),
    stream: raw.stream === "err" ? "err" : raw.stream === "out" ? "out" : undefined,
    line: number(raw.line, 15),
    source: raw.source === "task" || raw.source === "runtime" ? raw.source : undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}
