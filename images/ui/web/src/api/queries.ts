/** What the pages ask for, each as options of react-query, and how often it is asked again. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";

import { address, type ApiError, getList, getOne, type Query } from "./http";
import { isLive } from "./live";
import type { Artifact, Card, CardData, CodeDifference, CodeFile, Graph, Metadata, Parameter, Preview, Run, Step, Task, Timeline } from "./types";

const LIVE = 3_000;
const CALM = 30_000;
const SLOW = 60_000;
const PAGE = 100;

export interface RunKey {
  flow: string;
  run: string;
}

export interface TaskKey extends RunKey {
  step: string;
  task: string;
}

export const runPath = ({ flow, run }: RunKey) => ["flows", flow, "runs", run] as const;
export const taskPath = (key: TaskKey) => [...runPath(key), "steps", key.step, "tasks", key.task] as const;

/** While changes come by themselves, asking again only mends what a feed cannot tell. */
const pace = (running: boolean) => (isLive() ? SLOW : running ? LIVE : CALM);

export const runsQuery = (query: Query) =>
  infiniteQueryOptions({
    queryKey: ["runs", query],
    queryFn: ({ pageParam, signal }) =>
      getList<Run>(address(["runs"], { ...query, _limit: PAGE, _page: pageParam }), signal),
    initialPageParam: 1,
    getNextPageParam: (last) => last.next,
    placeholderData: keepPreviousData,
    // All pages that were scrolled to are asked again, so far down the list it stands still.
    refetchInterval: (state) => ((state.state.data?.pages.length ?? 0) <= 2 ? pace(true) : false),
  });

export const flowRunsQuery = (flow: string, limit: number) =>
  queryOptions({
    queryKey: ["flow-runs", flow, limit],
    queryFn: ({ signal }) => getList<Run>(address(["flows", flow, "runs"], { _limit: limit }), signal),
    refetchInterval: () => pace(false),
  });

export const flowsQuery = queryOptions({
  queryKey: ["flows"],
  queryFn: ({ signal }) => getList<{ flow_id: string; ts_epoch: number }>(address(["flows"], { _limit: 1000, _order: "+flow_id" }), signal),
});

/** The newest run of each flow. */
export const lastRunsQuery = queryOptions({
  queryKey: ["runs", "last"],
  queryFn: ({ signal }) => getList<Run>(address(["runs"], { _group: "flow_id", _group_limit: 1, _limit: 1000, _order: "-ts_epoch" }), signal),
  refetchInterval: () => pace(false),
});

export const runQuery = (key: RunKey) =>
  queryOptions<Run, ApiError>({
    queryKey: ["run", key],
    queryFn: ({ signal }) => getOne<Run>(address(runPath(key)), signal),
    refetchInterval: (state) => pace(state.state.data?.status === "running"),
  });

export const stepsQuery = (key: RunKey, running: boolean) =>
  queryOptions({
    queryKey: ["steps", key],
    queryFn: async ({ signal }) =>
      (await getList<Step>(address([...runPath(key), "steps"], { _limit: 1000, _order: "+ts_epoch" }), signal)).data.filter(
        // Where Metaflow keeps the parameters: no step of the flow.
        (step) => step.step_name !== "_parameters",
      ),
    refetchInterval: () => pace(running),
  });

export const timelineQuery = (key: RunKey, running: boolean) =>
  queryOptions({
    queryKey: ["timeline", key],
    queryFn: ({ signal }) => getOne<Timeline>(address([...runPath(key), "timeline"]), signal),
    refetchInterval: () => pace(running),
    structuralSharing: false,
  });

/** What the run says began it, as it was recorded, or null. */
export const triggersQuery = (key: RunKey) =>
  queryOptions({
    queryKey: ["triggers", key],
    queryFn: async ({ signal }) =>
      (await getList<Metadata>(address([...runPath(key), "metadata"], { field_name: "execution-triggers", _limit: 1 }), signal)).data[0]?.value ?? null,
    refetchInterval: (state) => (state.state.data ? false : CALM),
  });

/** The task that failed last, or null. */
export const failedTaskQuery = (key: RunKey) =>
  queryOptions({
    queryKey: ["failed-task", key],
    queryFn: async ({ signal }) =>
      (await getList<Task>(address([...runPath(key), "tasks"], { status: "failed", _order: "-started_at", _limit: 1 }), signal)).data[0] ?? null,
    staleTime: CALM,
  });

export const parametersQuery = (key: RunKey) =>
  queryOptions<Record<string, Parameter>, ApiError>({
    queryKey: ["parameters", key],
    queryFn: ({ signal }) => getOne(address([...runPath(key), "parameters"]), signal),
    staleTime: CALM,
    // A run that has just begun has recorded none yet. Some never do.
    refetchInterval: (state) => (state.state.data && Object.keys(state.state.data).length === 0 ? CALM : false),
  });

export const graphQuery = (key: RunKey) =>
  queryOptions<Graph, ApiError>({
    queryKey: ["graph", key],
    queryFn: ({ signal }) => getOne(address([...runPath(key), "dag"]), signal),
    staleTime: CALM,
  });

export const codeQuery = (key: RunKey) =>
  queryOptions<CodeFile[], ApiError>({
    queryKey: ["code", key],
    queryFn: ({ signal }) => getOne(address([...runPath(key), "code"]), signal),
    staleTime: Infinity,
  });

export const codeFileQuery = (key: RunKey, path: string) =>
  queryOptions<{ path: string; text: string }, ApiError>({
    queryKey: ["code-file", key, path],
    queryFn: ({ signal }) => getOne(address([...runPath(key), "code", "file"], { path }), signal),
    staleTime: Infinity,
  });

/** What differs in the code of another run, `with` as FLOW/RUN. */
export const codeDiffQuery = (key: RunKey, other: string) =>
  queryOptions<CodeDifference[], ApiError>({
    queryKey: ["code-diff", key, other],
    queryFn: ({ signal }) => getOne(address([...runPath(key), "code", "diff"], { with: other }), signal),
    staleTime: Infinity,
  });

export const attemptsQuery = (key: TaskKey) =>
  queryOptions<Task[], ApiError>({
    queryKey: ["attempts", key],
    queryFn: async ({ signal }) =>
      (await getList<Task>(address([...taskPath(key), "attempts"], { _limit: 1000, _order: "+attempt_id" }), signal)).data,
    refetchInterval: (state) => {
      const last = state.state.data?.at(-1)?.status;
      return pace(last === "running" || last === "pending");
    },
  });

export const metadataQuery = (key: TaskKey) =>
  queryOptions({
    queryKey: ["metadata", key],
    queryFn: async ({ signal }) =>
      (await getList<Metadata>(address([...taskPath(key), "metadata"], { _limit: 1000, _order: "+id" }), signal)).data,
  });

export const taskArtifactsQuery = (key: TaskKey, attempt: number) =>
  queryOptions({
    queryKey: ["artifacts", key, attempt],
    queryFn: async ({ signal }) =>
      (await getList<Artifact>(address([...taskPath(key), "artifacts"], { attempt_id: attempt, _limit: 1000, _order: "+name" }), signal)).data,
  });

export const runArtifactsQuery = (key: RunKey, name: string) =>
  infiniteQueryOptions({
    queryKey: ["run-artifacts", key, name],
    queryFn: ({ pageParam, signal }) =>
      getList<Artifact>(address([...runPath(key), "artifacts"], { "name:co": name, _order: "+name", _limit: 200, _page: pageParam }), signal),
    initialPageParam: 1,
    getNextPageParam: (last) => last.next,
    placeholderData: keepPreviousData,
  });

export const previewQuery = (key: TaskKey, name: string, attempt: number) =>
  queryOptions<Preview, ApiError>({
    queryKey: ["preview", key, name, attempt],
    queryFn: ({ signal }) => getOne(address([...taskPath(key), "artifacts", name, "preview"], { attempt_id: attempt }), signal),
    staleTime: Infinity,
  });

export const cardsQuery = (key: TaskKey, running = false) =>
  queryOptions<Card[], ApiError>({
    queryKey: ["cards", key],
    queryFn: ({ signal }) => getOne(address([...taskPath(key), "cards"]), signal),
    staleTime: running ? 0 : 10_000,
    // The datastore tells nobody what comes into it.
    refetchInterval: running ? LIVE : false,
  });

/** What a card of a running task shows now; null while it says nothing. */
export const cardDataQuery = (key: TaskKey, hash: string) =>
  queryOptions<CardData | null, ApiError>({
    queryKey: ["card-data", key, hash],
    queryFn: ({ signal }) => getOne(address([...taskPath(key), "cards", hash, "data"]), signal),
    refetchInterval: 1_000,
  });

/** What the newest run of a flow calls its parameters. */
export const parameterNamesQuery = (flow: string) =>
  queryOptions<string[], ApiError>({
    queryKey: ["parameter-names", flow],
    queryFn: async ({ signal }) => {
      const [run] = (await getList<Run>(address(["flows", flow, "runs"], { _limit: 1 }), signal)).data;
      return run ? Object.keys(await getOne<object>(address([...runPath({ flow, run: run.run }), "parameters"]), signal)) : [];
    },
    staleTime: CALM,
  });

export type Names = "flow" | "user" | "project" | "branch" | "tag";
const PREFIXES = { user: "user:", project: "project:", branch: "project_branch:" } as const;

/** Names for what was typed so far, without the prefix that they bear as system tags. */
export const namesQuery = (kind: Names, typed: string) =>
  queryOptions({
    queryKey: ["names", kind, typed],
    queryFn: async ({ signal }) => {
      if (kind === "flow") {
        return (await getList<string>(address(["flows", "autocomplete"], { "flow_id:co": typed, _limit: 50 }), signal)).data;
      }
      if (kind === "tag") {
        const found = await getList<string>(address(["tags", "autocomplete"], { "tag:co": typed, _limit: 200 }), signal);
        return found.data.filter((tag) => !SYSTEM.test(tag)).slice(0, 50);
      }
      const prefix = PREFIXES[kind];
      const found = await getList<string>(address(["tags", "autocomplete"], { "tag:sw": prefix + typed, _limit: 50 }), signal);
      return found.data.map((tag) => tag.slice(prefix.length));
    },
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });

const SYSTEM = /^(user|project|project_branch|runtime|metaflow_version|python_version|date|metaflow_r_version|sfn|argo|production|origin-run-id):/;
