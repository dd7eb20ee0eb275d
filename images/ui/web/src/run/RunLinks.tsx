import { Button, Code, CopyButton, Modal, Tooltip } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCode, IconExternalLink } from "@tabler/icons-react";

import type { RunKey } from "../api/queries";
import type { Run } from "../api/types";
import { kubeflowRun } from "../format/kubeflow";

/** How the run is had elsewhere: in a notebook, on a shell, and in Kubeflow Pipelines. */
export function RunLinks({ run, of }: { run: Run; of: RunKey }) {
  const [shown, { open, close }] = useDisclosure(false);
  const python = `from metaflow import Run, namespace\n\nnamespace(None)\nrun = Run("${of.flow}/${run.run}")`;
  const kubeflow = run.run_id?.startsWith("kfp-") ? run.run_id.slice(4) : null;
  const page = kubeflow && kubeflowRun(kubeflow);
  return (
    <>
      {page && (
        <Button component="a" href={page} target="_blank" rel="noreferrer" variant="default" leftSection={<IconExternalLink size={15} aria-hidden />}>
          Kubeflow
        </Button>
      )}
      <Button variant="default" leftSection={<IconCode size={15} aria-hidden />} onClick={open}>
        Use it
      </Button>
      <Modal opened={shown} onClose={close} title="This run in your code" size="lg">
        <p className="dim" style={{ marginTop: 0 }}>
          In a notebook or a script:
        </p>
        <Snippet text={python} />
        {kubeflow && (
          <>
            <p className="dim">It ran on Kubeflow Pipelines, as the run</p>
            <Snippet text={kubeflow} />
          </>
        )}
      </Modal>
    </>
  );
}

export function Snippet({ text }: { text: string }) {
  return (
    <div style={{ position: "relative" }}>
      <Code block tabIndex={0} style={{ paddingRight: 70 }}>
        {text}
      </Code>
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <Tooltip label="Copy">
            <Button size="compact-xs" variant="default" onClick={copy} style={{ position: "absolute", right: 8, top: 8 }}>
              {copied ? "Copied" : "Copy"}
            </Button>
          </Tooltip>
        )}
      </CopyButton>
    </div>
  );
}
