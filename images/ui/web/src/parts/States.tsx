import { Button, Loader } from "@mantine/core";
import { IconCloudOff, IconMoodEmpty, IconZoomQuestion } from "@tabler/icons-react";
import type { ReactNode } from "react";

import { ApiError } from "../api/http";

/** There is nothing to show, and what to do about it. */
export function Empty({ title, children, small = false }: { title: string; children?: ReactNode; small?: boolean }) {
  return (
    <div className={small ? "state small" : "state"}>
      {!small && <IconMoodEmpty size={30} stroke={1.4} aria-hidden />}
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Waiting({ small = false }: { small?: boolean }) {
  return (
    <div className={small ? "state small" : "state"} role="status" aria-label="Loading">
      <Loader size="sm" type="dots" />
    </div>
  );
}

/** What went wrong, and whether trying again may help. */
export function Problem({ error, retry, small = false }: { error: Error; retry?: () => void; small?: boolean }) {
  const status = error instanceof ApiError ? error.status : -1;
  const [title, advice] = told(status);
  const Icon = status === 404 ? IconZoomQuestion : IconCloudOff;
  return (
    <div className={small ? "state small" : "state"} role="alert">
      {!small && <Icon size={30} stroke={1.4} aria-hidden />}
      <strong>{title}</strong>
      <p>{error.message}</p>
      {advice && <p>{advice}</p>}
      {retry && status !== 404 && (
        <Button variant="default" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

function told(status: number): [string, string] {
  if (status === 404) return ["Not found", ""];
  if (status === 400) return ["This cannot be asked", ""];
  if (status === 401 || status === 403) return ["Not allowed", "Log in with a token that may read this."];
  if (status === 503) return ["Not reachable right now", "This page goes on by itself when it is back."];
  if (status === 0) return ["No connection", "Look whether the backend still runs. This page goes on by itself when it is back."];
  return ["Something went wrong", "It is in the backend's log."];
}
