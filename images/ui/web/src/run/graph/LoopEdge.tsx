import { BaseEdge, EdgeLabelRenderer, type EdgeProps } from "@xyflow/react";

const RISE = 62;

/** The way back of a loop: around the steps that are gone through again, above them or beside them. */
export function LoopEdge({ id, sourceX, sourceY, targetX, targetY, data, markerEnd, label }: EdgeProps) {
  const wide = data?.wide === true;
  const rise = typeof data?.rise === "number" ? data.rise : RISE;
  const [x, y] = wide ? [(sourceX + targetX) / 2, Math.min(sourceY, targetY) - rise] : [Math.max(sourceX, targetX) + 2 * rise, (sourceY + targetY) / 2];
  const path = wide
    ? `M ${sourceX} ${sourceY} C ${sourceX + 46} ${sourceY}, ${sourceX + 46} ${y}, ${sourceX - 6} ${y} L ${targetX + 6} ${y} C ${targetX - 46} ${y}, ${targetX - 46} ${targetY}, ${targetX} ${targetY}`
    : `M ${sourceX} ${sourceY} C ${sourceX} ${sourceY + 40}, ${x} ${sourceY + 40}, ${x} ${sourceY - 6} L ${x} ${targetY + 6} C ${x} ${targetY - 40}, ${targetX} ${targetY - 40}, ${targetX} ${targetY}`;
  return (
    <>
      <BaseEdge id={id} path={path} {...(markerEnd ? { markerEnd } : {})} />
      <EdgeLabelRenderer>
        <span className="graph-loop" style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}>
          ↺ {label}
        </span>
      </EdgeLabelRenderer>
    </>
  );
}
