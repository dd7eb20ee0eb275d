import { Button } from "@mantine/core";
import { IconCircleXFilled } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import type { TaskKey } from "../api/queries";
import { causeQuery } from "./logs";

/** Why the attempt failed, before all else. */
export function Failure({ of, attempt }: { of: TaskKey; attempt: number }) {
  const cause = useQuery(causeQuery(of, attempt));
  const [whole, setWhole] = useState(false);
  if (!cause.data) return null;
  return (
    <section className="panel failure" data-of="failed" aria-label="What failed">
      <IconCircleXFilled size={18} aria-hidden />
      <div className="grow">
        <div className="mono failure-words" dir="auto">{cause.data.exception.slice(0, 1000)}</div>
        {whole && <pre className="code" tabIndex={0} style={{ marginTop: 8, maxHeight: "30dvh" }}>{cause.data.traceback}</pre>}
      </div>
      <Button variant="subtle" color="gray" size="compact-xs" onClick={() => setWhole(!whole)} aria-expanded={whole}>
        {whole ? "Less" : "Traceback"}
      </Button>
    </section>
  );
}
