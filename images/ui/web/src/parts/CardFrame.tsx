import { ActionIcon, Tooltip } from "@mantine/core";
import { IconArrowsDiagonal } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";

import { address } from "../api/http";
import { cardDataQuery, type TaskKey, taskPath } from "../api/queries";
import type { Card } from "../api/types";
import { size } from "../format/times";

interface Props {
  of: TaskKey;
  card: Card;
  title?: ReactNode;
  /** Whether the task runs still, so that the card may change. */
  running?: boolean;
}

/** A card in a frame of an origin of its own: it reaches neither this page, nor the API, nor a network. */
export function CardFrame({ of, card, title, running = false }: Props) {
  const [tall, setTall] = useState(false);
  const frame = useRef<HTMLIFrameElement>(null);
  const url = address([...taskPath(of), "cards", card.hash]);
  const { tell, drawn } = useTold(frame, of, card.hash, running);
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
      {/* What is drawn anew, at the end of the task too, is another page at the same address. */}
      <iframe key={running ? `running ${drawn}` : "ended"} ref={frame} onLoad={tell} src={url} sandbox="allow-scripts" referrerPolicy="no-referrer" loading="lazy" title={`Card ${card.id ?? card.type} of ${of.step}`} style={{ display: "block", width: "100%", height: tall ? "80dvh" : 420, border: 0, background: "#fff", borderRadius: "0 0 8px 8px", colorScheme: "light" }} />
    </section>
  );
}

/** Tells the card in the frame what it shows now, whenever that changes; how often its page has been drawn anew is `drawn`. */
function useTold(frame: React.RefObject<HTMLIFrameElement | null>, of: TaskKey, hash: string, running: boolean): { tell: () => void; drawn: number } {
  const now = useQuery({ ...cardDataQuery(of, hash), enabled: running }).data;
  const [page, setPage] = useState<{ token: string | undefined; drawn: number }>({ token: undefined, drawn: 0 });
  // Loaded from here, for what the frame itself asks for comes from no origin, and so without the cookie of a login.
  if (now && now.reload_token !== page.token) setPage({ token: now.reload_token, drawn: page.token === undefined ? 0 : page.drawn + 1 });
  const tell = useCallback(() => {
    // Its origin is one that has no name, so the message cannot say for whom it is; nothing in it is secret to the card.
    if (now) frame.current?.contentWindow?.postMessage({ tributaryCard: { token: now.reload_token, data: now.data } }, "*");
  }, [frame, now]);
  useEffect(tell, [tell]);
  return { tell, drawn: page.drawn };
}
