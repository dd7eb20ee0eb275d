import { Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { sessionQuery, useMay } from "../api/session";
import { Empty, Waiting } from "../parts/States";
import { Retention } from "./Retention";
import { Tokens } from "./Tokens";

/** What only who may do everything is shown: old runs, and tokens. */
export function AdminPage() {
  const session = useQuery(sessionQuery).data;
  const may = useMay("admin", true);
  if (!session) return <Waiting />;
  if (!may) return <Empty title="Not for this token">Retention and tokens take a token with the scope admin that reaches all flows and projects. Log in with such a one.</Empty>;
  return (
    <div className="page scrolls" tabIndex={0} role="region" aria-label="Admin">
      <div className="page-head">
        <Title order={1}>Admin</Title>
      </div>
      <Retention />
      <Tokens on={session.auth === "tokens"} />
    </div>
  );
}
