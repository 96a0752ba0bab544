import { challengeOf, solve } from "../challenge/solve";

/** An answer of the platform that is not a success, with the text its contract carries for people. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string | undefined,
    /** The text to show; empty when the answer carried none. */
    readonly text: string,
    /** Seconds to wait before another try, when the answer says so. */
    readonly retryAfter: number | undefined,
    /** The whole body. */
    readonly body: Body = {},
  ) {
    super(text || `HTTP ${status}`);
  }
}

type Body = Record<string, unknown>;

export type Method = "GET" | "POST" | "DELETE" | "PATCH";

export interface RequestOptions {
  body?: unknown;
  token?: string;
  language?: string;
}

/** The first human text in an error body: the replaced systems' members first, then field errors. */
export function errorText(body: Body): string {
  for (const member of ["error", "message", "details", "detail"]) {
    if (typeof body[member] === "string") return body[member];
  }
  for (const value of Object.values((body.errors as Body | undefined) ?? body)) {
    if (Array.isArray(value) && typeof value[0] === "string") return value[0];
  }
  return "";
}

/**
 * Sends a JSON request to the gateway of this origin. When the answer is 428 with a challenge, solves it and sends the
 * request once more. Throws {@link ApiError}, or TypeError without a connection.
 */
export async function request<T>(method: Method, path: string, options: RequestOptions = {}): Promise<T> {
  let { response, body } = await send(method, path, options);
  const challenge = response.status === 428 ? challengeOf(body) : undefined;
  if (challenge) ({ response, body } = await send(method, path, options, await solve(challenge)));
  if (response.ok) return body as T;
  const object = (typeof body === "object" && body !== null ? body : {}) as Body;
  const seconds = Number(response.headers.get("Retry-After") ?? object.retry_after);
  throw new ApiError(
    response.status,
    response.headers.get("X-Error-Code") ?? (typeof object.code === "string" ? object.code : undefined),
    errorText(object),
    Number.isFinite(seconds) && seconds > 0 ? seconds : undefined,
    object,
  );
}

async function send(method: Method, path: string, options: RequestOptions, answer?: string) {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (options.token) headers.Authorization = `Bearer ${options.token}`;
  if (options.language) headers["Accept-Language"] = options.language;
  if (answer) headers["X-Challenge-Answer"] = answer;
  const response = await fetch(path, {
    method,
    headers,
    credentials: "same-origin",
    body: options.body === undefined ? undefined : JSON.stringify(options.body),
  });
  const text = await response.text();
  const body: unknown = text === "" ? {} : parse(text);
  return { response, body };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
