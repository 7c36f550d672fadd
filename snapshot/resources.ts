/**
 * The resources that the control plane sends to a proxy. They know Gateway API's vocabulary but no Kubernetes object:
 * everything that needs a cluster to be understood was resolved before it got here.
 *
 * Proxies may be older than the controller, and refuse a resource with anything that they do not know (decision 0020 says how to add to it).
 */

import type { PathEscape } from './path.ts';

/** Points to the Kubernetes object something came from. Cluster-scoped objects have the empty namespace. */
export interface ObjectRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export type ResourceKind = 'Listener' | 'RouteTable' | 'StreamTable' | 'Destination' | 'Backend' | 'Endpoints' | 'Certificate';

export type Resource = Listener | RouteTable | StreamTable | Destination | Backend | Endpoints | Certificate;

/** One bound socket of a gateway: all Gateway listeners that share an address and port. */
export interface Listener {
  readonly kind: 'Listener';
  /** `{namespace}/{gateway}/{port}`, with `/udp` behind it for UDP; the port is the one in the Gateway's spec, before any offset. */
  readonly name: string;
  /** Absent: TCP. A UDP socket has UDP sections only, and they have no other. */
  readonly transport?: 'udp';
  readonly gateway: ObjectRef;
  /** IP address to bind. */
  readonly address: string;
  /** Port to bind. */
  readonly port: number;
  readonly sections: readonly ListenerSection[];
  /** Proxies in front of the Gateway whose word is taken for who the client is. Absent: none, clients are strangers. */
  readonly trustedHops?: number;
}

/** One Gateway listener (`spec.listeners[]`, a "section"). A request belongs to the section with the most specific hostname. */
export interface ListenerSection {
  /** The listener's name; `{namespace}/{ListenerSet}/{listener}` for one of a ListenerSet. */
  readonly name: string;
  /** Lower case; `*.example.com` is a suffix match of one label or more; empty matches every host. */
  readonly hostname: string;
  readonly protocol: 'HTTP' | 'HTTPS' | 'TLS' | 'TCP' | 'UDP';
  /** Of TLS: whether the gateway ends TLS (then `certificates` is present) or passes it through by its server name. Absent: `Terminate`. */
  readonly mode?: 'Terminate' | 'Passthrough';
  /** Present where the gateway ends TLS. Names of Certificate resources, the first being the default one. */
  readonly certificates?: readonly string[];
  /** Clients have to show a certificate (Gateway `spec.tls.frontend`). The same for all sections of a port. */
  readonly clientValidation?: ClientValidation;
  /** What serves this section: the name of a RouteTable for HTTP and HTTPS, of a StreamTable for TLS, TCP and UDP. */
  readonly routes: string;
  /** Of HTTP and HTTPS: policy fields that act on the client's connection, before any route is known: `requestHeaders`, `idle`, … */
  readonly policy?: EffectivePolicy;
}

/** Frontend validation of client certificates (GEP-91, GEP-3567). */
export interface ClientValidation {
  /** PEM certificates of the authorities that are trusted. */
  readonly authorities: string;
  /** `AllowInsecureFallback`: a missing or invalid certificate is let through. */
  readonly mode: 'AllowValidOnly' | 'AllowInsecureFallback';
}

/** The routes that compete for one connection, or one UDP flow: those of a Gateway listener, or of a Service port. */
export interface StreamTable {
  readonly kind: 'StreamTable';
  /** As a RouteTable's. */
  readonly name: string;
  readonly routes: readonly StreamRoute[];
  /** Absent: no policy says anything. */
  readonly policies?: readonly EffectivePolicy[];
}

/** A TLSRoute, TCPRoute or UDPRoute. The most specific hostname gets the connection, then the oldest route, then the first name. */
export interface StreamRoute {
  readonly ref: ObjectRef;
  /** As a Route's. */
  readonly createdAt: number;
  /** What the server name must match. Empty: anything, also a connection without server name; always so but for TLSRoutes. */
  readonly hostnames: readonly RouteHostname[];
  /** These routes have rules without matches: the first counts. */
  readonly rule: StreamRule;
}

export interface StreamRule {
  readonly index: number;
  readonly name?: string;
  /** Weighted. The share of an invalid one is refused: the connection is reset, the datagram dropped. Filters are empty. */
  readonly backends: readonly WeightedBackend[];
}

/** The routes that compete for one request: those of a Gateway listener, or of a Service port as one client namespace sees it. */
export interface RouteTable {
  readonly kind: 'RouteTable';
  /** `listener/{namespace}/{gateway}/{section}` or `service/{client namespace}/{namespace}/{service}/{port}`. */
  readonly name: string;
  readonly routes: readonly Route[];
  /** Effective policies; rules and backends refer to them by index. */
  readonly policies: readonly EffectivePolicy[];
  /** In the path of a request, passed on as they are; all others of `pathEscapes` are refused. */
  readonly allowedEscapes?: readonly PathEscape[];
}

export interface Route {
  /** The route object; for a Service without routes the Service itself, whose one implicit rule forwards everything. */
  readonly ref: ObjectRef;
  /** Milliseconds since 1970 of `metadata.creationTimestamp`; 0 where it is unknown. Older routes win ties. */
  readonly createdAt: number;
  /** Empty: any host. In a mesh table always empty (GEP-1294: hostnames have no function there). */
  readonly hostnames: readonly RouteHostname[];
  readonly rules: readonly Rule[];
}

export interface RouteHostname {
  /** What a request's host must match: the intersection of the route's and the listener's hostname. Lower case. */
  readonly match: string;
  /** The hostname as the route has it (the listener's where the route has none); it decides the precedence. */
  readonly written: string;
}

export interface Rule {
  /** Position in the route's `rules`. */
  readonly index: number;
  readonly name?: string;
  /** Never empty: a rule without matches has one that matches every path. */
  readonly matches: readonly Match[];
  readonly filters: readonly Filter[];
  readonly backends: readonly WeightedBackend[];
  /** Index into `RouteTable.policies` for the rule alone (no backend on its path): a redirect, or a rule without backends. */
  readonly policy?: number;
  /** Set when the rule can't be carried out: every request that it matches is answered so. */
  readonly failure?: RuleFailure;
}

export interface RuleFailure {
  /** HTTP status, 500 as a rule. */
  readonly status: number;
  readonly reason: string;
}

export interface Match {
  /** Position in the rule's `matches`. */
  readonly index: number;
  readonly path: PathMatch;
  readonly method?: string;
  readonly headers: readonly NamedMatch[];
  readonly query: readonly NamedMatch[];
  /** Of a GRPCRoute, whose matches compete by service and method (GRPCRouteRule): what `path` was made from. */
  readonly grpc?: GrpcMethodMatch;
}

export interface GrpcMethodMatch {
  readonly type: 'Exact' | 'RegularExpression';
  readonly service?: string;
  readonly method?: string;
}

export interface PathMatch {
  readonly type: 'Exact' | 'PathPrefix' | 'RegularExpression';
  readonly value: string;
}

/** A header's or query parameter's condition. Header names are lower case. */
export interface NamedMatch {
  readonly name: string;
  readonly type: 'Exact' | 'RegularExpression';
  readonly value: string;
}

export type Filter =
  | HeaderFilter
  | { readonly type: 'RequestRedirect'; readonly scheme?: string; readonly hostname?: string; readonly port?: number; readonly path?: PathModifier; readonly statusCode: number }
  | { readonly type: 'URLRewrite'; readonly hostname?: string; readonly path?: PathModifier }
  | { readonly type: 'RequestMirror'; readonly backend: BackendTarget; readonly numerator: number; readonly denominator: number }
  | CorsFilter;

export interface HeaderFilter {
  readonly type: 'RequestHeaderModifier' | 'ResponseHeaderModifier';
  readonly set: readonly HeaderValue[];
  readonly add: readonly HeaderValue[];
  /** Lower case. */
  readonly remove: readonly string[];
}

/** The name keeps the case in which the user wrote it. */
export interface HeaderValue {
  readonly name: string;
  readonly value: string;
}

export type PathModifier =
  | { readonly type: 'ReplaceFullPath'; readonly value: string }
  | { readonly type: 'ReplacePrefixMatch'; readonly value: string };

/** GEP-1767. */
export interface CorsFilter {
  readonly type: 'CORS';
  readonly allowOrigins: readonly string[];
  readonly allowCredentials: boolean;
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  /** Seconds. */
  readonly maxAge: number;
}

/** Where requests go. A missing or forbidden backend keeps its place and weight, and answers with its status. */
export type BackendTarget =
  | { readonly kind: 'backend'; readonly ref: ObjectRef; readonly port: number; /** Name of a Backend resource. */ readonly backend: string }
  | { readonly kind: 'invalid'; readonly ref: ObjectRef; readonly port: number | undefined; readonly status: number; readonly reason: string };

export interface WeightedBackend {
  /** Position in the rule's `backendRefs`. */
  readonly index: number;
  readonly target: BackendTarget;
  /** 0..1,000,000; 0 gets nothing. */
  readonly weight: number;
  readonly filters: readonly Filter[];
  /** Index into the table's `policies`. */
  readonly policy?: number;
}

/** What a sidecar's workload dials. The sidecar asks for it by name the first time it sees it. */
export interface Destination {
  readonly kind: 'Destination';
  /** `{host or IP}:{port}`, lower case, no trailing dot, as dialled. */
  readonly name: string;
  readonly target:
    | { readonly kind: 'service'; readonly service: ObjectRef; readonly port: number; /** RouteTable name. */ readonly routes: string; readonly policy?: EffectivePolicy; /** What a captured connection carries; absent: `http`. */ readonly protocol?: 'http' | 'tcp' | 'tls' | 'detect'; /** StreamTable for connections that are not HTTP; absent: to the Service's endpoints. `tls`: by server name. */ readonly streams?: string; /** Name of the Backend that gets what no route is for; absent: `{namespace}/{service}:{port}`. */ readonly backend?: string }
    /** Not a Service that the mesh knows: forwarded untouched. */
    | { readonly kind: 'passthrough' };
}

/** One port of a Service as something that receives requests. */
export interface Backend {
  readonly kind: 'Backend';
  /**
   * `{namespace}/{service}:{port}`; also the name of its Endpoints. A variant of it (another protocol, TLS as one Gateway speaks it) has
   * `#` and what tells it apart behind that.
   */
  readonly name: string;
  readonly ref: ObjectRef;
  readonly port: number;
  /** HTTP/2 without TLS is by prior knowledge, with TLS by ALPN. `tcp`, `udp`: not HTTP. */
  readonly protocol: 'http1' | 'http2' | 'tcp' | 'udp';
  readonly balancing: 'least-request' | 'round-robin';
  readonly tls?: BackendTls;
}

/** How TLS is spoken to a backend (BackendTLSPolicy; Gateway `spec.tls.backend`). */
export interface BackendTls {
  /** Server name that is sent; and what the certificate must be for where `subjectAltNames` is absent. */
  readonly hostname: string;
  /** PEM certificates of the authorities that are trusted. Absent: those of the machine (`wellKnownCACertificates: System`). */
  readonly authorities?: string;
  /** One of them must be in the certificate. */
  readonly subjectAltNames?: readonly { readonly type: 'Hostname' | 'URI'; readonly value: string }[];
  /** Name of the Certificate resource that is shown to the backend. */
  readonly clientCertificate?: string;
}

export interface Endpoints {
  readonly kind: 'Endpoints';
  /** The Backend's name. */
  readonly name: string;
  /** A workload with addresses of both families stands here with both: `endpointsFor` chooses. Those of the Service's first family come first. */
  readonly endpoints: readonly Endpoint[];
}

export interface Endpoint {
  /** As `normalAddress` has it. */
  readonly address: string;
  readonly port: number;
  /** `{namespace}/{pod}` where known. */
  readonly workload?: string;
  /** All that comes for it comes through a sidecar of ours: believed where that says that the workload got nothing of a request. */
  readonly sidecar?: boolean;
}

export interface Certificate {
  readonly kind: 'Certificate';
  /** `{namespace}/{secret}`. */
  readonly name: string;
  /** PEM, leaf first. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
}

/** The policy fields in force on one path, and where each came from. */
export interface EffectivePolicy {
  readonly retry?: RetryFields;
  readonly timeouts?: TimeoutFields;
  /** One leaf, `session`. */
  readonly session?: SessionPersistence;
  /** By leaf: `retry.maxRetries`, `retry.backoff.base`, `retry.retryOn.codes`, `timeouts.request`, … */
  readonly origins: Readonly<Record<string, Origin>>;
}

/** Requests of one session that a backend gets go to one endpoint of it as long as that lives; which backend gets them, weights say (GEP-1619). */
export interface SessionPersistence {
  readonly type: 'Cookie' | 'Header';
  /** Of the cookie or the header. */
  readonly name: string;
  /** A Gateway API duration (GEP-2257). */
  readonly absoluteTimeout?: string;
  /** Of a cookie: whether the client keeps it beyond its own session. */
  readonly lifetime: 'Session' | 'Permanent';
  /** Of a cookie: the path for which clients send it. */
  readonly path?: string;
}

export interface Origin {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** `route`: the value is written in the route itself. `direct`: in a policy without stanzas, for the Service that it names alone. */
  readonly stanza: 'override' | 'default' | 'route' | 'direct';
  readonly level: PolicyLevel;
}

/** A place in the hierarchy at which a policy can be attached; `Rule` and `Port` are sections of Route and Service. */
export type PolicyLevel = 'Mesh' | 'GatewayClass' | 'Namespace' | 'Gateway' | 'Listener' | 'ListenerSet' | 'Route' | 'Rule' | 'Service' | 'Port';

export type RetryCondition =
  | 'connect-failure'
  | 'refused-stream'
  | 'reset'
  | 'gateway-error'
  | '5xx'
  | 'timeout'
  // Statuses of gRPC.
  | 'cancelled'
  | 'deadline-exceeded'
  | 'internal'
  | 'resource-exhausted'
  | 'unavailable';

/** Fields as users write them; a field that is absent was set by nobody. Durations are Gateway API durations (GEP-2257). */
export interface RetryFields {
  /** Retries in addition to the first attempt; 0 disables. */
  readonly maxRetries?: number;
  readonly retryOn?: { readonly codes?: readonly number[]; readonly conditions?: readonly RetryCondition[] };
  readonly methods?: readonly string[];
  readonly perTryTimeout?: string;
  readonly backoff?: { readonly base?: string; readonly max?: string };
  readonly respectRetryAfter?: boolean;
  readonly maxBufferedBodyBytes?: number;
  readonly budget?: { readonly percent?: number; readonly interval?: string; readonly minPerSecond?: number };
}

/** `0s` disables a timeout; it is a value, never "unset". */
export interface TimeoutFields {
  /** From the request's head to the end of the response, all attempts together. */
  readonly request?: string;
  /** One attempt: from the start of sending to the end of its response. */
  readonly backendRequest?: string;
  /** Until a connection to an endpoint is there. */
  readonly connect?: string;
  /** How long a connection without a request stays open. */
  readonly idle?: string;
  /** How long an exchange may go without a byte in either direction. */
  readonly streamIdle?: string;
  /** From a connection's first byte of a request to the end of its head. */
  readonly requestHeaders?: string;
  readonly maxConnectionDuration?: string;
}
