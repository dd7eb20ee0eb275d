import { Button, PasswordInput, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { ApiError } from "../api/http";
import { logIn, sessionQuery } from "../api/session";

/** In the place of the page that was asked for, which comes as soon as somebody is logged in. */
export function LoginPage() {
  const client = useQueryClient();
  const [token, setToken] = useState("");
  const login = useMutation({
    mutationFn: () => logIn(token.trim()),
    onSuccess: (session) => {
      client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
      client.setQueryData(sessionQuery.queryKey, session);
    },
  });
  const refused = login.error instanceof ApiError && login.error.status === 401;
  return (
    <form
      className="panel login"
      aria-label="Log in"
      onSubmit={(event) => {
        event.preventDefault();
        login.mutate();
      }}
    >
      <Title order={1}>Log in</Title>
      <p className="dim">With a token of the metadata service, the one that Metaflow has in METAFLOW_SERVICE_AUTH_KEY. Whoever may do everything issues others under Admin.</p>
      <PasswordInput size="sm" label="Token" autoFocus autoComplete="current-password" value={token} onChange={(event) => setToken(event.currentTarget.value)} error={login.error && (refused ? "This token is not known, or no longer valid." : login.error.message)} />
      <Button type="submit" size="sm" disabled={!token.trim()} loading={login.isPending}>
        Log in
      </Button>
    </form>
  );
}
