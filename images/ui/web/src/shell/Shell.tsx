import { ActionIcon, Kbd, Modal, Tooltip, useMantineColorScheme, useComputedColorScheme } from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import { IconKeyboard, IconMoon, IconSun } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { useEffect } from "react";

import { listen, useLive } from "../api/live";
import { isOpen, sessionQuery, useMay } from "../api/session";
import { Empty, Problem, Waiting } from "../parts/States";
import { Account } from "./Account";
import { LoginPage } from "./LoginPage";

const KEYS: [string, string][] = [
  ["/", "Find a run"],
  ["j  k", "Next, previous row"],
  ["Enter", "Open the row"],
  ["x", "Choose the row"],
  ["c", "Compare what is chosen"],
  ["d", "Light or dark"],
  ["?", "These keys"],
];

export function Shell() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const [keys, { open, close }] = useDisclosure(false);
  const client = useQueryClient();
  const session = useQuery(sessionQuery);
  const admitted = isOpen || Boolean(session.data?.caller);
  const admin = useMay("admin", true);
  useEffect(() => (admitted ? listen(client) : undefined), [admitted, client]);
  const turn = () => setColorScheme(scheme === "dark" ? "light" : "dark");
  useHotkeys([["shift+?", open], ["d", turn]]);
  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>
        Skip to the page
      </a>
      <header className="shell-head">
        <Link to="/" className="brand" aria-label="Tributary">
          <img src={new URL("icon.svg", document.baseURI).pathname} alt="" />
          <span className="brand-name">Tributary</span>
        </Link>
        <nav className="nav" aria-label="Pages">
          <Link to="/" activeOptions={{ exact: true, includeSearch: false }}>
            Runs
          </Link>
          <Link to="/flows" activeOptions={{ exact: true }}>
            Flows
          </Link>
          {admin && <Link to="/admin">Admin</Link>}
        </nav>
        <span className="grow" />
        {admitted && <Connection />}
        <Account />
        <Tooltip label="Keys (?)">
          <ActionIcon variant="subtle" color="gray" aria-label="Keys" onClick={open}>
            <IconKeyboard size={18} aria-hidden />
          </ActionIcon>
        </Tooltip>
        <Tooltip label={scheme === "dark" ? "Light (d)" : "Dark (d)"}>
          <ActionIcon variant="subtle" color="gray" aria-label={scheme === "dark" ? "Light colours" : "Dark colours"} onClick={turn}>
            {scheme === "dark" ? <IconSun size={18} aria-hidden /> : <IconMoon size={18} aria-hidden />}
          </ActionIcon>
        </Tooltip>
      </header>
      <main id="main" className="shell-main" tabIndex={-1}>
        {admitted ? <Outlet /> : session.data ? <LoginPage /> : session.error ? <Problem error={session.error} retry={() => void session.refetch()} /> : <Waiting />}
      </main>
      <Modal opened={keys} onClose={close} title="Keys" size="sm">
        <dl className="pairs">
          {KEYS.map(([key, meaning]) => (
            <div key={key} style={{ display: "contents" }}>
              <dt>{key.split("  ").map((one) => <Kbd key={one} mr={4}>{one}</Kbd>)}</dt>
              <dd>{meaning}</dd>
            </div>
          ))}
        </dl>
      </Modal>
    </div>
  );
}

function Connection() {
  const live = useLive();
  return (
    <Tooltip label={live ? "What changes shows up by itself" : "No feed of changes; the pages ask every few seconds"}>
      <span className="connection" data-live={live || undefined} role="status">
        {live ? "Live" : "Connecting"}
      </span>
    </Tooltip>
  );
}

export function NotHere() {
  return (
    <Empty title="There is no such page">
      <Link to="/" className="link">
        To all runs
      </Link>
    </Empty>
  );
}
