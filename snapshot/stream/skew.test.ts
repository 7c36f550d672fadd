import test from 'ava';
import fc from 'fast-check';
import type * as r from '../resources.ts';
import { runSteps } from '../steps.ts';
import { resourceFault } from './codec.ts';
import { decodeRequest, decodeResponse, Publisher, resourceKinds, Subscriber, type DeltaRequest } from './index.ts';

/** Every field of T is there, so that what is added to a type is added here. */
type Whole<T> = T extends string | number | boolean ? T : T extends readonly (infer I)[] ? readonly Whole<I>[] : string extends keyof T ? T : { readonly [K in keyof T]-?: Whole<Exclude<T[K], undefined>> };

const ref: r.ObjectRef = { kind: 'Service', namespace: 'shop', name: 'web' };
const policy: Whole<r.EffectivePolicy> = {
  retry: {
    maxRetries: 1,
    retryOn: { codes: [503], conditions: ['reset'] },
    methods: ['GET'],
    perTryTimeout: '1s',
    backoff: { base: '1s', max: '2s' },
    respectRetryAfter: true,
    maxBufferedBodyBytes: 1,
    budget: { percent: 20, interval: '10s', minPerSecond: 1 },
  },
  timeouts: { request: '1s', backendRequest: '1s', connect: '1s', idle: '1s', streamIdle: '1s', requestHeaders: '1s', maxConnectionDuration: '1s' },
  session: { type: 'Cookie', name: 's', absoluteTimeout: '1s', lifetime: 'Session', path: '/' },
  origins: { 'retry.maxRetries': { kind: 'RetryPolicy', namespace: 'shop', name: 'p', stanza: 'default', level: 'Route' } },
};
const target: Whole<r.BackendTarget>[] = [{ kind: 'backend', ref, port: 80, backend: 'shop/web:80' }, { kind: 'invalid', ref, port: 80, status: 500, reason: 'none' }];
const headers = { set: [{ name: 'a', value: 'b' }], add: [{ name: 'a', value: 'b' }], remove: ['c'] };
const filters: Whole<r.Filter>[] = [
  { type: 'RequestHeaderModifier', ...headers },
  { type: 'ResponseHeaderModifier', ...headers },
  { type: 'RequestRedirect', scheme: 'https', hostname: 'h', port: 443, path: { type: 'ReplaceFullPath', value: '/' }, statusCode: 302 },
  { type: 'URLRewrite', hostname: 'h', path: { type: 'ReplacePrefixMatch', value: '/' } },
  { type: 'RequestMirror', backend: target[0]!, numerator: 1, denominator: 2 },
  { type: 'CORS', allowOrigins: ['*'], allowCredentials: true, allowMethods: ['GET'], allowHeaders: ['a'], exposeHeaders: ['a'], maxAge: 5 },
];
const backends: Whole<r.WeightedBackend>[] = target.map((each, index) => ({ index, target: each, weight: 1, filters, policy: 0 }));
const hostnames: Whole<r.RouteHostname>[] = [{ match: 'a.example', written: '*.example' }];
const named: Whole<r.NamedMatch> = { name: 'x', type: 'Exact', value: '1' };
const match: Whole<r.Match> = { index: 0, path: { type: 'PathPrefix', value: '/' }, method: 'GET', headers: [named], query: [named], grpc: { type: 'Exact', service: 's', method: 'm' } };

const whole: { readonly [K in r.ResourceKind]: readonly Whole<Extract<r.Resource, { kind: K }>>[] } = {
  Listener: [{
    kind: 'Listener', name: 'n', transport: 'udp', gateway: ref, address: '127.0.0.1', port: 80, trustedHops: 1,
    sections: [{ name: 'http', hostname: '', protocol: 'HTTPS', mode: 'Terminate', certificates: ['c'], clientValidation: { authorities: 'x', mode: 'AllowValidOnly' }, routes: 't', policy }],
  }],
  RouteTable: [{ kind: 'RouteTable', name: 'n', policies: [policy], allowedEscapes: ['%2F'], routes: [{ ref, createdAt: 0, hostnames, rules: [{ index: 0, name: 'r', matches: [match], filters, backends, policy: 0, failure: { status: 500, reason: 'none' } }] }] }],
  StreamTable: [{ kind: 'StreamTable', name: 'n', policies: [policy], routes: [{ ref, createdAt: 0, hostnames, rule: { index: 0, name: 'r', backends } }] }],
  Destination: [
    { kind: 'Destination', name: 'n', target: { kind: 'service', service: ref, port: 80, routes: 't', policy, protocol: 'http', streams: 's', backend: 'b' } },
    { kind: 'Destination', name: 'n', target: { kind: 'passthrough' } },
  ],
  Backend: [{ kind: 'Backend', name: 'n', ref, port: 80, protocol: 'http1', balancing: 'least-request', tls: { hostname: 'h', authorities: 'x', subjectAltNames: [{ type: 'URI', value: 'u' }], clientCertificate: 'c' } }],
  Endpoints: [{ kind: 'Endpoints', name: 'n', endpoints: [{ address: '127.0.0.1', port: 80, workload: 'shop/web-0', sidecar: true }] }],
  Certificate: [{ kind: 'Certificate', name: 'n', chain: 'x', key: 'x' }],
};

type Json = Record<string, unknown>;
interface Place {
  readonly kind: r.ResourceKind;
  /** A resource, and the way to one of its values; `key` is that value's own name or position. */
  readonly resource: Json;
  readonly way: readonly string[];
}

function* valuesIn(value: unknown, way: readonly string[] = []): Generator<{ readonly way: readonly string[]; readonly value: unknown }> {
  yield { way, value };
  if (typeof value === 'object' && value !== null) for (const [key, each] of Object.entries(value)) yield* valuesIn(each, [...way, key]);
}

const places = resourceKinds.flatMap((kind) => whole[kind].flatMap((resource) => [...valuesIn(resource)].map(({ way, value }) => ({ kind, resource: resource as unknown as Json, way, value }))));
const isFields = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
/** All objects but the records, whose keys are free. */
const objects = places.filter(({ value, way }) => isFields(value) && way.at(-1) !== 'origins');

/** The resource with another value at the place. */
function changed({ resource, way }: Place, change: (value: unknown) => unknown): Json {
  const copy = structuredClone(resource) as unknown;
  if (way.length === 0) return change(copy) as Json;
  const parent = way.slice(0, -1).reduce<unknown>((value, key) => (value as Json)[key], copy) as Json;
  parent[way.at(-1)!] = change(parent[way.at(-1)!]);
  return copy as Json;
}

const faultOf = (kind: r.ResourceKind, resource: Json): string | undefined => resourceFault(kind, { name: 'n', version: '1', resource: resource as unknown as r.Resource });
const withField = (place: Place, name: string, value: unknown): Json => changed(place, (fields) => Object.defineProperty(fields as Json, name, { value, enumerable: true, configurable: true, writable: true }));

test('what this version sends is known, with every field there is', (t) => {
  for (const kind of resourceKinds) for (const resource of whole[kind]) t.is(faultOf(kind, resource as unknown as Json), undefined);
  t.true(objects.length > 100);
});

test('a field that is not known is refused at every level, by its name; one that may be left unread is not', (t) => {
  for (const place of objects) {
    t.regex(faultOf(place.kind, withField(place, 'authorization', { allow: ['nobody'] })) ?? '', /: has a field "authorization", which is not known here; this proxy is of another version than the controller$/, place.way.join('.'));
    t.is(faultOf(place.kind, withField(place, 'latencyHint', { p50: 1 })), undefined, place.way.join('.'));
  }
});

test('names that JavaScript gives a meaning, or that are long, are no way around it', (t) => {
  for (const name of ['__proto__', 'constructor', 'toString', 'Hints', 'hint', 'x'.repeat(5000)]) {
    for (const place of objects.slice(0, 3)) {
      const fault = faultOf(place.kind, withField(place, name, {}));
      t.regex(fault ?? '', /which is not known here/, name.slice(0, 20));
      t.true(fault!.length < 300);
    }
  }
});

test('a value that is not known is refused wherever the values are a closed set', (t) => {
  const closed = new Set(places.filter((place) => typeof place.value === 'string' && faultOf(place.kind, changed(place, () => 'Tomorrow')) !== undefined).map(({ kind, way }) => [kind, ...way.filter((key) => !/^\d+$/.test(key))].join('.')));
  // `name` is compared with the name of the subscription.
  const ends = (end: string): number => [...closed].filter((way) => way.endsWith(`.${end}`)).length;
  for (const end of ['target.kind', 'filters.type', 'path.type', 'headers.type', 'query.type', 'grpc.type', 'subjectAltNames.type', 'session.type', 'session.lifetime', 'stanza', 'level', 'conditions', 'protocol', 'mode', 'balancing', 'transport', 'allowedEscapes']) t.true(ends(end) > 0, end);
  for (const kind of resourceKinds) t.true(closed.has(`${kind}.kind`), kind);
  const route = places.find(({ kind, way }) => kind === 'RouteTable' && way.join('.') === 'routes.0.rules.0.filters.0.type')!;
  t.regex(faultOf('RouteTable', changed(route, () => 'ExternalAuth')) ?? '', /^RouteTable\.routes\[0\]\.rules\[0\]\.filters\[0\]\.type: "ExternalAuth" is not one of RequestHeaderModifier, .*; this proxy is of another version than the controller$/);
});

test('messages are read without what a newer peer adds to them', (t) => {
  t.true(decodeRequest(JSON.stringify({ type: 'Listener', subscribe: [], unsubscribe: [], locality: 'x', node: { id: 'a', role: 'gateway', namespace: 'b', name: 'c', release: '9' } })).ok);
  t.true(decodeResponse(JSON.stringify({ type: 'Listener', nonce: '1', removed: [], resources: [{ name: 'n', version: '1', resource: {}, ttl: 5 }], timing: 7 })).ok);
});

test('a newer proxy that asks for a kind which the controller has not goes without; all else it gets', (t) => {
  const sent: string[] = [];
  const endpoints = whole.Endpoints[0]!;
  const publisher = new Publisher({ send: (message) => sent.push(message), open: () => ({ own: () => [], find: (type, name) => (type === 'Endpoints' ? { version: '1', encoded: JSON.stringify({ name, version: '1', resource: endpoints }) } : undefined) }) });
  const ask = (request: object): string | undefined => runSteps(publisher.receive(JSON.stringify({ subscribe: ['n'], unsubscribe: [], ...request })));
  t.is(ask({ node: { id: 'a', role: 'gateway', namespace: 'b', name: 'c' }, type: 'Authorization' }), undefined);
  t.deepEqual(sent, []);
  t.is(ask({ type: 'Endpoints' }), undefined);
  t.is(sent.length, 1);
  t.true(publisher.isCurrent('Endpoints') === false && publisher.isCurrent('Listener'));
});

/** A stream whose controller may send what is not known here, and be another one from time to time. */
function play(worlds: readonly (readonly (number | 'newer' | undefined)[])[], reconnects: readonly boolean[]): { readonly live: readonly unknown[]; readonly rejected: readonly string[]; readonly expected: readonly unknown[]; readonly refused: readonly string[] } {
  const names = ['a', 'b', 'c'];
  let world: readonly (number | 'newer' | undefined)[] = [];
  const find = (_: string, name: string): { readonly version: string; readonly encoded: string } | undefined => {
    const port = world[names.indexOf(name)];
    if (port === undefined) return undefined;
    const resource = { kind: 'Endpoints', name, endpoints: [], ...(port === 'newer' ? { authorization: 1 } : { endpoints: [{ address: '127.0.0.1', port }] }) };
    return { version: String(port), encoded: JSON.stringify({ name, version: String(port), resource }) };
  };
  let publisher: Publisher | undefined;
  let line: (() => void)[] = [];
  const subscriber = new Subscriber({ node: { id: 'a', role: 'sidecar', namespace: 'b', name: 'c' }, check: () => undefined, apply: () => {}, now: () => 0 });
  const deliver = (): void => {
    for (let next = line.shift(); next !== undefined; next = line.shift()) next();
  };
  const connect = (): void => {
    subscriber.disconnected();
    line = [];
    const made = (publisher = new Publisher({ send: (message) => line.push(() => subscriber.receive(message)), open: () => ({ own: () => [], find }) }));
    subscriber.connected((message) => line.push(() => runSteps(made.receive(message))));
  };
  for (const name of names) subscriber.want('Endpoints', name);
  const good: unknown[] = [undefined, undefined, undefined];
  for (const [turn, next] of worlds.entries()) {
    world = next;
    if (turn === 0 || reconnects[turn] === true) connect();
    else runSteps(publisher!.refresh());
    deliver();
    for (const index of names.keys()) if (next[index] !== 'newer') good[index] = next[index];
  }
  // What the proxy says is in the answers to what comes.
  subscriber.report('Endpoints', new Map());
  deliver();
  const portOf = (name: string): unknown => {
    const live = subscriber.live('Endpoints', name);
    return live?.kind === 'Endpoints' ? live.endpoints[0]?.port : undefined;
  };
  return { live: names.map(portOf), expected: good, rejected: [...publisher!.rejected('Endpoints').keys()].toSorted(), refused: names.filter((_, index) => world[index] === 'newer') };
}

test('whatever versions the controllers have, one after the other: what is known is in force, of what is not the last good one, and just that is told', (t) => {
  const world = fc.array(fc.constantFrom(1, 2, 'newer' as const, undefined), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(world, { minLength: 1, maxLength: 6 }), fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }), (worlds, reconnects) => {
      const { live, expected, rejected, refused } = play(worlds, reconnects);
      t.deepEqual(live, expected);
      t.deepEqual(rejected, refused);
    }),
    { numRuns: 300 },
  );
});

test('why a resource can not be in force: what is refused of it, or of what it refers to; not once a version is', (t) => {
  let sent: DeltaRequest[] = [];
  const subscriber = new Subscriber({ node: { id: 'a', role: 'sidecar', namespace: 'b', name: 'c' }, check: () => undefined, apply: () => {}, now: () => 0 });
  subscriber.connected((message) => sent.push(JSON.parse(message) as DeltaRequest));
  subscriber.want('Destination', 'n');
  let nonce = 0;
  const give = (type: r.ResourceKind, resource: object): string | undefined => subscriber.receive(JSON.stringify({ type, nonce: String(++nonce), removed: [], resources: [{ name: (resource as { readonly name: string }).name, version: String(nonce), resource }] }));
  const [destination] = whole.Destination as readonly [object];
  give('Destination', { ...destination, authorization: 1 });
  t.regex(subscriber.refusal('Destination', 'n') ?? '', /^Destination n: Destination: has a field "authorization"/);
  t.is(subscriber.answered('Destination', 'n'), 'present');
  give('Destination', { ...destination, target: { kind: 'service', service: ref, port: 80, routes: 'n' } });
  t.is(subscriber.refusal('Destination', 'n'), undefined, 'the table may still come');
  const table = { ...whole.RouteTable[0]!, routes: [] };
  give('RouteTable', { ...table, authorization: 1 });
  t.regex(subscriber.refusal('Destination', 'n') ?? '', /^RouteTable n: /);
  sent = [];
  give('RouteTable', table);
  t.is(subscriber.refusal('Destination', 'n'), undefined);
  t.truthy(subscriber.live('Destination', 'n'));
  give('RouteTable', { ...table, authorization: 1 });
  t.is(subscriber.refusal('Destination', 'n'), undefined, 'the last good one serves');
});

test('what is refused is so until the next stream has said something else', (t) => {
  const subscriber = new Subscriber({ node: { id: 'a', role: 'sidecar', namespace: 'b', name: 'c' }, check: () => undefined, apply: () => {}, now: () => 0 });
  const [endpoints] = whole.Endpoints as readonly [r.Endpoints];
  let nonce = 0;
  const give = (resources: readonly object[], removed: readonly string[] = []): unknown => subscriber.receive(JSON.stringify({ type: 'Endpoints', nonce: String(++nonce), removed, resources: resources.map((resource) => ({ name: (resource as r.Endpoints).name, version: String(nonce), resource })) }));
  const refused = (): readonly string[] => ['n', 'm', 'o', 'p'].filter((name) => subscriber.refusal('Endpoints', name) !== undefined);
  const connect = (): DeltaRequest => {
    const sent: DeltaRequest[] = [];
    subscriber.disconnected();
    subscriber.connected((message) => sent.push(JSON.parse(message) as DeltaRequest));
    return sent.find(({ type }) => type === 'Endpoints')!;
  };
  subscriber.connected(() => {});
  for (const name of ['n', 'm', 'o', 'p']) subscriber.want('Endpoints', name);
  give([{ ...endpoints, name: 'p' }]);
  give(['n', 'm', 'o', 'p'].map((name) => ({ ...endpoints, name, authorization: 1 })));
  t.deepEqual(refused(), ['n', 'm', 'o']);
  subscriber.want('Certificate', '*');
  subscriber.receive(JSON.stringify({ type: 'Certificate', nonce: 'x', removed: [], resources: [{ name: 'n', version: '1', resource: { ...whole.Certificate[0], authorization: 1 } }] }));
  t.truthy(subscriber.refusal('Certificate', 'n'));
  t.deepEqual(Object.keys(connect().initialVersions ?? {}), ['p']);
  t.deepEqual(refused(), ['n', 'm', 'o'], 'a controller that is slow to speak is no way around it');
  // Of one that has gone back to what is held, or that is no longer a proxy's own, nothing may be said.
  t.is(subscriber.refusal('Certificate', 'n'), undefined);
  t.is(subscriber.answered('Endpoints', 'p'), 'present');
  give([{ ...endpoints, name: 'm' }], ['o']);
  t.deepEqual(refused(), ['n']);
  t.deepEqual([subscriber.answered('Endpoints', 'm'), subscriber.answered('Endpoints', 'o')], ['present', 'absent']);
});

test('what an earlier run took is asked for only where this one was told nothing that it could use', (t) => {
  const [earlier] = whole.Endpoints as readonly [r.Endpoints];
  const asked: string[] = [];
  let answer: r.Resource = earlier;
  const subscriber = new Subscriber({ node: { id: 'a', role: 'sidecar', namespace: 'b', name: 'c' }, check: () => undefined, apply: () => {}, now: () => 0, lastGood: (type, name) => (asked.push(`${type} ${name}`), { name, version: 'earlier', resource: answer }) });
  const sent: DeltaRequest[] = [];
  subscriber.connected((message) => sent.push(JSON.parse(message) as DeltaRequest));
  for (const name of ['n', 'm']) subscriber.want('Endpoints', name);
  const give = (nonce: string, more: object, removed: readonly string[] = []): string | undefined => subscriber.receive(JSON.stringify({ type: 'Endpoints', nonce, removed, resources: removed.length > 0 ? [] : [{ name: 'n', version: nonce, resource: { ...earlier, ...more } }] }));
  answer = { ...earlier, authorization: 1 } as r.Resource;
  give('1', { authorization: 1 });
  t.is(subscriber.live('Endpoints', 'n'), undefined, 'it is checked too');
  answer = earlier;
  give('2', { authorization: 1 });
  t.is(subscriber.live('Endpoints', 'n'), earlier);
  t.deepEqual(Object.keys(sent.at(-1)?.rejected ?? {}), ['n']);
  t.is(asked.length, 2);
  for (const nonce of ['3', '4']) give(nonce, { authorization: 1 });
  give('5', {}, ['n']);
  t.is(subscriber.live('Endpoints', 'n'), undefined);
  give('6', { authorization: 1 });
  t.is(subscriber.live('Endpoints', 'n'), undefined, 'the controller said that it was gone');
  t.is(asked.length, 2);
});
