import { ActionIcon, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconPencil } from "@tabler/icons-react";

import { useMay } from "../api/session";
import type { Run } from "../api/types";
import { Tags } from "../parts/Tags";
import { TagsModal } from "../parts/TagsModal";

/** The tags of a run, which those who may write change. */
export function RunTags({ run }: { run: Run }) {
  const [editing, { open, close }] = useDisclosure(false);
  const may = useMay("write");
  return (
    <span style={{ display: "flex", gap: 6, alignItems: "center" }}>
      {run.tags.length > 0 ? <Tags of={run.tags} wrap /> : <span className="dim">none</span>}
      {may && (
        <>
          <Tooltip label="Change the tags">
            <ActionIcon variant="subtle" color="gray" size="sm" aria-label="Change the tags" onClick={open}>
              <IconPencil size={15} aria-hidden />
            </ActionIcon>
          </Tooltip>
          <TagsModal runs={[run]} opened={editing} close={close} />
        </>
      )}
    </span>
  );
}
