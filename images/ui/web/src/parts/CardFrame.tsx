import { ActionIcon, Tooltip } from "@mantine/core";
import { IconArrowsDiagonal } from "@tabler/icons-react";
import { useState } from "react";

import { address } from "../api/http";
import { type TaskKey, taskPath } from "../api/queries";
import type { Card } from "../api/types";
import { size } from "../format/times";

/** A card in a frame of an origin of its own: it reaches neither this page, nor the API, nor a network. */
export function CardFrame({ of, card, title }: { of: TaskKey; card: Card; title?: React.ReactNode }) {
  const [tall, setTall] = useState(false);
  const url = address([...taskPath(of), "cards", card.hash]);
  return (
    <section className="panel">
      <div className="panel-head">
        <h3 className="cut">{title ?? card.id ?? card.type}</h3>
        <span className="dim">
          {card.type} · {size(card.size)}
          <Tooltip label={tall ? "Smaller" : "Larger"}>
            <ActionIcon variant="subtle" color="gray" size="sm" ml={6} aria-label={tall ? "Smaller" : "Larger"} onClick={() => setTall(!tall)}>
              <IconArrowsDiagonal size={15} aria-hidden />
            </ActionIcon>
          </Tooltip>
        </span>
      </div>
      <iframe src={url} sandbox="allow-scripts" referrerPolicy="no-referrer" loading="lazy" title={`Card ${card.id ?? card.type} of ${of.step}`} style={{ display: "block", width: "100%", height: tall ? "80dvh" : 420, border: 0, background: "#fff", borderRadius: "0 0 8px 8px", colorScheme: "light" }} />
    </section>
  );
}
