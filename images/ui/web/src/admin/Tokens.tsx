import { Button, Group, Modal, NumberInput, SegmentedControl, Select, TagsInput, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPlus } from "@tabler/icons-react";
import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { type ApiError, getPlain } from "../api/http";
import type { Scope } from "../api/session";
import { type IssuedToken, issueToken, type NewToken, revokeToken, rotateToken, type Token, tokensAddress } from "../api/writes";
import { Moment } from "../parts/Moment";
import { RemovalModal } from "../parts/RemovalModal";
import { Empty, Problem, Waiting } from "../parts/States";
import { Snippet } from "../run/RunLinks";

const DAY = 86_400;

const tokensQuery = queryOptions<Token[], ApiError>({
  queryKey: ["tokens"],
  queryFn: ({ signal }) => getPlain<Token[]>(tokensAddress(), signal),
});

/** Who may do what: tokens are issued, renewed and revoked. */
export function Tokens({ on }: { on: boolean }) {
  const [drafting, { open, close }] = useDisclosure(false);
  const [issued, setIssued] = useState<IssuedToken | null>(null);
  return (
    <section className="panel" aria-label="Tokens">
      <div className="panel-head">
        <h2>Tokens</h2>
        {on && (
          <Button size="compact-xs" variant="default" leftSection={<IconPlus size={13} aria-hidden />} onClick={open}>
            Issue a token
          </Button>
        )}
      </div>
      {on ? <Listed show={setIssued} /> : <Empty small title="Nobody needs a token">With MF_METADATA_AUTH=tokens the service and the UI ask for one.</Empty>}
      <Modal opened={drafting} onClose={close} title="Issue a token">
        <Draft
          done={(token) => {
            close();
            setIssued(token);
          }}
        />
      </Modal>
      <Modal opened={issued !== null} onClose={() => setIssued(null)} title={`The token of ${issued?.name ?? ""}`}>
        <p style={{ marginTop: 0 }}>It is shown this once. What is kept of it is a hash.</p>
        <Snippet text={issued?.token ?? ""} />
      </Modal>
    </section>
  );
}

function Listed({ show }: { show: (token: IssuedToken) => void }) {
  const client = useQueryClient();
  const tokens = useQuery(tokensQuery);
  const [revoked, setRevoked] = useState<Token | null>(null);
  const anew = () => void client.invalidateQueries(tokensQuery);
  const rotation = useMutation({
    mutationFn: (token: Token) => rotateToken(token.token_id),
    onSuccess: (token) => {
      anew();
      show(token);
    },
  });
  if (tokens.isPending) return <Waiting small />;
  if (!tokens.data) return <Problem small error={tokens.error} retry={() => void tokens.refetch()} />;
  if (tokens.data.length === 0) return <Empty small title="No tokens">Those of the settings are not listed.</Empty>;
  // A token that is revoked stays in the list, as one that has ended.
  const ended = (token: Token) => token.expires_ts !== null && token.expires_ts * 1000 <= tokens.dataUpdatedAt;
  return (
    <div style={{ overflowX: "auto" }} tabIndex={0} role="region" aria-label="Issued tokens">
      <table className="plain">
        <thead>
          <tr><th>Name</th><th>May</th><th>Reaches</th><th>Issued</th><th>Ends</th><th><span className="sr-only">What to do</span></th></tr>
        </thead>
        <tbody>
          {tokens.data.map((token) => (
            <tr key={token.token_id}>
              <td>{token.name} <span className="mono dim">{token.token_id}</span></td>
              <td>{token.scope}</td>
              <td>{reach(token)}</td>
              <td><Moment at={token.created_ts * 1000} /></td>
              <td>{token.expires_ts === null ? <span className="dim">never</span> : <Moment at={token.expires_ts * 1000} />}</td>
              <td style={{ textAlign: "right", whiteSpace: "nowrap" }}>
                {ended(token) ? (
                  <span className="dim">ended</span>
                ) : (
                  <>
                    <Button size="compact-xs" variant="default" mr={6} loading={rotation.isPending && rotation.variables === token} onClick={() => rotation.mutate(token)}>
                      Renew
                    </Button>
                    <Button size="compact-xs" variant="default" onClick={() => setRevoked(token)}>
                      Revoke
                    </Button>
                  </>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rotation.error && <Problem small error={rotation.error} />}
      <RemovalModal
        title="Revoke this token?"
        button="Revoke the token"
        opened={revoked !== null}
        close={() => setRevoked(null)}
        remove={() => revokeToken(revoked?.token_id ?? "")}
        done={() => {
          setRevoked(null);
          anew();
        }}
      >
        Whoever uses the token of <strong>{revoked?.name}</strong> is refused within ten seconds.
      </RemovalModal>
    </div>
  );
}

const reach = ({ flows, projects }: Token) => (flows.length > 0 ? `flows ${flows.map((one) => `${one}*`).join(", ")}` : projects.length > 0 ? `projects ${projects.map((one) => `${one}*`).join(", ")}` : "everything");

function Draft({ done }: { done: (token: IssuedToken) => void }) {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [scope, setScope] = useState<Scope>("read");
  const [of, setOf] = useState<"everything" | "flows" | "projects">("everything");
  const [names, setNames] = useState<string[]>([]);
  const [days, setDays] = useState<number | "">("");
  const issue = useMutation({
    mutationFn: () => {
      const draft: NewToken = { name: name.trim(), scope, ...(of === "everything" ? {} : { [of]: names }), ...(days === "" ? {} : { valid_seconds: Math.round(days * DAY) }) };
      return issueToken(draft);
    },
    onSuccess: (token) => {
      void client.invalidateQueries(tokensQuery);
      done(token);
    },
  });
  return (
    <form
      style={{ display: "grid", gap: 12 }}
      onSubmit={(event) => {
        event.preventDefault();
        issue.mutate();
      }}
    >
      <TextInput label="Name" placeholder="Whose or what for" value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
      <SegmentedControl aria-label="May" value={scope} onChange={(value) => setScope(value as Scope)} data={["read", "write", "admin"]} />
      <Select label="Reaches" value={of} onChange={(value) => setOf((value ?? "everything") as typeof of)} data={[{ value: "everything", label: "Everything" }, { value: "flows", label: "Flows whose names begin with" }, { value: "projects", label: "Projects whose names begin with" }]} allowDeselect={false} />
      {of !== "everything" && <TagsInput label="Beginnings of names" value={names} onChange={setNames} acceptValueOnBlur />}
      <NumberInput label="Days until it ends" placeholder="never" min={1} value={days} onChange={(value) => setDays(typeof value === "number" ? value : "")} />
      {issue.error && <div role="alert" style={{ color: "var(--failed)" }}>{issue.error.message}</div>}
      <Group justify="end">
        <Button type="submit" loading={issue.isPending} disabled={!name.trim() || (of !== "everything" && names.length === 0)}>
          Issue
        </Button>
      </Group>
    </form>
  );
}
