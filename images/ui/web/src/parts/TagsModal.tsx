import { Button, Group, Modal, TagsInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { namesQuery, type RunKey } from "../api/queries";
import type { Run } from "../api/types";
import { changeTags } from "../api/writes";

const AT_ONCE = 6;

/** Changes the tags of one run, or adds and removes some of several. */
export function TagsModal({ runs, opened, close }: { runs: readonly Run[]; opened: boolean; close: () => void }) {
  return (
    <Modal opened={opened} onClose={close} title={runs.length === 1 ? "Tags of this run" : `Tags of ${runs.length} runs`} size="md">
      {opened && <Editor runs={runs} close={close} />}
    </Modal>
  );
}

function Editor({ runs, close }: { runs: readonly Run[]; close: () => void }) {
  const client = useQueryClient();
  const one = runs.length === 1 ? runs[0] : undefined;
  const [kept, setKept] = useState<string[]>(one?.tags ?? []);
  const [removed, setRemoved] = useState<string[]>([]);
  const add = one ? kept.filter((tag) => !one.tags.includes(tag)) : kept.filter((tag) => !removed.includes(tag));
  const remove = one ? one.tags.filter((tag) => !kept.includes(tag)) : removed;
  const save = useMutation({
    mutationFn: () => changeAll(runs, add, remove),
    onSuccess: (failed) => {
      for (const name of ["runs", "run", "flow-runs", "names"]) void client.invalidateQueries({ queryKey: [name] });
      const [first] = failed;
      if (first) notifications.show({ color: "red", title: `${failed.length} of ${runs.length} runs kept their tags`, message: first });
      else close();
    },
  });
  return (
    <form
      style={{ display: "grid", gap: 14 }}
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <Tagging label={one ? "Tags" : "Add"} value={kept} onChange={setKept} />
      {!one && <Tagging label="Remove" value={removed} onChange={setRemoved} offered={[...new Set(runs.flatMap((run) => run.tags))]} />}
      {one && one.system_tags.length > 0 && (
        <p className="dim" style={{ margin: 0, overflowWrap: "anywhere" }}>
          Metaflow’s own, which stay: {one.system_tags.map((tag) => tag.slice(0, 80)).join(", ")}
        </p>
      )}
      <Group justify="end" gap="xs">
        <Button variant="default" onClick={close}>
          Cancel
        </Button>
        <Button type="submit" loading={save.isPending} disabled={add.length + remove.length === 0}>
          Save
        </Button>
      </Group>
    </form>
  );
}

function Tagging({ label, value, onChange, offered }: { label: string; value: string[]; onChange: (tags: string[]) => void; offered?: string[] }) {
  const [typed, setTyped] = useState("");
  const [asked] = useDebouncedValue(typed, 150);
  const { data: known = [] } = useQuery({ ...namesQuery("tag", asked.trim()), enabled: !offered });
  return <TagsInput label={label} placeholder="Type, then Enter" value={value} onChange={onChange} searchValue={typed} onSearchChange={setTyped} data={offered ?? (typed ? known.filter((tag) => tag.length < 200) : [])} acceptValueOnBlur maxDropdownHeight={180} />;
}

const keyOf = (run: Run): RunKey => ({ flow: run.flow_id, run: run.run });

/** Gives why those runs refused that did. */
async function changeAll(runs: readonly Run[], add: string[], remove: string[]): Promise<string[]> {
  const failed: string[] = [];
  for (let start = 0; start < runs.length; start += AT_ONCE) {
    const done = await Promise.allSettled(runs.slice(start, start + AT_ONCE).map((run) => changeTags(keyOf(run), add, remove)));
    for (const one of done) if (one.status === "rejected") failed.push(one.reason instanceof Error ? one.reason.message : String(one.reason));
  }
  return failed;
}
