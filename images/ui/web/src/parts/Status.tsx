import { IconAlertTriangleFilled, IconCircleCheckFilled, IconCircleDashed, IconCircleXFilled, IconLoader2 } from "@tabler/icons-react";

import type { TaskStatus } from "../api/types";

const ICONS = {
  completed: IconCircleCheckFilled,
  failed: IconCircleXFilled,
  running: IconLoader2,
  pending: IconCircleDashed,
  unknown: IconAlertTriangleFilled,
} as const;

/** A status by icon, word and colour. */
export function Status({ of, pill = false, word = true }: { of: TaskStatus; pill?: boolean; word?: boolean }) {
  const Icon = ICONS[of];
  return (
    <span className={pill ? "status pill" : "status"} data-of={of}>
      <Icon size={15} className={of === "running" ? "turning" : undefined} aria-hidden={word} aria-label={word ? undefined : of} role={word ? undefined : "img"} />
      {word && of}
    </span>
  );
}
