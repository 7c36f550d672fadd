import type { EffectivePolicy, ObjectRef } from '#snapshot';
import type { FailureCode } from '../../failures.ts';
import { jsonText } from './json.ts';

/**
 * What the access log wants to know of an exchange. The proxy's exchange object has these fields and is passed as it is; the log copies
 * what it needs and keeps nothing.
 */
export interface AccessRecord {
  readonly id: string;
  /** Where it lies, for who would have to make a text of it. */
  readonly idBytes?: IdBytes | undefined;
  readonly method: string;
  /** As sent. */
  readonly host: string;
  /** As sent, with query. */
  readonly path: string;
  /** Where the path lies, for who would have to make a text of it; Latin-1. */
  readonly pathBytes?: PathBytes | undefined;
  /** 0: no response left. */
  readonly status: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Address of the client. */
  readonly client: string;
  /** `address:port` of the last endpoint; empty where there was none. */
  readonly endpoint: string;
  /** Attempts made. */
  readonly attempts: number;
  /** Those of them that failed, in order; undefined where none did. */
  readonly failedAttempts: readonly FailedAttempt[] | undefined;
  readonly failure: FailureCode | undefined;
  /** Why in particular: `ProxyError.reason`. */
  readonly failureReason: string | undefined;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  /** -1: not gRPC, or none was seen. */
  readonly grpcStatus: number;
  /** Empty where the request has none. */
  readonly traceId: string;
  /** `describeTarget` of what the request was matched to. */
  readonly target: string;
}

/** A UUID as text. */
export interface IdBytes {
  readonly uuids: Uint8Array;
  readonly uuidStart: number;
}

export interface PathBytes {
  readonly bytes: Uint8Array;
  readonly targetStart: number;
  readonly targetEnd: number;
}

/** What the access log wants to know of a connection whose bytes pass as they are, or of a UDP flow. */
export interface StreamRecord {
  readonly protocol: StreamProtocol;
  /** TLS server name; empty without one. */
  readonly serverName: string;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly client: string;
  /** `address:port`; empty where there was none. */
  readonly endpoint: string;
  readonly attempts: number;
  readonly failure: FailureCode | undefined;
  readonly failureReason: string | undefined;
  readonly target: string;
}

/** `tls`: routed by its server name, whoever ends it. */
export type StreamProtocol = 'tcp' | 'tls' | 'udp';

export interface FailedAttempt {
  readonly endpoint: string;
  /** A failure, or a response that was not passed on. */
  readonly why: FailureCode | number;
  readonly durationMs: number;
}

/** What is known of requests before they come: made into text once, when a table is compiled. */
export interface TargetDescription {
  /** `{namespace}/{gateway}/{section}`, or `mesh/{client namespace}`. */
  readonly source: string;
  readonly route?: ObjectRef;
  /** Name of the rule, else its index. */
  readonly rule?: string | number;
  readonly backend?: string;
  readonly policy?: EffectivePolicy;
}

/** Members of the JSON line that concern listener, route, rule, backend and the origins of the policy in force. Starts with `,`. */
export function describeTarget(target: TargetDescription): string {
  let text = `,"source":${jsonText(target.source)}`;
  if (target.route !== undefined) text += `,"route":${jsonText(`${target.route.kind}/${target.route.namespace}/${target.route.name}`)}`;
  if (target.rule !== undefined) text += `,"rule":${typeof target.rule === 'number' ? target.rule : jsonText(target.rule)}`;
  if (target.backend !== undefined) text += `,"backend":${jsonText(target.backend)}`;
  const origins = Object.entries(target.policy?.origins ?? {});
  if (origins.length === 0) return inOnePiece(text);
  const members = origins.map(
    ([field, origin]) => `${jsonText(field)}:${jsonText(`${origin.kind}/${origin.namespace}/${origin.name} (${origin.stanza} at ${origin.level})`)}`,
  );
  return inOnePiece(`${text},"policy":{${members.join(',')}}`);
}

/** The same text as V8 keeps one that was read: put together it stays a tree of pieces, which each write of it would go through the slow way. */
function inOnePiece(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1');
}

/** What `source` may be, for people. */
export const sourceForms = '`{namespace}/{gateway}/{listener}` (the port in place of a listener where none was found), `mesh/{client namespace}` (`mesh` alone of tunnels to what has no route, and where no destination was found), or `inbound/{namespace}` of the workload';

/** The members of a line: type and meaning, in order. For the log's page; a test holds lines against it. */
export const accessLogFields = {
  time: ['string', 'When the exchange ended: ISO 8601, UTC, milliseconds.'],
  id: ['string', "The request's id, which is also in `x-request-id`."],
  protocol: ['string', '`HTTP/1.0`, `HTTP/1.1` or `HTTP/2`: what the client speaks.'],
  method: ['string', 'As sent; `GET` for a WebSocket over HTTP/2 (extended CONNECT). Of a request that is refused, method, host and path are what it seems to say, as far as that can be told.'],
  host: ['string', 'As sent. Cut after 256 characters.'],
  path: ['string', 'As sent, with the query. Cut after 1024 characters.'],
  status: ['number', 'Status that the client got; 101 for a WebSocket, over HTTP/2 as well; 0 where it got none; 499 where it left before.'],
  grpcStatus: ['number', '`grpc-status` that the client got, where the request is gRPC.'],
  durationMs: ['number', "From the request's head to the end of the response, in milliseconds with three decimals."],
  bytesIn: ['number', 'Bytes received from the client: of the body, or of a tunnel. Heads and framing do not count.'],
  bytesOut: ['number', 'Bytes sent to the client, likewise.'],
  client: ['string', "The client's address; behind trusted proxies, that of who asked the farthest one."],
  source: ['string', `Where the request came in: ${sourceForms}.`],
  route: ['string', '`{kind}/{namespace}/{name}` of the route; absent where none matched.'],
  rule: ['string or number', "The rule's name, else its index in the route."],
  backend: ['string', '`{namespace}/{service}:{port}` that was chosen; `passthrough` outside of the mesh, and of what a sidecar hands its workload.'],
  policy: ['object', 'By field of retry and timeouts in force: which object gave it, `{kind}/{namespace}/{name} ({stanza} at {level})`.'],
  endpoint: ['string', '`address:port` of the last attempt.'],
  attempts: ['number', 'Attempts made; absent where it was one.'],
  failedAttempts: ['list', 'Of each attempt that failed: `endpoint`, `why` (a failure code, or the status that was not passed on), `durationMs`.'],
  failure: ['string', 'Why the proxy answered in the backend\'s place, or the response broke off: a [failure code](failures.md).'],
  reason: ['string', 'Why in particular, as `content-length` for `bad-request`.'],
  traceId: ['string', 'W3C trace id, where the exchange is traced.'],
} as const satisfies Record<string, readonly [type: string, meaning: string]>;

/** The members of a line of a connection whose bytes pass as they are, or of a UDP flow. Those with a name of above mean the same. */
export const streamLogFields = {
  time: ['string', 'When it ended: ISO 8601, UTC, milliseconds.'],
  protocol: ['string', '`tcp`, `tls` (routed by its server name, whoever ends TLS) or `udp`. Lines of requests have no such member.'],
  serverName: ['string', 'The server name of the TLS ClientHello; absent without one.'],
  durationMs: ['number', 'From the first byte to the end, in milliseconds with three decimals.'],
  bytesIn: ['number', 'Bytes from the client.'],
  bytesOut: ['number', 'Bytes to the client.'],
  client: ['string', "The client's address; of UDP with its port."],
  source: accessLogFields.source,
  route: accessLogFields.route,
  rule: accessLogFields.rule,
  backend: accessLogFields.backend,
  endpoint: ['string', '`address:port` that it was joined to, or that was tried last.'],
  attempts: ['number', 'Endpoints tried; absent where it was one.'],
  failure: ['string', 'Why it was refused or cut: a [failure code](failures.md).'],
  reason: ['string', 'Why in particular.'],
} as const satisfies Record<string, readonly [type: string, meaning: string]>;
