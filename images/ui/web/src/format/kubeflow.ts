/** Links into the pages of Kubeflow Pipelines. */

const BASE = typeof document === "undefined" ? "" : (document.querySelector<HTMLMetaElement>('meta[name="kubeflow"]')?.content ?? "");

/** The page of a run of Kubeflow Pipelines; null where the backend does not know where that is. */
export function kubeflowRun(id: string, base = BASE): string | null {
  return /^https?:\/\//.test(base) ? `${base}/#/runs/details/${encodeURIComponent(id)}` : null;
}
