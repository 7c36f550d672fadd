import test from 'ava';
import type { Rule } from '#snapshot';
import { conditionsOf, parentOf, translateYaml } from '../../testing.ts';

const world = (rules: string, more = ''): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec: { gatewayClassName: weft, listeners: [{ name: http, port: 80, protocol: HTTP }] }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ port: 80 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec:
  parentRefs: [{ name: edge }]
  rules: ${rules}
---
${more}`;

const conditions = (rules: string, more = ''): Readonly<Record<string, string>> => conditionsOf(parentOf(translateYaml(world(rules, more)), 'HTTPRoute r'));
const rulesOf = (rules: string, more = ''): readonly Rule[] => translateYaml(world(rules, more)).snapshots.routeTable('listener/shop/edge/http')?.routes[0]?.rules ?? [];

const service = (name: string, spec: string, namespace = 'shop'): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
---`;

const grant = (from: string, to: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: { name: g, namespace: other }
spec: { from: [${from}], to: [${to}] }
---`;

const good = '{ matches: [{ path: { value: /good } }], backendRefs: [{ name: cart, port: 80 }] }';

test('a missing backend keeps its place and weight and answers 500; the others go on', (t) => {
  const rules = '[{ backendRefs: [{ name: cart, port: 80, weight: 3 }, { name: gone, port: 80, weight: 7 }] }]';
  t.deepEqual(conditions(rules), { Accepted: 'True Accepted', ResolvedRefs: 'False BackendNotFound' });
  t.deepEqual(rulesOf(rules)[0]?.backends.map(({ weight, target }) => [weight, target.kind, target.kind === 'invalid' ? target.status : 0]), [[3, 'backend', 0], [7, 'invalid', 500]]);
});

test('a port that the Service does not have is BackendNotFound, and the message lists those that it has', (t) => {
  const translation = translateYaml(world('[{ backendRefs: [{ name: cart, port: 81 }] }]'));
  t.is(conditionsOf(parentOf(translation, 'HTTPRoute r'))['ResolvedRefs'], 'False BackendNotFound');
  t.is(translation.problems[0]?.message, 'Service shop/cart has no port 81; it has 80');
});

test('a backend of another kind is InvalidKind, an ExternalName Service too', (t) => {
  t.is(conditions('[{ backendRefs: [{ kind: Bucket, group: example.com, name: x }] }]')['ResolvedRefs'], 'False InvalidKind');
  t.is(conditions('[{ backendRefs: [{ name: out, port: 80 }] }]', service('out', '{ type: ExternalName, externalName: localhost, ports: [{ port: 80 }] }'))['ResolvedRefs'], 'False InvalidKind');
});

test('an application protocol that is not HTTP is UnsupportedProtocol; WebSocket and HTTP/2 are carried', (t) => {
  const resolved = (appProtocol: string): string | undefined =>
    conditions('[{ backendRefs: [{ name: app, port: 80 }] }]', service('app', `{ ports: [{ port: 80, appProtocol: ${appProtocol} }] }`))['ResolvedRefs'];
  for (const protocol of ['http', 'kubernetes.io/ws', 'kubernetes.io/h2c', 'grpc']) t.is(resolved(protocol), 'True ResolvedRefs', protocol);
  for (const protocol of ['kubernetes.io/wss', 'https', 'mysql']) t.is(resolved(protocol), 'False UnsupportedProtocol', protocol);
});

test('a Service of another namespace needs a ReferenceGrant there; each from and each to stands for itself', (t) => {
  const rules = '[{ backendRefs: [{ name: far, namespace: other, port: 80 }] }]';
  const far = service('far', '{ ports: [{ port: 80 }] }', 'other');
  const us = '{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop }';
  const resolved = (more: string): string | undefined => conditions(rules, more)['ResolvedRefs'];
  t.is(resolved(far), 'False RefNotPermitted');
  t.is(resolved(''), 'False RefNotPermitted', 'whoever may not ask learns nothing');
  t.is(resolved(far + grant(us, '{ group: "", kind: Service }')), 'True ResolvedRefs');
  t.is(resolved(far + grant(us, '{ group: "", kind: Service, name: far }')), 'True ResolvedRefs');
  t.is(resolved(far + grant(us, '{ group: "", kind: Service, name: near }')), 'False RefNotPermitted');
  t.is(resolved(far + grant(us, '{ group: "", kind: Secret }')), 'False RefNotPermitted');
  t.is(resolved(far + grant('{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop2 }', '{ group: "", kind: Service }')), 'False RefNotPermitted');
  t.is(resolved(far + grant('{ group: gateway.networking.k8s.io, kind: Gateway, namespace: shop }', '{ group: "", kind: Service }')), 'False RefNotPermitted');
  t.is(resolved(far + grant(us, '{ group: "", kind: Service }').replace('namespace: other', 'namespace: shop')), 'False RefNotPermitted', 'a grant counts in its own namespace');
});

test('a ReferenceGrant that is taken away counts no more', (t) => {
  const rules = '[{ backendRefs: [{ name: far, namespace: other, port: 80 }] }]';
  const far = service('far', '{ ports: [{ port: 80 }] }', 'other');
  const allowed = far + grant('{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop }', '{ group: "", kind: Service }');
  t.is(conditions(rules, allowed)['ResolvedRefs'], 'True ResolvedRefs');
  t.is(conditions(rules, far)['ResolvedRefs'], 'False RefNotPermitted');
});

test('one invalid rule among valid ones is dropped: its requests get a 500, and PartiallyInvalid names it', (t) => {
  const translation = translateYaml(world(`[${good}, { matches: [{ path: { value: /bad } }], filters: [{ type: ExtensionRef, extensionRef: { group: x.io, kind: F, name: f } }] }]`));
  const parent = parentOf(translation, 'HTTPRoute r');
  t.deepEqual(conditionsOf(parent), { Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs', PartiallyInvalid: 'True UnsupportedValue' });
  const message = parent.conditions.find(({ type }) => type === 'PartiallyInvalid')?.message ?? '';
  t.true(message.startsWith('Dropped Rule'), message);
  t.true(message.includes('spec.rules[1].filters[0]'), message);
  const rules = translation.snapshots.routeTable('listener/shop/edge/http')?.routes[0]?.rules;
  t.is(rules?.[0]?.failure, undefined);
  t.deepEqual(rules?.[1]?.failure, { status: 500, reason: 'UnsupportedValue' });
});

test('a route of which no rule is valid is not accepted, and not served', (t) => {
  const translation = translateYaml(world('[{ filters: [{ type: ExtensionRef, extensionRef: { group: x.io, kind: F, name: f } }] }]'));
  t.is(conditionsOf(parentOf(translation, 'HTTPRoute r'))['Accepted'], 'False UnsupportedValue');
  t.is(conditionsOf(parentOf(translation, 'HTTPRoute r'))['PartiallyInvalid'], undefined);
  t.deepEqual(translation.snapshots.routeTable('listener/shop/edge/http')?.routes, []);
});

test('filters that are not supported are named', (t) => {
  const cases: Readonly<Record<string, string>> = {
    ExtensionRef: '{ type: ExtensionRef, extensionRef: { group: x.io, kind: F, name: f } }',
    ExternalAuth: '{ type: ExternalAuth, externalAuth: { protocol: HTTP, backendRef: { name: cart, port: 80 }, http: {} } }',
  };
  for (const [word, filter] of Object.entries(cases)) {
    for (const rule of [`{ filters: [${filter}] }`, `{ backendRefs: [{ name: cart, port: 80, filters: [${filter}] }] }`]) {
      const parent = parentOf(translateYaml(world(`[${rule}]`)), 'HTTPRoute r');
      t.is(conditionsOf(parent)['Accepted'], 'False UnsupportedValue');
      t.true(parent.conditions[0]?.message.includes(word), parent.conditions[0]?.message);
    }
  }
});

test('a regular expression that RE2 does not take makes its rule invalid, wherever it stands', (t) => {
  const at = (match: string): string | undefined => conditions(`[${good}, { matches: [${match}] }]`)['PartiallyInvalid'];
  t.is(at('{ path: { type: RegularExpression, value: "/a(?=b)" } }'), 'True UnsupportedValue');
  t.is(at('{ headers: [{ type: RegularExpression, name: x, value: "(" }] }'), 'True UnsupportedValue');
  t.is(at('{ queryParams: [{ type: RegularExpression, name: x, value: "\\\\1" }] }'), 'True UnsupportedValue');
  t.is(at(`{ path: { type: RegularExpression, value: "/(a{1,1000}){1,3}" } }`), 'True UnsupportedValue', 'too large a program');
  t.is(at('{ path: { type: RegularExpression, value: "/a.*" } }'), undefined);
});

test('a rule keeps its valid matches for the 500, and a match that can not be carried out is left out', (t) => {
  const rules = rulesOf(`[${good}, { matches: [{ path: { value: /x } }, { path: { type: RegularExpression, value: "(" } }] }]`);
  t.deepEqual(rules[1]?.matches.map(({ path }) => path.value), ['/x']);
  t.is(rules[1]?.failure?.status, 500);
});

test('of headers and query parameters that are named twice the first counts', (t) => {
  const [rule] = rulesOf('[{ matches: [{ headers: [{ name: X-Env, value: a }, { name: x-env, value: b }], queryParams: [{ name: q, value: "1" }] }] }]');
  t.deepEqual(rule?.matches[0]?.headers, [{ name: 'x-env', type: 'Exact', value: 'a' }]);
  t.deepEqual(rule?.matches[0]?.query, [{ name: 'q', type: 'Exact', value: '1' }]);
});

test('a rule without matches matches every path', (t) => {
  t.deepEqual(rulesOf('[{ backendRefs: [{ name: cart, port: 80 }] }]')[0]?.matches, [{ index: 0, path: { type: 'PathPrefix', value: '/' }, headers: [], query: [] }]);
});

test('header modifiers keep the case that was written, and of equal names the first', (t) => {
  const [rule] = rulesOf('[{ filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: X-A, value: "1" }, { name: x-a, value: "2" }], add: [{ name: X-B, value: b }], remove: [X-C] } }] }]');
  t.deepEqual(rule?.filters, [{ type: 'RequestHeaderModifier', set: [{ name: 'X-A', value: '1' }], add: [{ name: 'X-B', value: 'b' }], remove: ['x-c'] }]);
});

test('a mirror takes a percentage or a fraction; without a valid backend it is left out, and the rule goes on', (t) => {
  const mirror = (rest: string): string => `{ type: RequestMirror, requestMirror: { ${rest} } }`;
  const rules = `[{ filters: [${mirror('backendRef: { name: cart, port: 80 }')}, ${mirror('backendRef: { name: cart, port: 80 }, percent: 20')}, ${mirror('backendRef: { name: cart, port: 80 }, fraction: { numerator: 1, denominator: 3 }')}, ${mirror('backendRef: { name: gone, port: 80 }')}] }]`;
  const shares = rulesOf(rules)[0]?.filters.map((filter) => (filter.type === 'RequestMirror' ? [filter.numerator, filter.denominator] : []));
  t.deepEqual(shares, [[100, 100], [20, 100], [1, 3]]);
  t.deepEqual(conditions(rules), { Accepted: 'True Accepted', ResolvedRefs: 'False BackendNotFound' });
});

test('redirects, rewrites and CORS come through with their defaults', (t) => {
  const rules = rulesOf(`[
    { matches: [{ path: { value: /a } }], filters: [{ type: RequestRedirect, requestRedirect: { scheme: https, path: { type: ReplacePrefixMatch, replacePrefixMatch: /b } } }] },
    { matches: [{ path: { value: /c } }], filters: [{ type: URLRewrite, urlRewrite: { hostname: x.example.com, path: { type: ReplaceFullPath, replaceFullPath: /d } } }], backendRefs: [{ name: cart, port: 80 }] },
    { matches: [{ path: { value: /e } }], filters: [{ type: CORS, cors: { allowOrigins: ["https://a.example.com"] } }], backendRefs: [{ name: cart, port: 80 }] }]`);
  t.deepEqual(rules[0]?.filters, [{ type: 'RequestRedirect', statusCode: 302, scheme: 'https', path: { type: 'ReplacePrefixMatch', value: '/b' } }]);
  t.deepEqual(rules[1]?.filters, [{ type: 'URLRewrite', hostname: 'x.example.com', path: { type: 'ReplaceFullPath', value: '/d' } }]);
  t.deepEqual(rules[2]?.filters, [{ type: 'CORS', allowOrigins: ['https://a.example.com'], allowCredentials: false, allowMethods: [], allowHeaders: [], exposeHeaders: [], maxAge: 5 }]);
});

test('a backendRef may have every filter that a rule may have', (t) => {
  const filters = `[
    { type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: a, value: b }] } }, { type: ResponseHeaderModifier, responseHeaderModifier: { remove: [c] } },
    { type: CORS, cors: { allowOrigins: ["*"] } }, { type: RequestMirror, requestMirror: { backendRef: { name: cart, port: 80 } } }, { type: URLRewrite, urlRewrite: { hostname: x.example.com } }]`;
  const rules = `[{ backendRefs: [{ name: cart, port: 80, filters: ${filters} }, { name: cart, port: 80, filters: [{ type: RequestRedirect, requestRedirect: { hostname: y.example.com } }] }] }]`;
  t.deepEqual(conditions(rules), { Accepted: 'True Accepted', ResolvedRefs: 'True ResolvedRefs' });
  t.deepEqual(rulesOf(rules)[0]?.backends.map((backend) => backend.filters.map(({ type }) => type)), [['RequestHeaderModifier', 'ResponseHeaderModifier', 'CORS', 'RequestMirror', 'URLRewrite'], ['RequestRedirect']]);
});

test('inline retry and timeouts become a policy whose origin is the route', (t) => {
  const translation = translateYaml(world('[{ backendRefs: [{ name: cart, port: 80 }], retry: { attempts: 4, codes: [503], backoff: 50ms }, timeouts: { request: 10s, backendRequest: 2s } }]'));
  const table = translation.snapshots.routeTable('listener/shop/edge/http');
  const policy = table?.policies[table.routes[0]?.rules[0]?.backends[0]?.policy ?? -1];
  t.deepEqual(policy?.retry, { maxRetries: 4, retryOn: { codes: [503] }, backoff: { base: '50ms' } });
  t.deepEqual(policy?.timeouts, { request: '10s', backendRequest: '2s' });
  t.deepEqual(policy?.origins['retry.maxRetries'], { kind: 'HTTPRoute', namespace: 'shop', name: 'r', stanza: 'route', level: 'Route' });
});

test('a rule whose weights are all zero, and one that an equal match hides, are warnings', (t) => {
  const { problems } = translateYaml(world('[{ backendRefs: [{ name: cart, port: 80, weight: 0 }] }, { backendRefs: [{ name: cart, port: 80 }] }]'));
  t.deepEqual(problems.map(({ severity, reason, path }) => [severity, reason, path.join('.')]), [
    ['warning', 'AllWeightsZero', 'spec.rules.0.backendRefs'],
    ['warning', 'ShadowedMatch', 'spec.rules.1.matches.0'],
  ]);
});

test('a rule without backends, and headers that are named again in another case, are warnings', (t) => {
  const { problems } = translateYaml(world(`[
    { matches: [{ path: { value: /a }, headers: [{ name: X-A, value: "1" }, { name: x-a, value: "2" }] }] },
    { matches: [{ path: { value: /b } }], filters: [{ type: RequestRedirect, requestRedirect: { scheme: https } }] },
    { matches: [{ path: { value: /c } }], filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: X-A, value: "1" }, { name: x-a, value: "2" }] } }], backendRefs: [{ name: cart, port: 80 }] }]`));
  t.deepEqual(problems.map(({ severity, reason, path, message }) => [severity, reason, path.join('.'), message]), [
    ['warning', 'NoBackends', 'spec.rules.0', 'the rule has neither backendRefs nor a redirect: each request that matches gets a 500'],
    ['warning', 'RepeatedHeader', 'spec.rules.0.matches.0.headers.1', 'header x-a is matched once more, after X-A: the first counts, this one has no effect'],
    ['warning', 'RepeatedHeader', 'spec.rules.2.filters.0.requestHeaderModifier.set.1', 'header x-a is set once more, after X-A: the first counts, this one has no effect'],
  ]);
});

test("a rule's session is a field of its paths, with a cookie of its own where it names none; a GRPCRoute's alike", (t) => {
  const session = (rule: string) => translateYaml(world(`[{ backendRefs: [{ name: cart, port: 80 }], ${rule} }]`)).snapshots.routeTable('listener/shop/edge/http')?.policies[0]?.session;
  t.deepEqual(session('sessionPersistence: { type: Header, absoluteTimeout: 1h, header: { name: X-Cart } }'), { type: 'Header', name: 'X-Cart', absoluteTimeout: '1h', lifetime: 'Session' });
  const [first, second] = [session('sessionPersistence: { type: Cookie, cookie: {} }'), session('name: pay, sessionPersistence: { type: Cookie, cookie: { path: /pay } }')];
  t.regex(first?.name ?? '', /^weft-session-[0-9a-f]{8}$/);
  t.not(first?.name, second?.name);
  t.like(second, { type: 'Cookie', lifetime: 'Session', path: '/pay' });
  const grpc = world('[]').replace('kind: HTTPRoute', 'kind: GRPCRoute').replace('rules: []', 'rules: [{ backendRefs: [{ name: cart, port: 80 }], sessionPersistence: { type: Header, header: { name: x } } }]');
  t.is(translateYaml(grpc).snapshots.routeTable('listener/shop/edge/http')?.policies[0]?.session?.name, 'x');
});
