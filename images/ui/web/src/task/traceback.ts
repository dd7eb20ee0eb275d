/** Finds in the lines of a log what ended the task. */

export interface Cause {
  /** The exception as Python prints it: its class and its words. */
  exception: string;
  /** The whole traceback with it. */
  traceback: string;
}

const BEGIN = "Traceback (most recent call last):";
const EXCEPTION = /^[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Failed|Warning|Timeout|[A-Z]\w*)?(?::|$)/;

/** The last traceback in the lines, null where there is none. */
export function causeIn(lines: readonly string[]): Cause | null {
  const plain = lines.map(withoutColours);
  let begin = plain.length - 1;
  while (begin >= 0 && !plain[begin]?.includes(BEGIN)) begin -= 1;
  if (begin < 0) return null;
  let end = begin + 1;
  // Of the traceback is what is indented; its last line is the exception, whose text may have more lines.
  while (end < plain.length && (/^\s/.test(plain[end] ?? "") || plain[end] === "")) end += 1;
  if (end >= plain.length || !EXCEPTION.test(plain[end] ?? "")) return { exception: plain[Math.min(end, plain.length - 1)] ?? "", traceback: plain.slice(begin, end + 1).join("\n") };
  let last = end + 1;
  while (last < plain.length && last < end + 12 && plain[last] !== "" && !/^(INFO|WARNING|DEBUG|ERROR|\d{4}-)/.test(plain[last] ?? "")) last += 1;
  return { exception: plain.slice(end, last).join("\n"), traceback: plain.slice(begin, last).join("\n") };
}

/** The first line of an exception, for lists. */
export const inShort = (cause: Cause) => cause.exception.split("\n")[0]?.slice(0, 300) ?? "";

export const withoutColours = (line: string) => line.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "").replace(/\r$/, "");
