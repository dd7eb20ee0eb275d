import type { ReactNode } from "react";

/** A name and what it is, within `dl.facts`. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt className="cut" style={{ maxWidth: 260 }}>
        {name}
      </dt>
      <dd>{children}</dd>
    </div>
  );
}
