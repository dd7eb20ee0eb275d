import { ActionIcon, Menu } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { IconDots, IconTrash } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";

import type { RunKey } from "../api/queries";
import { useMay } from "../api/session";
import { deleteRun } from "../api/writes";
import { RemovalModal } from "../parts/RemovalModal";

/** What is done to a run rarely, by those who may. */
export function RunMenu({ of }: { of: RunKey }) {
  const [asking, { open, close }] = useDisclosure(false);
  const navigate = useNavigate();
  if (!useMay("admin")) return null;
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="default" size={30} aria-label="More">
            <IconDots size={16} aria-hidden />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconTrash size={15} aria-hidden />} onClick={open}>
            Delete this run…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <RemovalModal
        title="Delete this run?"
        button="Delete the run"
        opened={asking}
        close={close}
        remove={() => deleteRun(of)}
        done={() => {
          notifications.show({ message: `Run ${of.run} of ${of.flow} is deleted` });
          void navigate({ to: "/", search: { flow: of.flow } });
        }}
      >
        All that was recorded of <strong className="mono">{of.flow}/{of.run}</strong> goes for good: its tasks, metadata, tags and the names of its artifacts. What it left in the datastore goes with the next retention.
      </RemovalModal>
    </>
  );
}
