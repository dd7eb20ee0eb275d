import { Button, Group, Modal, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";

interface Props {
  title: string;
  /** What must be typed, where much goes at once. */
  word?: string;
  button: string;
  remove: () => Promise<unknown>;
  done: () => void;
  opened: boolean;
  close: () => void;
  children: ReactNode;
}

/** Asks once more before something goes for good. */
export function RemovalModal({ title, opened, close, ...rest }: Props) {
  return (
    <Modal opened={opened} onClose={close} title={title} size="md">
      {opened && <Question close={close} {...rest} />}
    </Modal>
  );
}

function Question({ word, button, remove, done, close, children }: Omit<Props, "title" | "opened">) {
  const client = useQueryClient();
  const [typed, setTyped] = useState("");
  const removal = useMutation({
    mutationFn: remove,
    onSuccess: () => {
      done();
      for (const name of ["runs", "flows", "flow-runs", "names"]) void client.invalidateQueries({ queryKey: [name] });
    },
  });
  return (
    <form
      style={{ display: "grid", gap: 14 }}
      onSubmit={(event) => {
        event.preventDefault();
        removal.mutate();
      }}
    >
      <div>{children}</div>
      {word && <TextInput label={`Type ${word} to go on`} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} autoComplete="off" />}
      {removal.error && (
        <div role="alert" style={{ color: "var(--failed)" }}>
          {removal.error.message}
        </div>
      )}
      <Group justify="end" gap="xs">
        <Button variant="default" onClick={close}>
          Cancel
        </Button>
        <Button type="submit" color="red.8" loading={removal.isPending} disabled={word !== undefined && typed !== word}>
          {button}
        </Button>
      </Group>
    </form>
  );
}
