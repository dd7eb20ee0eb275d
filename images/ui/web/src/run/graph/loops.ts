/** Which edges of a flow's graph lead back, so that steps are gone through again. */
import type { Graph } from "../../api/types";

/** As `from>to`. Found by a walk from the first step on: what leads to a step that the walk is still in leads back. */
export function loopsOf(graph: Graph): Set<string> {
  const back = new Set<string>();
  const state = new Map<string, "in" | "done">();
  const first = Object.values(graph.steps).find((node) => node.type === "start")?.name ?? Object.keys(graph.steps)[0];
  for (const start of first === undefined ? [] : [first, ...Object.keys(graph.steps)]) {
    // A list in place of calls, so that no graph is too deep.
    const walk: [string, string[]][] = [];
    const enter = (name: string) => {
      if (state.has(name)) return;
      state.set(name, "in");
      walk.push([name, [...(graph.steps[name]?.next ?? [])]]);
    };
    enter(start);
    for (let top = walk.at(-1); top !== undefined; top = walk.at(-1)) {
      const [name, left] = top;
      const next = left.shift();
      if (next === undefined) {
        state.set(name, "done");
        walk.pop();
      } else if (!(next in graph.steps)) {
        continue;
      } else if (state.get(next) === "in") {
        back.add(`${name}>${next}`);
      } else {
        enter(next);
      }
    }
  }
  return back;
}
