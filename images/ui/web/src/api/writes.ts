/** What the pages change, all of it by the metadata service below `api/metadata`. Everything here throws ApiError. */
import { address, send } from "./http";
import { type RunKey, runPath } from "./queries";
import type { Scope } from "./session";

const service = (segments: readonly string[]) => address(["metadata", ...segments]);

export interface Removed {
  runs?: number;
  tasks?: number;
}

/** Tags of one run. Gives those that it has now. */
export const changeTags = async (key: RunKey, add: readonly string[], remove: readonly string[]) =>
  (await send<{ tags: string[] }>("PATCH", service([...runPath(key), "tag", "mutate"]), { tags_to_add: add, tags_to_remove: remove })).tags;

export const deleteRun = (key: RunKey) => send<Removed>("DELETE", service(runPath(key)));
export const deleteFlow = (flow: string) => send<Removed>("DELETE", service(["flows", flow]));

export interface Policy {
  flows: string[];
  max_age_days?: number;
  keep_last?: number;
  keep_tags: string[];
}

/** How many runs these policies would remove. */
export const tryRetention = async (policies: readonly Policy[]) =>
  (await send<{ data: { runs: number } }>("POST", address(["retention", "dry-run"]), { policies })).data.runs;

export interface Token {
  token_id: string;
  name: string;
  scope: Scope;
  flows: string[];
  projects: string[];
  created_ts: number;
  expires_ts: number | null;
}

export interface NewToken {
  name: string;
  scope: Scope;
  flows?: string[];
  projects?: string[];
  valid_seconds?: number;
}

export interface IssuedToken {
  token: string;
  token_id: string;
  name: string;
}

export const tokensAddress = () => service(["tokens"]);
export const issueToken = (draft: NewToken) => send<IssuedToken>("POST", service(["tokens"]), draft);
export const rotateToken = (id: string) => send<IssuedToken>("POST", service(["tokens", id, "rotate"]), {});
export const revokeToken = (id: string) => send<Token>("DELETE", service(["tokens", id]));
