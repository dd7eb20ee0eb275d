/** Who looks at the pages, and what that somebody may do. */
import { queryOptions, useQuery } from "@tanstack/react-query";

import { address, type ApiError, getOne, send } from "./http";

export type Scope = "read" | "write" | "admin";

export interface Session {
  auth: "off" | "tokens";
  caller: string | null;
  scope: Scope | null;
  everywhere: boolean;
}

const SCOPES: readonly Scope[] = ["read", "write", "admin"];

/** Whether the backend asks nobody for a token. It says so in the document, so that nothing waits for the session. */
export const isOpen = document.querySelector<HTMLMetaElement>('meta[name="auth"]')?.content === "off";

export const sessionQuery = queryOptions<Session, ApiError>({
  queryKey: ["session"],
  queryFn: ({ signal }) => getOne<Session>(address(["session"]), signal),
  staleTime: 60_000,
});

/** Whether the caller may do what takes this scope, as far as that does not depend on the flow or project. */
export function useMay(needed: Scope, everywhere = false): boolean {
  const session = useQuery(sessionQuery).data;
  if (!session?.scope || (everywhere && !session.everywhere)) return false;
  return SCOPES.indexOf(session.scope) >= SCOPES.indexOf(needed);
}

export const logIn = async (token: string) => (await send<{ data: Session }>("POST", address(["login"]), { token })).data;
export const logOut = async () => (await send<{ data: Session }>("POST", address(["logout"]))).data;
