import type { RetryFields, TimeoutFields } from '#snapshot';

/** What `expect.yaml` holds. Everything that is stated must be so; what is not stated may be anything. */
export interface Expectation {
  /** The sentence that the case shows. */
  readonly sentence: string;
  /** Where the sentence stands. */
  readonly source: string;
  /** A folder of the repository whose manifests are the input, in the place of `input.yaml`. */
  readonly input?: string;
  readonly statuses?: readonly StatusExpectation[];
  /** Of a mesh that runs: what its proxies reported is in them. */
  readonly running?: readonly StatusExpectation[];
  readonly requests?: readonly RequestExpectation[];
  readonly policy?: readonly PolicyExpectation[];
  readonly problems?: readonly ProblemExpectation[];
}

/** By type: `True/Accepted`, or `True` for any reason. */
export type Conditions = Readonly<Record<string, string>>;

export interface StatusExpectation {
  /** `{kind}/{namespace}/{name}`; `{kind}/{name}` for cluster-scoped kinds. */
  readonly object: string;
  /** Of a route: `Gateway/{namespace}/{name}[/{section}][:{port}]`, or `Service/…`. */
  readonly parent?: string;
  /** Of a policy. */
  readonly ancestor?: string;
  readonly conditions?: Conditions;
  /** Condition types that must not be there. */
  readonly absent?: readonly string[];
  /** By condition type: part of the message. */
  readonly messages?: Readonly<Record<string, string>>;
  /** Of every condition, listeners' included. */
  readonly observedGeneration?: number;
  /** How many entries of ours a route's status has. */
  readonly parents?: number;
  /** Of a Gateway or an Ingress: how many, or which. */
  readonly addresses?: number | readonly string[];
  /** Of a Gateway: how many are attached. */
  readonly attachedListenerSets?: number;
  /** Of a class: names that must be among them, and the whole list sorted. */
  readonly supportedFeatures?: readonly string[];
  readonly listeners?: Readonly<Record<string, ListenerExpectation>>;
}

export interface ListenerExpectation {
  readonly attachedRoutes?: number;
  readonly supportedKinds?: readonly string[];
  readonly conditions?: Conditions;
  readonly absent?: readonly string[];
}

export interface RequestExpectation {
  /** `gateway {namespace}/{name}`. */
  readonly via?: string;
  /** `{namespace}/{pod}`. */
  readonly from?: string;
  readonly method?: string;
  /** Sent as it stands, without normalisation. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
  /** Server name of the TLS handshake, where it is not the URL's host. */
  readonly sni?: string;
  /** Hosts of the certificate that the client shows, as in `{{certificate HOST…}}`. */
  readonly certificate?: string;
  readonly upgrade?: string;
  /** Of an upgrade to `websocket`: as an extended CONNECT (RFC 8441), whose client gets 200 in the place of 101. */
  readonly over?: 'http2';
  /** Which address of the Gateway to dial, where it is not the first. */
  readonly address?: string;
  readonly expect: Outcome;
}

export interface Outcome {
  readonly outcome?: 'forward' | 'redirect' | 'respond' | 'passthrough' | 'refuse';
  readonly listener?: string;
  /** `HTTPRoute/{namespace}/{name}`. */
  readonly route?: string;
  readonly rule?: number;
  readonly match?: number;
  /** By `{namespace}/{service}:{port}`: the weight, or `invalid {weight}`. All of them. */
  readonly backends?: Readonly<Record<string, number | string>>;
  readonly status?: number;
  /** What a gRPC client gets in the place of the status. */
  readonly grpcStatus?: number;
  /** One of these. */
  readonly statuses?: readonly number[];
  readonly location?: string;
  /** The policy in force, whole: each of its fields and no other. */
  readonly retry?: RetryFields;
  readonly timeouts?: TimeoutFields;
  /** By leaf: `{kind}/{namespace}/{name} {stanza} {level}`. */
  readonly origins?: Readonly<Record<string, string>>;
  /** `{namespace}/{pod}` that answered. */
  readonly pod?: string;
  /** What that pod got. */
  readonly upstream?: UpstreamExpectation;
  readonly response?: { readonly headers?: Readonly<Record<string, HeaderExpectation>>; readonly absent?: readonly string[] };
  /** How often backends were asked, mirrors apart. */
  readonly attempts?: number;
  /** By `{namespace}/{app label}`: how many copies came. */
  readonly mirrored?: Readonly<Record<string, number>>;
  /** What each of the copies was. */
  readonly copies?: UpstreamExpectation;
  readonly distribution?: Distribution;
  /** The proxy's own error code. */
  readonly code?: string;
  /** A name in the certificate that the listener showed. */
  readonly certificate?: string;
  /** The connection is closed before there is an answer. */
  readonly refused?: true;
  /** Milliseconds. */
  readonly elapsed?: { readonly min?: number; readonly max?: number };
}

/** A text; or the elements of a list in any order; or one of several texts. */
export type HeaderExpectation = string | readonly string[] | { readonly any: readonly string[] };

export interface UpstreamExpectation {
  readonly method?: string;
  /** With the query. */
  readonly path?: string;
  readonly host?: string;
  readonly port?: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly absent?: readonly string[];
  /** Over TLS. */
  readonly serverName?: string;
  /** `DNS:…` of the certificate that the proxy showed, or `none`. */
  readonly clientCertificate?: string;
}

/** The request is sent many times; shares from 0 to 1, each right `within` (0.15 where not given). */
export interface Distribution {
  readonly requests: number;
  readonly within?: number;
  readonly pods?: Readonly<Record<string, number>>;
  readonly addresses?: Readonly<Record<string, number>>;
  readonly statuses?: Readonly<Record<string, number>>;
  readonly mirrored?: Readonly<Record<string, number>>;
  /** By pod: headers that its requests had. */
  readonly pairs?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Attempts per request, on average. */
  readonly attempts?: { readonly min: number; readonly max: number };
}

export interface PolicyExpectation {
  /** `gateway {namespace}/{name}[/{listener}]` or `from-namespace {namespace}`. */
  readonly via: string;
  /** `HTTPRoute/{namespace}/{name}/{rule name or index}`. */
  readonly route?: string;
  /** `{namespace}/{service}:{port}`. */
  readonly backend?: string;
  /** Each of its fields and no other; `none` where nobody set any. */
  readonly retry?: RetryFields | 'none';
  readonly timeouts?: TimeoutFields | 'none';
  readonly origins?: Readonly<Record<string, string>>;
  /** Parts of texts, each in some warning. */
  readonly warnings?: readonly string[];
  /** Each a part of some lost field. */
  readonly lost?: readonly Readonly<Record<string, unknown>>[];
}

export interface ProblemExpectation {
  readonly object: string;
  readonly severity?: 'error' | 'warning';
  readonly reason?: string;
  /** Part of it. */
  readonly message?: string;
  readonly path?: readonly (string | number)[];
}

/** Keys that each part may have, so that a slip in a case is an error and not a statement that is never checked. */
export const keys = {
  expectation: ['sentence', 'source', 'input', 'statuses', 'running', 'requests', 'policy', 'problems'],
  status: ['object', 'parent', 'ancestor', 'conditions', 'absent', 'messages', 'observedGeneration', 'parents', 'addresses', 'attachedListenerSets', 'supportedFeatures', 'listeners'],
  listener: ['attachedRoutes', 'supportedKinds', 'conditions', 'absent'],
  request: ['via', 'from', 'method', 'url', 'headers', 'body', 'sni', 'certificate', 'upgrade', 'over', 'address', 'expect'],
  outcome: [
    'outcome', 'listener', 'route', 'rule', 'match', 'backends', 'status', 'statuses', 'location', 'retry', 'timeouts', 'origins',
    'grpcStatus', 'pod', 'upstream', 'response', 'attempts', 'mirrored', 'copies', 'distribution', 'code', 'certificate', 'refused', 'elapsed',
  ],
  upstream: ['method', 'path', 'host', 'port', 'body', 'headers', 'absent', 'serverName', 'clientCertificate'],
  response: ['headers', 'absent'],
  distribution: ['requests', 'within', 'pods', 'addresses', 'statuses', 'mirrored', 'pairs', 'attempts'],
  policy: ['via', 'route', 'backend', 'retry', 'timeouts', 'origins', 'warnings', 'lost'],
  problem: ['object', 'severity', 'reason', 'message', 'path'],
} as const;
