import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { type RunKey, triggersQuery } from "../api/queries";
import { Fact } from "../parts/Fact";
import { readTriggers } from "./triggers";

/** What began the run, where it says so. */
export function TriggerFact({ of }: { of: RunKey }) {
  const found = useQuery(triggersQuery(of)).data;
  const triggers = readTriggers(found ?? "");
  if (triggers.length === 0) return null;
  return (
    <Fact name="Triggered by">
      {triggers.map(({ name, type, run }, place) => (
        <span key={place} dir="auto">
          {place > 0 && ", "}
          {run ? (
            <Link className="link" to="/flows/$flow/runs/$run" params={run}>
              {run.flow} <span className="mono">{run.run}</span>
            </Link>
          ) : (
            name
          )}{" "}
          <span className="dim">{type}</span>
        </span>
      ))}
    </Fact>
  );
}
