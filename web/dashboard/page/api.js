// The public API, which is all that this page uses. Paths are relative to the page, so a base path before it is kept.

const PATIENCE_MS = 15_000;

// What the API refused or could not do. `status` is 0 if there was no answer; `message` is a sentence.
// `retryAfter` is in how many seconds to try again, if the server says so.
export class ApiError extends Error {
  constructor(status, message, problem = {}, retryAfter = 1) {
    super(message);
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

let onLocked = () => {};

// Call this when the API answers 401: the session has ended.
export function whenLocked(call) {
  onLocked = call;
}

// Ask the API, and return what it answers; null if that is nothing. Raise `ApiError`.
export async function api(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    throw new ApiError(0, "");
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401) onLocked();
  throw new ApiError(response.status, String(problem.detail ?? problem.title ?? ""), problem, Number(response.headers.get("Retry-After") ?? 1));
}

export const get = (path) => api("GET", path);
export const post = (path, body = {}) => api("POST", path, body);
export const del = (path) => api("DELETE", path);

// Return a path with these parts of it, each encoded, and this query without its empty values.
export function pathTo(parts, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  const search = new URLSearchParams(given).toString();
  return parts.map(encodeURIComponent).join("/") + (search ? `?${search}` : "");
}
