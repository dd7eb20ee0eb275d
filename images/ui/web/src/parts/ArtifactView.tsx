import { Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { previewQuery, type TaskKey } from "../api/queries";
import type { Artifact } from "../api/types";
import { size } from "../format/times";
import { Snippet } from "../run/RunLinks";
import { longValue } from "../run/values";
import { Problem, Waiting } from "./States";

/** What can be shown of an artifact, and how the whole of it is loaded. */
export function ArtifactModal({ of, artifact, close }: { of: TaskKey | null; artifact: Artifact | null; close: () => void }) {
  return (
    <Modal opened={artifact !== null} onClose={close} title={<span className="mono">{artifact?.name}</span>} size="xl">
      {of && artifact && <ArtifactView of={of} artifact={artifact} />}
    </Modal>
  );
}

function ArtifactView({ of, artifact }: { of: TaskKey; artifact: Artifact }) {
  const preview = useQuery(previewQuery(of, artifact.name, artifact.attempt_id));
  return (
    <div style={{ display: "grid", gap: 14 }}>
      <dl className="facts">
        <div>
          <dt>Step</dt>
          <dd>{artifact.step_name}</dd>
        </div>
        <div>
          <dt>Type</dt>
          <dd className="mono">{artifact.type ?? "–"}</dd>
        </div>
        {preview.data && (
          <div>
            <dt>Stored size</dt>
            <dd>{size(preview.data.size)}</dd>
          </div>
        )}
        <div>
          <dt>Checksum</dt>
          <dd className="mono">{artifact.sha ?? "–"}</dd>
        </div>
      </dl>
      {preview.isPending && <Waiting small />}
      {preview.isError && <Problem small error={preview.error} />}
      {preview.data && (
        <>
          {preview.data.kind === "none" ? (
            <p className="dim" style={{ margin: 0 }}>{preview.data.why}</p>
          ) : (
            <pre className="code" dir="auto" tabIndex={0} style={{ maxHeight: "42dvh" }}>{longValue(preview.data.value)}</pre>
          )}
          {preview.data.kind === "part" && <p className="dim" style={{ margin: 0 }}>This is a part of it, read without executing anything.</p>}
        </>
      )}
      <Snippet text={`from metaflow import Task, namespace\n\nnamespace(None)\nTask("${of.flow}/${of.run}/${of.step}/${of.task}")["${artifact.name}"].data`} />
    </div>
  );
}
