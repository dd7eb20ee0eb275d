/** Asks the backend. All addresses are below `api` beside the document's base, so no other host is ever asked. */

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export interface Listed<T> {
  data: T[];
  next: number | null;
}

/** A list stands for the same parameter several times. */
export type Query = Record<string, string | number | undefined | readonly string[]>;

/** The address of something below `api`; segments are escaped. */
export function address(segments: readonly (string | number)[], query: Query = {}): string {
  const path = segments.map((segment) => encodeURIComponent(segment)).join("/");
  const url = new URL(`api/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    const given = Array.isArray(value) ? (value as readonly string[]) : value === undefined || value === "" ? [] : [String(value)];
    for (const one of given) url.searchParams.append(name, one);
  }
  return url.pathname + url.search;
}

async function fetched(url: string, given: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { ...given, headers: { Accept: "application/json", ...given.headers } });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The UI's backend does not answer.");
  }
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => null);
  const told = body !== null && typeof body === "object" && "message" in body ? String(body.message) : "";
  throw new ApiError(response.status, told || `The backend answers with ${response.status}.`);
}

/** One object. Throws ApiError. */
export async function getOne<T>(url: string, signal?: AbortSignal): Promise<T> {
  const body = (await (await fetched(url, { signal: signal ?? null })).json()) as { data: T };
  return body.data;
}

/** A page of a list, with the number of the next one. Throws ApiError. */
export async function getList<T>(url: string, signal?: AbortSignal): Promise<Listed<T>> {
  const body = (await (await fetched(url, { signal: signal ?? null })).json()) as { data: T[]; pages: { next: number | null } };
  return { data: body.data, next: body.pages.next };
}

/** What the metadata service gives, which has no envelope. Throws ApiError. */
export async function getPlain<T>(url: string, signal?: AbortSignal): Promise<T> {
  return (await (await fetched(url, { signal: signal ?? null })).json()) as T;
}

/** Changes something, and gives the answer as it is. No other site can add the header. Throws ApiError. */
export async function send<T>(method: "POST" | "PATCH" | "DELETE", url: string, body?: unknown): Promise<T> {
  const headers = { "Content-Type": "application/json", "X-Tributary-Page": "1" };
  const response = await fetched(url, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  return (await response.json()) as T;
}
