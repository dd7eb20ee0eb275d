import "./code.css";

import { Autocomplete, Switch } from "@mantine/core";
import { IconGitCompare } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";

import { codeDiffQuery, codeFileQuery, codeQuery, flowRunsQuery, type RunKey } from "../../api/queries";
import type { CodeDifference, CodeFile } from "../../api/types";
import { count } from "../../format/times";
import { Empty, Problem, Waiting } from "../../parts/States";
import { coloured } from "./highlight";

const route = getRouteApi("/flows/$flow/runs/$run");
const OFFERED = 100;

/** The code that the run was made from, or what differs in that of another run. */
export default function CodeTab({ of }: { of: RunKey }) {
  const search = route.useSearch();
  const code = useQuery(codeQuery(of));
  if (code.isPending) return <Waiting />;
  if (!code.data) {
    return code.error.status === 404 ? (
      <Empty title="No code">{code.error.message} Runs in containers have one: Metaflow stores it when they begin.</Empty>
    ) : (
      <Problem error={code.error} retry={() => void code.refetch()} />
    );
  }
  return (
    <>
      <Other of={of} chosen={search.with ?? ""} />
      {search.with ? <Differences of={of} other={search.with} /> : <Files of={of} files={code.data} shown={search.file} />}
    </>
  );
}

function Other({ of, chosen }: { of: RunKey; chosen: string }) {
  const navigate = useNavigate({ from: "/flows/$flow/runs/$run" });
  const [typed, setTyped] = useState(chosen);
  const runs = useQuery(flowRunsQuery(of.flow, OFFERED));
  const offered = useMemo(() => (runs.data?.data ?? []).map((run) => `${run.flow_id}/${run.run}`).filter((one) => one !== `${of.flow}/${of.run}`), [runs.data, of]);
  const choose = (other: string) => void navigate({ search: (before) => ({ ...before, with: /^[^/]+\/[^/]+$/.test(other) ? other : undefined }), replace: true });
  return (
    <div className="toolbar" role="search" aria-label="Code">
      <Autocomplete
        size="xs"
        w={330}
        leftSection={<IconGitCompare size={14} aria-hidden />}
        placeholder="Compare with, as Flow/run"
        aria-label="Compare with"
        data={offered}
        limit={30}
        value={typed}
        clearable
        onChange={(value) => {
          setTyped(value);
          if (value === "") choose("");
        }}
        onOptionSubmit={choose}
        onKeyDown={(event) => {
          if (event.key === "Enter") choose(typed.trim());
        }}
      />
    </div>
  );
}

function Files({ of, files, shown }: { of: RunKey; files: CodeFile[]; shown: string | undefined }) {
  const [all, setAll] = useState(() => files.some((file) => file.path === shown && file.of_metaflow));
  const listed = files.filter((file) => all || !file.of_metaflow);
  const path = shown ?? files.find((file) => !file.of_metaflow && file.path.endsWith(".py"))?.path ?? files[0]?.path;
  const hidden = files.filter((file) => file.of_metaflow).length;
  return (
    <div className="code-view grow">
      <nav className="panel code-files" aria-label="Files">
        {hidden > 0 && <Switch size="xs" m="xs" label={`Metaflow’s own ${count(hidden)}`} checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />}
        {listed.map((file) => (
          <Link key={file.path} to="/flows/$flow/runs/$run" params={of} search={{ tab: "code", file: file.path }} replace aria-current={file.path === path ? "true" : undefined}>
            {file.path}
          </Link>
        ))}
      </nav>
      <div className="panel" style={{ display: "flex", minHeight: 0 }}>{path === undefined ? <Empty title="The package is empty" /> : <File of={of} path={path} />}</div>
    </div>
  );
}

function File({ of, path }: { of: RunKey; path: string }) {
  const file = useQuery(codeFileQuery(of, path));
  const text = file.data?.text;
  const drawn = useMemo(() => (text === undefined ? null : coloured(path, text)), [path, text]);
  if (file.isPending) return <Waiting />;
  if (text === undefined) return <Problem error={file.error ?? new Error("There is no text.")} />;
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  return (
    <div className="code-text grow" tabIndex={0} role="region" aria-label={`File ${path}`}>
      <pre className="code-numbers" aria-hidden>{Array.from({ length: lines }, (_, place) => place + 1).join("\n")}</pre>
      <pre>{drawn}</pre>
    </div>
  );
}

function Differences({ of, other }: { of: RunKey; other: string }) {
  const found = useQuery(codeDiffQuery(of, other));
  if (found.isPending) return <Waiting />;
  if (!found.data) return <Problem error={found.error} retry={() => void found.refetch()} />;
  if (found.data.length === 0) return <Empty title="The same code">Both packages have the same files, apart from Metaflow’s own.</Empty>;
  return (
    <div className="code-diffs grow" tabIndex={0} role="region" aria-label="Differences">
      <div className="dim">
        From this run to <span className="mono">{other}</span>: {count(found.data.length)} {found.data.length === 1 ? "file differs" : "files differ"}
      </div>
      {found.data.map((one) => (
        <Difference key={one.path} of={one} />
      ))}
    </div>
  );
}

function Difference({ of: { path, kind, lines } }: { of: CodeDifference }) {
  return (
    <section className="panel code-diff" style={{ flex: "none" }}>
      <div className="panel-head">
        <h3 className="mono">{path}</h3>
        <span className="dim">{kind}</span>
      </div>
      {lines === null ? (
        <p className="dim panel-body" style={{ margin: 0 }}>It is no text, or too long to be shown.</p>
      ) : (
        <pre tabIndex={0}>
          {lines.map((line, place) => (
            <span key={place} className={CLASSES[line[0] ?? ""]}>
              {line || " "}
            </span>
          ))}
        </pre>
      )}
    </section>
  );
}

const CLASSES: Record<string, string> = { "+": "diff-added", "-": "diff-removed", "@": "diff-place" };
