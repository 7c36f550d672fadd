import test from 'ava';
import fc from 'fast-check';
import { readFileSync, readdirSync } from 'node:fs';
import { builtInKinds } from './builtin.ts';
import { formatPath, parseObject, unevaluableRules, type Gateway, type HTTPRoute, type KindDefinition, type KubernetesObject, type TLSRoute } from './index.ts';
import type { Schema } from './schema/schema.ts';

const gateway = 'gateway.networking.k8s.io';

function parsed<T extends KubernetesObject>(raw: unknown): T {
  const result = parseObject(raw, builtInKinds);
  if (!result.ok) throw new Error(faults(raw).join('\n'));
  return result.value as T;
}

function faults(raw: unknown, registry = builtInKinds): string[] {
  const result = parseObject(raw, registry);
  return result.ok ? [] : result.error.map(({ path, message }) => `${formatPath(path)}: ${message}`);
}

const route = (spec: unknown, more = {}): unknown => ({ apiVersion: `${gateway}/v1`, kind: 'HTTPRoute', metadata: { name: 'r', namespace: 'shop' }, spec, ...more });
const rule = (more: unknown): unknown => route({ rules: [more] });
const backend = { name: 'a', port: 80 };

test('a rich HTTPRoute gets every default of the CRD', (t) => {
  const { spec, status } = parsed<HTTPRoute>(
    route({
      parentRefs: [{ name: 'edge', sectionName: 'https' }, { group: '', kind: 'Service', name: 'cart', port: 80 }],
      hostnames: ['shop.example.com', '*.example.com'],
      rules: [
        {
          name: 'cart',
          matches: [{ path: { value: '/cart' }, method: 'GET', headers: [{ name: 'X-A', value: 'b' }], queryParams: [{ name: 'q', type: 'RegularExpression', value: 'a.*' }] }, {}],
          filters: [
            { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'a', value: 'b' }], remove: ['c'] } },
            { type: 'RequestMirror', requestMirror: { backendRef: backend, fraction: { numerator: 1 } } },
            { type: 'CORS', cors: { allowOrigins: ['https://a.example'] } },
          ],
          backendRefs: [{ name: 'v1', port: 80, weight: 0 }, { name: 'v2', namespace: 'other', port: 8080 }],
          timeouts: { request: '10s', backendRequest: '2s' },
          retry: { codes: [503], backoff: '25ms' },
        },
        { filters: [{ type: 'RequestRedirect', requestRedirect: { scheme: 'https' } }] },
      ],
    }),
  );
  t.is(status, undefined);
  t.deepEqual(spec.parentRefs, [
    { group: gateway, kind: 'Gateway', name: 'edge', sectionName: 'https' },
    { group: '', kind: 'Service', name: 'cart', port: 80 },
  ]);
  const [first, second] = spec.rules;
  t.deepEqual(first?.matches, [
    {
      path: { type: 'PathPrefix', value: '/cart' },
      method: 'GET',
      headers: [{ name: 'X-A', value: 'b', type: 'Exact' }],
      queryParams: [{ name: 'q', type: 'RegularExpression', value: 'a.*' }],
    },
    { path: { type: 'PathPrefix', value: '/' } },
  ]);
  t.deepEqual(first?.backendRefs, [
    { group: '', kind: 'Service', name: 'v1', port: 80, weight: 0 },
    { group: '', kind: 'Service', name: 'v2', namespace: 'other', port: 8080, weight: 1 },
  ]);
  t.deepEqual(first?.filters?.[1]?.requestMirror, { backendRef: { group: '', kind: 'Service', ...backend }, fraction: { numerator: 1, denominator: 100 } });
  t.is(first?.filters?.[2]?.cors?.maxAge, 5);
  t.deepEqual(second?.matches, [{ path: { type: 'PathPrefix', value: '/' } }]);
  t.is(second?.filters?.[0]?.requestRedirect?.statusCode, 302);
  t.is(second?.backendRefs, undefined);
});

test('a rich Gateway gets every default of the CRD, the status with it', (t) => {
  const { spec, status, metadata } = parsed<Gateway>({
    apiVersion: `${gateway}/v1beta1`,
    kind: 'Gateway',
    metadata: { name: 'edge', labels: { app: 'edge' } },
    spec: {
      gatewayClassName: 'weft',
      addresses: [{ value: '127.0.0.1' }],
      listeners: [
        { name: 'http', port: 80, protocol: 'HTTP' },
        { name: 'https', port: 443, protocol: 'HTTPS', hostname: '*.example.com', tls: { certificateRefs: [{ name: 'cert' }] }, allowedRoutes: { namespaces: { from: 'All' } } },
      ],
    },
  });
  t.deepEqual(metadata, { name: 'edge', namespace: 'default', generation: 1, labels: { app: 'edge' } });
  t.deepEqual(spec.addresses, [{ type: 'IPAddress', value: '127.0.0.1' }]);
  t.deepEqual(spec.listeners[0]?.allowedRoutes, { namespaces: { from: 'Same' } });
  t.deepEqual(spec.listeners[1]?.tls, { mode: 'Terminate', certificateRefs: [{ group: '', kind: 'Secret', name: 'cert' }] });
  t.deepEqual(status.conditions.map(({ type, status: value }) => [type, value]), [['Accepted', 'Unknown'], ['Programmed', 'Unknown']]);
});

test('what the CRD refuses is refused at its place, with its reason', (t) => {
  const redirect = { type: 'RequestRedirect', requestRedirect: { scheme: 'https' } };
  const prefix = { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' } } };
  const cases: readonly [unknown, string][] = [
    [rule({ backendRef: [backend] }), 'spec.rules[0].backendRef: is not a field; did you mean backendRefs?'],
    [rule({ backendRefs: [{ name: 'a' }] }), 'spec.rules[0].backendRefs[0]: Must have port for Service reference'],
    [rule({ matches: [{ path: { value: 'cart' } }] }), "spec.rules[0].matches[0].path: value must be an absolute path and start with '/' when type one of ['Exact', 'PathPrefix']"],
    [rule({ filters: [redirect], backendRefs: [backend] }), 'spec.rules[0]: RequestRedirect filter must not be used together with backendRefs'],
    [rule({ timeouts: { request: '1s', backendRequest: '2s' } }), 'spec.rules[0].timeouts: backendRequest timeout cannot be longer than request timeout'],
    [rule({ timeouts: { request: '1.5s' } }), 'spec.rules[0].timeouts.request: "1.5s" must be a duration such as 1m30s or 250ms: whole numbers, each with h, m, s or ms behind it'],
    [
      rule({ matches: [{ path: { type: 'Exact', value: '/a' } }], filters: [prefix], backendRefs: [backend] }),
      'spec.rules[0]: When using URLRewrite filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified',
    ],
    [route({ parentRefs: [{ name: 'a' }, { name: 'a' }] }), 'spec.parentRefs: sectionName or port must be unique when parentRefs includes 2 or more references to the same parent'],
    [route({ hostnames: ['1.2.3.4/'] }), 'spec.hostnames[0]: "1.2.3.4/" must be a host name in lower case, without port, after "*." at most; where every host is meant, leave it out'],
    [route(undefined), 'spec: is required; add it'],
    [route({}, { specs: {} }), 'specs: is not a field; did you mean spec?'],
    [route({}, { metadata: {} }), 'metadata.name: is required; add it'],
    [route({}, { metadata: { name: 'r', lables: {} } }), 'metadata.lables: is not a field; did you mean labels?'],
    [route({}, { metadata: { name: 'r', labels: { a: 1 } } }), 'metadata.labels.a: must be a string, but is the number 1; put it in quotes'],
    [rule({ matches: [{ headers: [{ name: 'x y', value: 'a' }] }] }), 'spec.rules[0].matches[0].headers[0].name: "x y" must be the name of a header: letters, digits and !#$%&\'*+-.^_`|~'],
    [rule({ backendRefs: [{ name: 'a', port: '80' }] }), 'spec.rules[0].backendRefs[0].port: must be a number, but is the string "80"; remove the quotes'],
    [route({}, { apiVersion: 'networking.k8s.io/v1' }), `apiVersion: networking.k8s.io/v1 has no kind HTTPRoute; use ${gateway}/v1`],
    [route({}, { apiVersion: 'v1' }), `apiVersion: v1 has no kind HTTPRoute; use ${gateway}/v1`],
    [route({}, { kind: 'HttpRoute' }), `kind: HttpRoute is not a kind of ${gateway}/v1; did you mean HTTPRoute?`],
    [route({}, { kind: 'Deployment', apiVersion: 'apps/v1' }), 'kind: Deployment of apps/v1 is not a kind that is read here'],
    [route({}, { apiVersion: `${gateway}/v1alpha2` }), `apiVersion: ${gateway}/v1alpha2 is not a version of HTTPRoute that is read here; use ${gateway}/v1 or ${gateway}/v1beta1`],
    [{ apiVersion: `${gateway}/v1`, kind: 'GatewayClass', metadata: { name: 'c', namespace: 'x' }, spec: { controllerName: 'a.example/b' } }, 'metadata.namespace: must be absent: GatewayClass is cluster-scoped; remove it'],
    [5, ': must be an object with apiVersion, kind and metadata'],
  ];
  for (const [raw, fault] of cases) t.deepEqual(faults(raw), [fault]);
});

test('every served version becomes the one that the types describe', (t) => {
  for (const { apiVersions, kind } of builtInKinds.definitions) {
    for (const version of apiVersions) t.is(builtInKinds.find(version, kind).found, 'kind');
  }
  const spec = { parentRefs: [{ name: 'edge' }], rules: [{ backendRefs: [backend] }] };
  const old = parsed<TLSRoute>({ apiVersion: `${gateway}/v1alpha2`, kind: 'TLSRoute', metadata: { name: 'r' }, spec });
  t.is(old.apiVersion, `${gateway}/v1`);
  t.deepEqual(old.spec.hostnames, []);
  t.deepEqual(faults({ apiVersion: `${gateway}/v1`, kind: 'TLSRoute', metadata: { name: 'r' }, spec }), ['spec.hostnames: is required; add it']);
});

test("a status that fits is kept, one that does not is left out: it isn't the user's to write", (t) => {
  const parents = [{ parentRef: { name: 'edge' }, controllerName: 'a.example/b', conditions: [] }];
  t.is(parsed<HTTPRoute>(route({}, { status: { parents } })).status, undefined);
  const condition = { type: 'Accepted', status: 'True', reason: 'Accepted', message: '', lastTransitionTime: '2026-01-31T12:00:00Z' };
  const kept = parsed<HTTPRoute>(route({}, { status: { parents: [{ ...parents[0], conditions: [condition] }] } }));
  t.deepEqual(kept.status?.parents[0]?.parentRef, { group: gateway, kind: 'Gateway', name: 'edge' });
  t.is(parsed<HTTPRoute>(route({}, { status: {} })).status, undefined);
});

test('added kinds are checked by the same rules', (t) => {
  const schema: Schema = {
    type: 'object',
    required: ['spec'],
    properties: {
      spec: {
        type: 'object',
        properties: { retries: { type: 'integer', default: 2 }, targetRef: { type: 'object', properties: { name: { type: 'string' } } } },
        'x-kubernetes-validations': [{ rule: 'has(self.targetRef)', message: 'needs a targetRef' }],
      },
    },
  };
  const definition: KindDefinition = { apiVersions: ['policy.example.com/v1'], kind: 'Policy', namespaced: true, schema };
  const registry = builtInKinds.with([definition]);
  const policy = (spec: unknown): unknown => ({ apiVersion: 'policy.example.com/v1', kind: 'Policy', metadata: { name: 'p' }, spec });
  const result = parseObject(policy({ targetRef: { name: 'x' } }), registry);
  t.deepEqual(result.ok && (result.value as unknown as { spec: unknown }).spec, { targetRef: { name: 'x' }, retries: 2 });
  t.deepEqual(faults(policy({}), registry), ['spec: needs a targetRef']);
  t.deepEqual(faults(policy({ targetRef: {}, retrys: 1 }), registry), ['spec.retrys: is not a field; did you mean retries?']);
});

test('every rule and pattern of every built-in kind can be evaluated', (t) => {
  const walk = (schema: Schema): void => {
    if (schema.pattern !== undefined) t.notThrows(() => new RegExp(schema.pattern ?? '', 'u'));
    for (const part of [...Object.values(schema.properties ?? {}), ...(schema.items === undefined ? [] : [schema.items])]) walk(part);
  };
  for (const { apiVersions, kind, schema } of builtInKinds.definitions) {
    for (const version of apiVersions) {
      const one = typeof schema === 'function' ? schema(version) : schema;
      t.deepEqual(unevaluableRules(one), [], kind);
      walk(one);
    }
  }
});

test('the table of kinds says what the CRDs say', (t) => {
  const folder = new URL('./generated/schemas/', import.meta.url);
  const facts = readdirSync(folder).map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as { group: string; kind: string; namespaced: boolean; versions: string[] });
  for (const { group, kind, namespaced, versions } of facts) {
    const lookup = builtInKinds.find(`${group}/${versions[0]}`, kind);
    if (lookup.found !== 'kind') t.fail(`${kind} is missing`);
    else t.like(lookup.definition, { namespaced, apiVersions: versions.map((version) => `${group}/${version}`) });
  }
  t.is(facts.length, 13);
});

test('parsing is total: no value makes it throw', (t) => {
  const kinds = builtInKinds.definitions.map(({ apiVersions, kind }) => ({ apiVersion: apiVersions[0], kind }));
  const anyObject = fc.record({ of: fc.constantFrom(...kinds), metadata: fc.oneof(fc.jsonValue(), fc.record({ name: fc.constantFrom('a', 'b-c'), labels: fc.jsonValue() })), spec: fc.jsonValue(), status: fc.jsonValue(), data: fc.jsonValue() }, { requiredKeys: ['of'] });
  fc.assert(
    fc.property(fc.oneof(fc.anything(), anyObject.map(({ of, ...rest }) => ({ ...of, ...rest }))), (raw) => {
      t.is(typeof parseObject(raw, builtInKinds).ok, 'boolean');
    }),
    { numRuns: 500 },
  );
});

test('parsing is total near valid routes: one part replaced by any JSON', (t) => {
  const text = JSON.stringify(rule({ matches: [{ path: { type: 'Exact', value: '/a' }, headers: [{ name: 'a', value: 'b' }] }], filters: [{ type: 'URLRewrite', urlRewrite: { hostname: 'a.example' } }], backendRefs: [backend], timeouts: { request: '1s' } }));
  const parts = [...text.matchAll(/:("[^"]*"|\d+|\{\}|\[\{.*?\}\])/g)].map((match) => match.index + 1);
  fc.assert(
    fc.property(fc.constantFrom(...parts), fc.json({ maxDepth: 3 }), (start, json) => {
      const rest = text.slice(start).replace(/^("[^"]*"|\d+|\{\}|\[\{.*?\}\])/, () => json);
      let raw: unknown;
      try {
        raw = JSON.parse(text.slice(0, start) + rest);
      } catch {
        return; // A list was cut through its middle.
      }
      t.is(typeof parseObject(raw, builtInKinds).ok, 'boolean');
    }),
    { numRuns: 300 },
  );
});
