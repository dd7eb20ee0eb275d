/** Values of parameters and artifacts as text. */

/** In one line, cut where it is long. */
export function shortValue(value: unknown, most = 120): string {
  const text = typeof value === "string" ? value : value === undefined ? "–" : JSON.stringify(value);
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** Whole, as a programmer writes it. */
export const longValue = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
