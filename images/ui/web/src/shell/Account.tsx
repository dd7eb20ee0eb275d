import { ActionIcon, Menu } from "@mantine/core";
import { IconLogout, IconUser } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";

import { logOut, sessionQuery } from "../api/session";

/** Who is logged in, and the way out. Nothing where nobody is asked for a token. */
export function Account() {
  const client = useQueryClient();
  const session = useQuery(sessionQuery).data;
  if (session?.auth !== "tokens" || session.caller === null) return null;
  const leave = async () => {
    const left = await logOut();
    client.setQueryData(sessionQuery.queryKey, left);
    client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label="Account">
          <IconUser size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session.caller} · may {session.scope}
        </Menu.Label>
        <Menu.Item leftSection={<IconLogout size={15} aria-hidden />} onClick={() => void leave()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
