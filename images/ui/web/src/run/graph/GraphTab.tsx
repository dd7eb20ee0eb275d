import "@xyflow/react/dist/base.css";
import "./graph.css";

import dagre from "@dagrejs/dagre";
import { useComputedColorScheme } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Background, Controls, type Edge, Handle, MarkerType, type Node, type NodeProps, Position, ReactFlow } from "@xyflow/react";
import { useMemo } from "react";

import { graphQuery, type RunKey } from "../../api/queries";
import type { Graph, GraphNode, Step, TaskStatus } from "../../api/types";
import { count, duration } from "../../format/times";
import { Empty, Problem, Waiting } from "../../parts/States";
import { Status } from "../../parts/Status";
import { LoopEdge } from "./LoopEdge";
import { loopsOf } from "./loops";

type StepNode = Node<{ node: GraphNode; step: Step | undefined; status: TaskStatus | null; wide: boolean }, "step">;

const WIDTH = 216;
const HEIGHT = 74;

const NOTES: Record<string, string> = {
  "split-foreach": "foreach",
  "split-parallel": "gang",
  "split-static": "branches",
  "split-switch": "switch",
  join: "join",
};

export default function GraphTab({ of, running, steps }: { of: RunKey; running: boolean; steps: Step[] }) {
  const graph = useQuery(graphQuery(of));
  if (graph.isPending) return <Waiting />;
  if (!graph.data) {
    return graph.error.status === 404 ? (
      <Empty title="No graph">{graph.error.message} Flows record it since Metaflow 2.4.</Empty>
    ) : (
      <Problem error={graph.error} retry={() => void graph.refetch()} />
    );
  }
  return <Drawn graph={graph.data} steps={steps} running={running} of={of} />;
}

function Drawn({ graph, steps, running, of }: { graph: Graph; steps: Step[]; running: boolean; of: RunKey }) {
  const scheme = useComputedColorScheme("light");
  const navigate = useNavigate();
  const wide = !useMediaQuery("(max-width: 900px)");
  const places = useMemo(() => placed(graph, wide), [graph, wide]);
  const { nodes, edges } = useMemo(() => drawn(graph, places, steps, running, wide), [graph, places, steps, running, wide]);
  return (
    <div className="panel grow graph" style={{ minHeight: 360 }}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={TYPES}
        edgeTypes={EDGES}
        colorMode={scheme}
        key={String(wide)}
        fitView
        fitViewOptions={{ padding: 0.15, maxZoom: 1.1 }}
        minZoom={0.15}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        onNodeClick={(_, node) => {
          if (node.data.step) void navigate({ to: "/flows/$flow/runs/$run", params: { flow: of.flow, run: of.run }, search: { tab: "tasks", step: node.id } });
        }}
        aria-label="Graph of the flow"
      >
        <Background gap={22} size={1} color="var(--line)" />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}

const TYPES = { step: StepBox };
const EDGES = { loop: LoopEdge };

function StepBox({ data: { node, step, status, wide } }: NodeProps<StepNode>) {
  return (
    <div className="graph-step" data-of={status ?? undefined} data-begun={step ? true : undefined} title={node.doc}>
      <Handle type="target" position={wide ? Position.Left : Position.Top} isConnectable={false} />
      <div className="graph-name">
        <strong className="cut">{node.name}</strong>
        {NOTES[node.type] && <span className="graph-note">{NOTES[node.type]}</span>}
      </div>
      {step && status ? (
        <div className="graph-facts">
          <Status of={status} />
          <span className="tabular dim">
            {step.tasks > 1 ? `${count(step.completed)}/${count(step.tasks)} · ` : ""}
            {duration(step.duration)}
          </span>
        </div>
      ) : (
        <div className="graph-facts dim">not begun</div>
      )}
      {step && step.tasks > 1 && (
        <div className="bar">
          {(["completed", "running", "failed", "unknown"] as const).map((name) => step[name] > 0 && <i key={name} data-of={name} style={{ width: `${(100 * step[name]) / step.tasks}%` }} />)}
        </div>
      )}
      <Handle type="source" position={wide ? Position.Right : Position.Bottom} isConnectable={false} />
    </div>
  );
}

function placed(graph: Graph, wide: boolean): Map<string, { x: number; y: number }> {
  const layout = new dagre.graphlib.Graph();
  layout.setGraph({ rankdir: wide ? "LR" : "TB", nodesep: 40, ranksep: 64, marginx: 10, marginy: 10 });
  layout.setDefaultEdgeLabel(() => ({}));
  const nodes = Object.values(graph.steps);
  const back = loopsOf(graph);
  for (const node of nodes) layout.setNode(node.name, { width: WIDTH, height: HEIGHT });
  for (const node of nodes) {
    for (const next of node.next) if (next in graph.steps && !back.has(`${node.name}>${next}`)) layout.setEdge(node.name, next);
  }
  dagre.layout(layout);
  return new Map(nodes.map((node) => [node.name, { x: layout.node(node.name).x - WIDTH / 2, y: layout.node(node.name).y - HEIGHT / 2 }]));
}

function drawn(graph: Graph, places: Map<string, { x: number; y: number }>, steps: Step[], running: boolean, wide: boolean) {
  const begun = new Map(steps.map((step) => [step.step_name, step]));
  const back = loopsOf(graph);
  const nodes: StepNode[] = Object.values(graph.steps).map((node) => {
    const step = begun.get(node.name);
    return { id: node.name, type: "step", position: places.get(node.name) ?? { x: 0, y: 0 }, width: WIDTH, height: HEIGHT, ariaLabel: `Step ${node.name}`, data: { node, step, status: step ? statusOf(step) : null, wide } };
  });
  const edges: Edge[] = Object.values(graph.steps).flatMap((node) =>
    node.next
      .filter((next) => next in graph.steps)
      .map((next) => {
        const loops = back.has(`${node.name}>${next}`);
        // A step that leads to itself has begun, whether it went around or not: its tasks tell.
        const taken = begun.has(node.name) && begun.has(next) && (next !== node.name || (begun.get(next)?.tasks ?? 0) > 1);
        const arm = Object.entries(node.switch_cases ?? {}).find(([, step]) => step === next)?.[0];
        return {
          id: `${node.name}-${next}`,
          source: node.name,
          target: next,
          type: loops ? "loop" : "smoothstep",
          ...(loops ? { data: { wide, rise: next === node.name ? 62 : 86 }, markerEnd: { type: MarkerType.ArrowClosed } } : {}),
          label: arm ?? (node.type === "split-foreach" ? node.foreach_artifact ?? "items" : undefined),
          animated: running && taken && begun.get(next)?.finished_at === null,
          className: taken ? "taken" : "not-taken",
        };
      }),
  );
  return { nodes, edges };
}

function statusOf(step: Step): TaskStatus {
  if (step.running > 0) return "running";
  if (step.failed > 0) return "failed";
  if (step.pending > 0 || step.tasks === 0) return "pending";
  return step.unknown > 0 ? "unknown" : "completed";
}
