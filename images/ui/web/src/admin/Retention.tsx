import { ActionIcon, Button, NumberInput, TagsInput, Tooltip } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { type Policy, tryRetention } from "../api/writes";
import { count } from "../format/times";
import { Snippet } from "../run/RunLinks";

interface Rule {
  id: number;
  flows: string[];
  days: number | "";
  last: number | "";
  tags: string[];
}

let made = 0;
const rule = (): Rule => ({ id: ++made, flows: ["*"], days: 90, last: 10, tags: [] });

const policyOf = (one: Rule): Policy => ({
  flows: one.flows,
  ...(one.days === "" ? {} : { max_age_days: one.days }),
  ...(one.last === "" ? {} : { keep_last: one.last }),
  keep_tags: one.tags,
});

/** What rules would remove, before anybody lets them. */
export function Retention() {
  const [rules, setRules] = useState<Rule[]>(() => [rule()]);
  const policies = rules.map(policyOf);
  const trial = useMutation({ mutationFn: () => tryRetention(policies) });
  const change = (next: Rule[]) => {
    setRules(next);
    trial.reset();
  };
  const set = (id: number, part: Partial<Rule>) => change(rules.map((one) => (one.id === id ? { ...one, ...part } : one)));
  const whole = rules.every((one) => one.flows.length > 0 && (one.days !== "" || one.last !== ""));
  return (
    <section className="panel" aria-label="Retention">
      <div className="panel-head">
        <h2>Retention</h2>
        <Button size="compact-xs" variant="default" leftSection={<IconPlus size={13} aria-hidden />} onClick={() => change([...rules, rule()])}>
          Another rule
        </Button>
      </div>
      <form
        className="panel-body"
        style={{ display: "grid", gap: 12 }}
        onSubmit={(event) => {
          event.preventDefault();
          trial.mutate();
        }}
      >
        <p className="dim" style={{ margin: 0 }}>
          A run stays while it runs, or when any part of the first rule for its flow keeps it. This only counts; what removes runs is the chart’s retention, which takes the same rules.
        </p>
        {rules.map((one) => (
          <div key={one.id} className="admin-row">
            <TagsInput label="Flows, * for any letters" value={one.flows} onChange={(flows) => set(one.id, { flows })} acceptValueOnBlur />
            <NumberInput label="Younger than days" min={0} value={one.days} onChange={(days) => set(one.id, { days: typeof days === "number" ? days : "" })} />
            <NumberInput label="The last of each flow" min={0} allowDecimal={false} value={one.last} onChange={(last) => set(one.id, { last: typeof last === "number" ? last : "" })} />
            <TagsInput label="With a tag" value={one.tags} onChange={(tags) => set(one.id, { tags })} acceptValueOnBlur />
            {rules.length > 1 && (
              <Tooltip label="Without this rule">
                <ActionIcon variant="subtle" color="gray" aria-label="Without this rule" onClick={() => change(rules.filter((other) => other.id !== one.id))}>
                  <IconTrash size={15} aria-hidden />
                </ActionIcon>
              </Tooltip>
            )}
          </div>
        ))}
        <div className="toolbar">
          <Button type="submit" loading={trial.isPending} disabled={!whole}>
            Count what would go
          </Button>
          <span role="status">
            {trial.data !== undefined && (trial.data === 1 ? "1 run would be removed. Nothing was." : `${count(trial.data)} runs would be removed. Nothing was.`)}
            {trial.error && <span style={{ color: "var(--failed)" }}>{trial.error.message}</span>}
          </span>
        </div>
        {trial.data !== undefined && <Snippet text={JSON.stringify({ policies }, null, 2)} />}
      </form>
    </section>
  );
}
