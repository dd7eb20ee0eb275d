/** Which runs are compared, as it stands in the URL: `Flow/run,Flow/run`. */

export interface CompareSearch {
  runs?: string;
}

export const MOST = 10;

export function readCompareSearch(raw: Record<string, unknown>): CompareSearch {
  return typeof raw.runs === "string" && raw.runs ? { runs: raw.runs } : {};
}

/** Flow and run of each, in their order and once. */
export function comparedRuns(search: CompareSearch): { flow: string; run: string }[] {
  const parts = [...new Set((search.runs ?? "").split(","))];
  return parts.flatMap((part) => {
    const [flow, run] = part.split("/");
    return flow && run ? [{ flow, run }] : [];
  });
}
