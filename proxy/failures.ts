/**
 * Why the proxy answers in a backend's place, or why an attempt failed: a closed list. The reply's `x-weft-error` header,
 * the access log, metrics and the retry rules all read this table. `docs/reference/failures.md` is its page for people.
 */
export interface Failure {
  /** HTTP status that the client gets; 499 exists in the log only. */
  readonly status: number;
  /** Whether another attempt can be made of it. Whether it is made is for the route's retry settings (`retry/`) to say. */
  readonly retryable: boolean;
  /** `log`: never becomes a reply by itself; it explains in the access log why something else did. */
  readonly scope: 'reply' | 'log';
  /** Body of the reply. Names nothing that the client must not know: no address, no backend. */
  readonly text: string;
  /** For the operator: what led to it. */
  readonly cause: string;
}

export const failures = {
  // Routing. Gateway API HTTPRouteRule.matches: "if no matches … 404"; GEP-1294 has the same for the mesh.
  'no-route': reply(404, 'No route matches this request.', 'No rule of any route on this listener or Service port matches the request.'),
  'no-listener': reply(404, 'Nothing listens for this host.', 'The port has listeners, but none whose hostname matches the request.'),
  // RFC 9110, 15.5.20; Gateway API asks for it where another HTTPS listener than the connection's matches the authority better.
  'misdirected-request': reply(421, 'This connection is not for this host.', "The host belongs to another listener than the connection's TLS server name."),
  'config-missing': reply(503, 'This proxy has no configuration for this request yet.', 'A resource that the route refers to has not arrived from the control plane.'),

  // Backends. Gateway API HTTPRouteRule.backendRefs: nothing to forward to is 500, a Service without ready endpoints 503.
  'no-backends': reply(500, 'This route has no backend.', 'The rule has no backendRefs, or all of them have weight 0.'),
  'invalid-backend': reply(500, 'The backend of this route is not valid.', 'The chosen backendRef points to nothing, or a ReferenceGrant for it is missing.'),
  'invalid-rule': reply(500, 'This route can not be carried out.', "The rule has a fault that its route's status describes."),
  'no-endpoints': reply(503, 'No endpoint is ready.', 'The chosen Service has no ready endpoint.'),

  // Attempts. RFC 9110, 15.6: 502 for an answer that is none, 503 for a server that is not there, 504 for one that is too slow.
  'connect-failed': attempt(503, 'The backend could not be reached.', 'The connection to the endpoint was refused, the network said that there is no way to it, or this proxy has no descriptor or port left for it (`EMFILE`, `EADDRNOTAVAIL` in the log).'),
  'connect-timeout': attempt(504, 'The backend did not accept a connection in time.', 'No connection within `connect` of the timeouts in force.'),
  'tls-failed': attempt(502, 'No secure connection to the backend.', 'The TLS handshake with the endpoint failed.'),
  'refused-stream': attempt(503, 'The backend refused the request.', 'The endpoint said that it did not begin with the request (HTTP/2 REFUSED_STREAM, GOAWAY).'),
  'upstream-reset': attempt(502, 'The backend closed the connection.', 'The endpoint closed or reset the connection before its response was complete, or reset one whose bytes pass as they are.'),
  'bad-response': attempt(502, 'The backend sent an invalid response.', 'What the endpoint sent is not HTTP, or its framing is ambiguous.'),
  'response-too-large-head': attempt(502, 'The head of the response is too large.', "The response's head exceeds the proxy's limit."),
  'per-try-timeout': attempt(504, 'The backend did not answer in time.', 'One attempt took longer than `backendRequest` or `perTryTimeout`.'),

  // RFC 5842, 7.2: going on would not end.
  'loop-detected': reply(508, 'This request leads back to this proxy.', 'The workload dialled its own sidecar; or the request passed 64 proxies, for a route leads back to its Gateway; or, of TCP, TLS and UDP, an endpoint is this proxy itself.'),

  // Time. Gateway API HTTPRouteTimeouts: "MUST return a timeout error", which is 504.
  'request-timeout': reply(504, 'The request took too long.', 'All attempts together took longer than `request` of the timeouts in force.'),
  'stream-idle-timeout': reply(504, 'The request stood still for too long.', 'No byte went in either direction for `streamIdle`.'),
  'max-connection-duration': note(504, 'The connection reached its greatest age.', 'A connection whose bytes pass as they are was as old as `maxConnectionDuration` allows, and was ended.'),
  'header-timeout': reply(408, 'The head of the request took too long.', 'The client did not finish the head within `requestHeaders`.'),

  // The client's request.
  'bad-request': reply(400, 'Bad request.', 'The request breaks the rules of HTTP; the log has the reason.'),
  'head-too-large': reply(431, 'The head of the request is too large.', 'Head, or number of headers, over the limit.'),
  'target-too-long': reply(414, 'The request target is too long.', 'Request target over the limit.'),
  'unsupported-version': reply(505, 'This HTTP version is not supported.', 'Neither HTTP/1.0 nor HTTP/1.1.'),
  'unsupported-transfer-coding': reply(501, 'This transfer coding is not supported.', 'A Transfer-Encoding other than `chunked` alone.'),
  // 501 and not 405: no resource behind this proxy supports it, and 405 would owe an Allow header (RFC 9110, 15.5.6).
  'connect-refused-method': reply(501, 'This method is not supported.', 'CONNECT, which this listener does not carry.'),
  'client-hello': note(400, 'The TLS connection can not be routed.', 'The first bytes are no valid TLS ClientHello, or it was not there in time; the log has the reason.'),
  'expectation-failed': reply(417, 'This expectation is not supported.', 'An Expect other than `100-continue`.'),

  // Limits and life cycle.
  'too-many-connections': reply(503, 'Too many connections.', 'A connection limit of the proxy is reached.'),
  'draining': reply(503, 'This proxy is shutting down.', 'The process got its signal to end and takes no new request; or a request, or a connection whose bytes pass as they are, was not over in the time that it had for that.'),
  'internal-error': reply(500, 'Internal error.', 'A fault in the proxy; please report it.'),

  // Why there was no further attempt. GEP-3388: a retry over budget "MUST" end in 503.
  'retry-budget-exhausted': reply(503, 'The retry budget of this backend is spent.', 'Too many retries in the budget\'s interval.'),
  'retry-limit': note(503, 'All retries failed.', 'maxRetries were made; the last attempt\'s result went to the client.'),
  'body-too-large-to-retry': note(503, 'The request body is too large to send again.', 'More than `maxBufferedBodyBytes` were sent.'),
  'client-closed': note(499, 'The client closed the connection.', 'The client went away before the response was complete, or broke off a connection whose bytes pass as they are.'),
} as const satisfies Record<string, Failure>;

export type FailureCode = keyof typeof failures;

/** Codes of attempts that another attempt may follow. */
export type RetryableCode = { [Code in FailureCode]: (typeof failures)[Code]['retryable'] extends true ? Code : never }[FailureCode];

export const failureCodes = Object.keys(failures) as readonly FailureCode[];

export interface ProxyErrorOptions {
  readonly cause?: unknown;
  /** For the log alone: why in particular, as `host-missing` for `bad-request`. Short, of a closed set where it can be. */
  readonly reason?: string;
}

/** A failure on its way to whoever answers the client. Its message is the table's text. */
export class ProxyError extends Error {
  readonly code: FailureCode;
  readonly reason: string | undefined;

  constructor(code: FailureCode, options: ProxyErrorOptions = {}) {
    super(failures[code].text, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'ProxyError';
    this.code = code;
    this.reason = options.reason;
  }

  get status(): number {
    return failures[this.code].status;
  }
}

function reply<const Status extends number>(status: Status, text: string, cause: string) {
  return { status, retryable: false, scope: 'reply', text, cause } as const;
}

function attempt<const Status extends number>(status: Status, text: string, cause: string) {
  return { status, retryable: true, scope: 'reply', text, cause } as const;
}

function note<const Status extends number>(status: Status, text: string, cause: string) {
  return { status, retryable: false, scope: 'log', text, cause } as const;
}
