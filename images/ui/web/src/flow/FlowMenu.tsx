import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { IconTrash } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";

import { useMay } from "../api/session";
import { deleteFlow } from "../api/writes";
import { RemovalModal } from "../parts/RemovalModal";

/** Takes a flow away with all its runs, for those who may. */
export function FlowMenu({ flow }: { flow: string }) {
  const [asking, { open, close }] = useDisclosure(false);
  const navigate = useNavigate();
  if (!useMay("admin")) return null;
  return (
    <>
      <Button variant="default" leftSection={<IconTrash size={15} aria-hidden />} onClick={open}>
        Delete…
      </Button>
      <RemovalModal
        title="Delete this flow?"
        button="Delete the flow and its runs"
        word={flow}
        opened={asking}
        close={close}
        remove={() => deleteFlow(flow)}
        done={() => {
          notifications.show({ message: `Flow ${flow} is deleted` });
          void navigate({ to: "/flows" });
        }}
      >
        All runs of it go for good, with all that was recorded of them. What they left in the datastore goes with the next retention.
      </RemovalModal>
    </>
  );
}
