/** One request to the API server. */
export interface ApiRequest {
  /** GET unless set. */
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Begins with `/api` or `/apis`; its parts are escaped already. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** `application/json` unless set. */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  /** For the whole exchange; a stream's until its head is there. Milliseconds, 30,000 unless set. */
  readonly timeoutMs?: number;
  /** An answer that is longer is refused. Bytes, 256 MiB unless set. */
  readonly maxBytes?: number;
}

export interface ApiAnswer {
  readonly status: number;
  /** Parsed JSON; a text where it is none. */
  readonly body: unknown;
  /** What the server asked for in Retry-After. Milliseconds. */
  readonly retryAfterMs?: number;
}

/** A body that comes line by line. Ends by itself where the server ends it; rejects where the connection breaks or idles too long. */
export interface ApiStream {
  readonly lines: AsyncIterable<string>;
  close(): void;
}

/** The way to the API server. Rejects only where there is no answer; an answer of any status is an answer. */
export interface KubeApi {
  send(request: ApiRequest): Promise<ApiAnswer>;
  /** A stream where the server says 200, else its answer. */
  stream(request: ApiRequest & { readonly idleMs: number }): Promise<ApiStream | ApiAnswer>;
}

/** The answer was longer than `maxBytes`. */
export class TooLongError extends Error {}

/** Nothing came for `idleMs`, not even a bookmark. */
export class SilentError extends Error {}

/** An answer that is no success, as an error, for callers that can do nothing about it. */
export class ApiError extends Error {
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(what: string, answer: ApiAnswer) {
    super(`${what}: ${answer.status} ${reasonOf(answer.body)}`);
    this.status = answer.status;
    this.retryAfterMs = answer.retryAfterMs;
  }
}

/** The message of a `metav1.Status`, or what stands in its place. */
export function reasonOf(body: unknown): string {
  const { message } = fieldsOf(body);
  const text = typeof message === 'string' ? message : typeof body === 'string' ? body : '';
  return text.trim().slice(0, 512);
}

/** The value's fields; none where it is no object. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : {};
}

export function isStream(opened: ApiStream | ApiAnswer): opened is ApiStream {
  return 'lines' in opened;
}
