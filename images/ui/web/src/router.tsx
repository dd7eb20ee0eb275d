import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";

import { client, isAdmitted } from "./api/client";
import { runQuery, stepsQuery, timelineQuery } from "./api/queries";
import { readCompareSearch } from "./compare/search";
import { readRunSearch } from "./run/search";
import { readRunsSearch } from "./runs/filters";
import { RunsPage } from "./runs/RunsPage";
import { NotHere, Shell } from "./shell/Shell";
import { readTaskSearch } from "./task/search";

const root = createRootRoute({ component: Shell, notFoundComponent: NotHere });

const runs = createRoute({ getParentRoute: () => root, path: "/", validateSearch: readRunsSearch, component: RunsPage });

const flows = createRoute({
  getParentRoute: () => root,
  path: "/flows",
  component: lazyRouteComponent(() => import("./flow/FlowsPage"), "FlowsPage"),
});

const flow = createRoute({
  getParentRoute: () => root,
  path: "/flows/$flow",
  component: lazyRouteComponent(() => import("./flow/FlowPage"), "FlowPage"),
});

const flowRuns = createRoute({
  getParentRoute: () => root,
  path: "/flows/$flow/runs",
  beforeLoad: ({ params }) => {
    throw redirect({ to: "/", search: { flow: params.flow } });
  },
});

const run = createRoute({
  getParentRoute: () => root,
  path: "/flows/$flow/runs/$run",
  validateSearch: readRunSearch,
  loaderDeps: ({ search }) => ({ tab: search.tab }),
  // Asked while the page's script is still on its way.
  loader: ({ params, deps }) => {
    if (!isAdmitted()) return;
    void client.prefetchQuery(runQuery(params));
    void client.prefetchQuery(stepsQuery(params, false));
    if (!deps.tab) void client.prefetchQuery(timelineQuery(params, false));
  },
  component: lazyRouteComponent(() => import("./run/RunPage"), "RunPage"),
});

const task = createRoute({
  getParentRoute: () => root,
  path: "/flows/$flow/runs/$run/steps/$step/tasks/$task",
  validateSearch: readTaskSearch,
  component: lazyRouteComponent(() => import("./task/TaskPage"), "TaskPage"),
});

const compare = createRoute({
  getParentRoute: () => root,
  path: "/compare",
  validateSearch: readCompareSearch,
  component: lazyRouteComponent(() => import("./compare/ComparePage"), "ComparePage"),
});

const admin = createRoute({
  getParentRoute: () => root,
  path: "/admin",
  component: lazyRouteComponent(() => import("./admin/AdminPage"), "AdminPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([runs, flows, flow, flowRuns, run, task, compare, admin]),
  basepath: new URL(document.baseURI).pathname,
  // Plain text in addresses: every part of them is a word or a list of words.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const given = Object.entries(search).filter(([, value]) => value !== undefined && value !== "");
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return text && `?${text.replaceAll("%2C", ",").replaceAll("%2F", "/")}`;
  },
  defaultPreload: false,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
