import { pathEscapes } from '../path.ts';
import type * as r from '../resources.ts';
import { flag, integer, list, maxItems, maxName, number, object, oneOf, optional, record, text, variants, type Check } from './check.ts';

const name = text(maxName);
const port = integer(0, 65_535);
const duration = text(64);
const count = integer(0, Number.MAX_SAFE_INTEGER);
/** In a list. Bounded, because tables use it as an index: a list with a member at 2^31 takes minutes to walk. */
const position = integer(0, maxItems);

const ref = object<r.ObjectRef>({ kind: name, namespace: name, name });

const origin = object<r.Origin>({
  kind: name,
  namespace: name,
  name,
  stanza: oneOf('override', 'default', 'route', 'direct'),
  level: oneOf('Mesh', 'GatewayClass', 'Namespace', 'Gateway', 'Listener', 'ListenerSet', 'Route', 'Rule', 'Service', 'Port'),
});

const retry = object<r.RetryFields>({
  maxRetries: optional(count),
  retryOn: optional(
    object<NonNullable<r.RetryFields['retryOn']>>({
      codes: optional(list(integer(100, 599), 500)),
      conditions: optional(list(oneOf('connect-failure', 'refused-stream', 'reset', 'gateway-error', '5xx', 'timeout', 'cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'), 100)),
    }),
  ),
  methods: optional(list(name, 100)),
  perTryTimeout: optional(duration),
  backoff: optional(object<NonNullable<r.RetryFields['backoff']>>({ base: optional(duration), max: optional(duration) })),
  respectRetryAfter: optional(flag),
  maxBufferedBodyBytes: optional(count),
  budget: optional(
    object<NonNullable<r.RetryFields['budget']>>({ percent: optional(number), interval: optional(duration), minPerSecond: optional(number) }),
  ),
});

const timeouts = object<r.TimeoutFields>({
  request: optional(duration),
  backendRequest: optional(duration),
  connect: optional(duration),
  idle: optional(duration),
  streamIdle: optional(duration),
  requestHeaders: optional(duration),
  maxConnectionDuration: optional(duration),
});

const session = object<r.SessionPersistence>({
  type: oneOf('Cookie', 'Header'),
  name,
  absoluteTimeout: optional(duration),
  lifetime: oneOf('Session', 'Permanent'),
  path: optional(name),
});

const policy = object<r.EffectivePolicy>({ retry: optional(retry), timeouts: optional(timeouts), session: optional(session), origins: record(origin, 1000) });

const target = variants('kind', {
  backend: object<Extract<r.BackendTarget, { kind: 'backend' }>>({ kind: name, ref, port, backend: name }),
  // An invalid backend may have no port; JSON leaves the field out.
  invalid: object<Extract<r.BackendTarget, { kind: 'invalid' }>>({ kind: name, ref, port: optional(port), status: integer(100, 599), reason: text() }),
});

const headerValues = list(object<r.HeaderValue>({ name, value: text() }), 1000);
const headers = object<r.HeaderFilter>({ type: name, set: headerValues, add: headerValues, remove: list(name, 1000) });
const pathModifier = object<r.PathModifier>({ type: oneOf('ReplaceFullPath', 'ReplacePrefixMatch'), value: text() });
const texts = list(text(), 1000);

const filter = variants('type', {
  RequestHeaderModifier: headers,
  ResponseHeaderModifier: headers,
  RequestRedirect: object<Extract<r.Filter, { type: 'RequestRedirect' }>>({
    type: name,
    scheme: optional(name),
    hostname: optional(name),
    port: optional(port),
    path: optional(pathModifier),
    statusCode: integer(300, 399),
  }),
  URLRewrite: object<Extract<r.Filter, { type: 'URLRewrite' }>>({ type: name, hostname: optional(name), path: optional(pathModifier) }),
  RequestMirror: object<Extract<r.Filter, { type: 'RequestMirror' }>>({ type: name, backend: target, numerator: count, denominator: count }),
  CORS: object<r.CorsFilter>({
    type: name,
    allowOrigins: texts,
    allowCredentials: flag,
    allowMethods: texts,
    allowHeaders: texts,
    exposeHeaders: texts,
    maxAge: number,
  }),
} satisfies Record<r.Filter['type'], Check>);

const filters = list(filter, 1000);
const named = list(object<r.NamedMatch>({ name: text(), type: oneOf('Exact', 'RegularExpression'), value: text() }), 1000);

const match = object<r.Match>({
  index: position,
  path: object<r.PathMatch>({ type: oneOf('Exact', 'PathPrefix', 'RegularExpression'), value: text() }),
  method: optional(name),
  headers: named,
  query: named,
  grpc: optional(object<r.GrpcMethodMatch>({ type: oneOf('Exact', 'RegularExpression'), service: optional(text()), method: optional(text()) })),
});

const backends = list(object<r.WeightedBackend>({ index: position, target, weight: integer(0, 1_000_000), filters, policy: optional(count) }));

const rule = object<r.Rule>({
  index: position,
  name: optional(name),
  matches: list(match),
  filters,
  backends,
  policy: optional(count),
  failure: optional(object<r.RuleFailure>({ status: integer(100, 599), reason: text() })),
});

const hostnames = list(object<r.RouteHostname>({ match: name, written: name }));
const route = object<r.Route>({ ref, createdAt: number, hostnames, rules: list(rule) });
const streamRule = object<r.StreamRule>({ index: position, name: optional(name), backends });
const streamRoute = object<r.StreamRoute>({ ref, createdAt: number, hostnames, rule: streamRule });

const section = object<r.ListenerSection>({
  name,
  hostname: name,
  protocol: oneOf('HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP'),
  mode: optional(oneOf('Terminate', 'Passthrough')),
  certificates: optional(list(name, 1000)),
  clientValidation: optional(object<r.ClientValidation>({ authorities: text(), mode: oneOf('AllowValidOnly', 'AllowInsecureFallback') })),
  routes: name,
  policy: optional(policy),
});

const destinationTarget = variants('kind', {
  service: object<Extract<r.Destination['target'], { kind: 'service' }>>({ kind: name, service: ref, port, routes: name, policy: optional(policy), protocol: optional(oneOf('http', 'tcp', 'tls', 'detect')), streams: optional(name), backend: optional(name) }),
  passthrough: object<Extract<r.Destination['target'], { kind: 'passthrough' }>>({ kind: name }),
});

const backendTls = object<r.BackendTls>({
  hostname: name,
  authorities: optional(text()),
  subjectAltNames: optional(list(object<NonNullable<r.BackendTls['subjectAltNames']>[number]>({ type: oneOf('Hostname', 'URI'), value: name }), 1000)),
  clientCertificate: optional(name),
});

/** Of one route of a RouteTable, for who checks a long table in steps. */
export const routeShape: Check = route;

/** The structural check of each kind of resource. What a compiler of route tables must still check: regular expressions, indexes. */
export const resourceShapes: Readonly<Record<r.ResourceKind, Check>> = {
  Listener: object<r.Listener>({ kind: oneOf('Listener'), name, transport: optional(oneOf('udp')), gateway: ref, address: name, port, sections: list(section, 10_000), trustedHops: optional(integer(1, 16)) }),
  RouteTable: object<r.RouteTable>({ kind: oneOf('RouteTable'), name, routes: list(route), policies: list(policy), allowedEscapes: optional(list(oneOf(...pathEscapes), pathEscapes.length)) }),
  StreamTable: object<r.StreamTable>({ kind: oneOf('StreamTable'), name, routes: list(streamRoute), policies: optional(list(policy)) }),
  Destination: object<r.Destination>({ kind: oneOf('Destination'), name, target: destinationTarget }),
  Backend: object<r.Backend>({
    kind: oneOf('Backend'),
    name,
    ref,
    port,
    protocol: oneOf('http1', 'http2', 'tcp', 'udp'),
    balancing: oneOf('least-request', 'round-robin'),
    tls: optional(backendTls),
  }),
  Endpoints: object<r.Endpoints>({
    kind: oneOf('Endpoints'),
    name,
    endpoints: list(object<r.Endpoint>({ address: name, port, workload: optional(name), sidecar: optional(flag) })),
  }),
  Certificate: object<r.Certificate>({ kind: oneOf('Certificate'), name, chain: text(), key: text() }),
};
