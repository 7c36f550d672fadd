import test from 'ava';
import fc from 'fast-check';
import { objectKey, stateOf, type KubernetesObject } from '#crds';
import { intersectHostnames } from '#snapshot';
import { assertAnew, assertErrorsTold, stateFrom, takenObjects, translateByTurns, translateObjects } from './testing.ts';
import type { Translation } from './types.ts';

const gw = 'gateway.networking.k8s.io';
const name = fc.constantFrom('a', 'b');
const namespace = fc.constantFrom('x', 'y');
const port = fc.constantFrom(80, 81);
const hostname = fc.constantFrom('a.example.com', '*.example.com', 'b.example.org');
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });

const metadata = fc.record({ name, namespace });
const aged = fc.record({ name, namespace, creationTimestamp: maybe(fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z')) });
const backendRef = fc.record({ kind: fc.constantFrom('Service', 'Service', 'Bucket'), name, namespace: maybe(namespace), port, weight: fc.nat(3) });
const filter = fc.constantFrom(
  { type: 'RequestRedirect', requestRedirect: { scheme: 'https' } },
  { type: 'ExtensionRef', extensionRef: { group: 'x.io', kind: 'F', name: 'f' } },
  { type: 'RequestMirror', requestMirror: { backendRef: { name: 'b', port: 80 } } },
  { type: 'RequestHeaderModifier', requestHeaderModifier: { remove: ['X-A'] } },
);
const match = fc.constantFrom({ path: { value: '/a' } }, { path: { type: 'RegularExpression', value: '(' } }, { path: { type: 'Exact', value: '/b' }, headers: [{ name: 'h', value: 'v' }] });
const rule = fc.oneof(
  fc.record({ matches: fc.array(match, { maxLength: 2 }), backendRefs: fc.array(backendRef, { maxLength: 2 }), timeouts: maybe(fc.constant({ request: '1s' })) }),
  fc.record({ matches: fc.array(match, { maxLength: 2 }), filters: fc.array(filter, { maxLength: 1 }) }),
);
const grpcMatch = fc.constantFrom({}, { method: { service: 'a.B' } }, { method: { service: 'a.B', method: 'C' } }, { method: { type: 'RegularExpression', service: '(' } }, { headers: [{ name: 'h', value: 'v' }] });
const grpcRule = fc.record({ matches: fc.array(grpcMatch, { maxLength: 2 }), backendRefs: fc.array(backendRef, { maxLength: 2 }), filters: maybe(fc.array(filter.filter(({ type }) => type !== 'RequestRedirect'), { maxLength: 1 })) });
const streamRules = fc.array(fc.record({ backendRefs: fc.array(backendRef, { minLength: 1, maxLength: 2 }) }), { minLength: 1, maxLength: 1 });
const parentRef = fc.oneof(
  fc.record({ name, namespace: maybe(namespace), sectionName: maybe(fc.constantFrom('l0', 'l1')), port: maybe(port) }),
  fc.record({ group: fc.constant(''), kind: fc.constant('Service'), name, namespace: maybe(namespace), port: maybe(port) }),
  fc.record({ kind: fc.constant('ListenerSet'), name, namespace: maybe(namespace), sectionName: maybe(fc.constantFrom('l0', 'l1')), port: maybe(port) }),
);
const listener = fc.record({
  port,
  protocol: fc.constantFrom('HTTP', 'HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP', 'x.io/odd'),
  tls: maybe(fc.constantFrom({ mode: 'Passthrough' }, { mode: 'Terminate', certificateRefs: [{ name: 'a' }] })),
  hostname: maybe(fc.constantFrom('a.example.com', '*.example.com')),
  allowedRoutes: maybe(fc.record({ namespaces: fc.record({ from: fc.constantFrom('All', 'Same') }) })),
});
const listeners = fc.array(listener, { minLength: 1, maxLength: 2 }).map((all) => all.map((each, index) => ({ name: `l${index}`, ...each })));
const allowedListeners = fc.record({ namespaces: fc.record({ from: fc.constantFrom('All', 'All', 'Same', 'None') }) });
const target = fc.oneof(
  fc.record({ group: fc.constant(gw), kind: fc.constantFrom('HTTPRoute', 'GRPCRoute', 'Gateway', 'GatewayClass', 'ListenerSet'), name }),
  fc.record({ group: fc.constant(''), kind: fc.constantFrom('Service', 'Namespace'), name: fc.constantFrom('a', 'b', 'x') }),
);

const object = fc.oneof(
  fc.record({ apiVersion: fc.constant(`${gw}/v1`), kind: fc.constant('Gateway'), metadata, spec: fc.record({ gatewayClassName: fc.constantFrom('weft', 'other'), allowedListeners: maybe(allowedListeners), listeners }) }),
  fc.record({ apiVersion: fc.constant(`${gw}/v1`), kind: fc.constant('ListenerSet'), metadata, spec: fc.record({ parentRef: fc.record({ name, namespace: maybe(namespace) }), listeners }) }),
  fc.record({ apiVersion: fc.constant(`${gw}/v1`), kind: fc.constant('HTTPRoute'), metadata: aged, spec: fc.record({ parentRefs: fc.array(parentRef, { maxLength: 1 }), hostnames: maybe(fc.array(hostname, { maxLength: 2 })), rules: fc.array(rule, { minLength: 1, maxLength: 3 }) }) }),
  fc.record({ apiVersion: fc.constant(`${gw}/v1`), kind: fc.constant('GRPCRoute'), metadata: aged, spec: fc.record({ parentRefs: fc.array(parentRef, { maxLength: 2 }), hostnames: maybe(fc.array(hostname, { maxLength: 2 })), rules: fc.array(grpcRule, { minLength: 1, maxLength: 3 }) }) }),
  fc.record({ apiVersion: fc.constant(`${gw}/v1`), kind: fc.constant('TLSRoute'), metadata: aged, spec: fc.record({ parentRefs: fc.array(parentRef, { maxLength: 2 }), hostnames: fc.array(hostname, { minLength: 1, maxLength: 2 }), rules: streamRules }) }),
  fc.record({ apiVersion: fc.constant(`${gw}/v1`), kind: fc.constantFrom('TCPRoute', 'UDPRoute'), metadata: aged, spec: fc.record({ parentRefs: fc.array(parentRef, { maxLength: 2 }), rules: streamRules }) }),
  fc.record({ apiVersion: fc.constant('v1'), kind: fc.constant('Service'), metadata, spec: fc.record({ ports: fc.tuple(port, fc.constantFrom({}, { appProtocol: 'kubernetes.io/h2c' }, { appProtocol: 'mysql' }, { appProtocol: 'https' }, { protocol: 'UDP' })).map(([number, more]) => (number === 80 ? [{ name: 'http', port: number, ...more }] : [{ name: 't', port: 80 }, { name: 'u', port: 80, protocol: 'UDP' }])), selector: fc.constant({ app: 'a' }), clusterIP: maybe(fc.constant('None')) }) }),
  fc.record({ apiVersion: fc.constant(`${gw}/v1`), kind: fc.constant('ReferenceGrant'), metadata, spec: namespace.map((from) => ({ from: [{ group: gw, kind: 'HTTPRoute', namespace: from }, { group: gw, kind: 'TCPRoute', namespace: from }], to: [{ group: '', kind: 'Service' }] })) }),
  fc.record({ apiVersion: fc.constant('v1'), kind: fc.constant('Pod'), metadata: fc.record({ name, namespace: fc.constantFrom('x', 'y', 'z'), labels: fc.constantFrom({ app: 'a' }, {}) }), spec: fc.constant({ containers: [{ name: 'c' }] }), status: fc.record({ podIP: fc.constantFrom('127.0.1.1', '127.0.1.2'), phase: fc.constantFrom('Running', 'Pending') }) }),
  fc.record({ apiVersion: fc.constant('policy.weft-mesh.io/v1alpha1'), kind: fc.constant('RetryPolicy'), metadata, spec: fc.record({ targetRef: target, default: fc.constant({ maxRetries: 2 }) }) }),
);

/** Objects that the schemas take, each name once. */
const objects = fc.array(object, { minLength: 4, maxLength: 14 }).map(takenObjects);

/** Every table, destination and status as text. */
function textOf({ statuses, problems, snapshots, paths }: Translation): string {
  const listeners = [...snapshots.listeners].sort();
  const tables = listeners.flatMap(([, each]) => each.flatMap(({ sections }) => sections.map(({ routes }) => snapshots.routeTable(routes))));
  const destinations = ['x', 'y'].flatMap((client) => snapshots.destinations(client));
  const mesh = destinations.map(({ target }) => (target.kind === 'service' ? snapshots.routeTable(target.routes) : undefined));
  const endpoints = ['x', 'y'].flatMap((where) => ['a', 'b'].flatMap((what) => [80, 81].map((number) => snapshots.endpoints(`${where}/${what}:${number}`))));
  const streams = [...listeners.flatMap(([, each]) => each.flatMap(({ sections }) => sections.map(({ routes }) => routes))), ...destinations.flatMap(({ target }) => (target.kind === 'service' ? (target.streams ?? []) : []))].map((table) => snapshots.streamTable(table));
  return JSON.stringify([streams, endpoints, statuses, problems.map(({ object: about, path, reason, message }) => [about, path, reason, message]), listeners, tables, destinations, mesh, paths.all().length]);
}

test('any objects in any order give one translation', (t) => {
  fc.assert(
    fc.property(objects, fc.infiniteStream(fc.nat()), (all, order) => {
      const shuffled = all.map((each) => ({ each, place: order.next().value ?? 0 })).sort((a, b) => a.place - b.place).map(({ each }) => each);
      t.is(textOf(translateObjects(all)), textOf(translateObjects(shuffled)));
    }),
    { numRuns: 50 },
  );
  t.pass();
});

test('a translation after a change is that of the same objects read anew', (t) => {
  fc.assert(fc.property(objects, fc.nat(), objects, (before, gone, come) => assertAnew(t, { before, gone, come }, textOf)), { numRuns: 30 });
  t.pass();
});

test('translations that take turns say what each of them says alone, of objects read anew', (t) => {
  fc.assert(
    fc.property(objects, objects, fc.infiniteStream(fc.nat(1)), (before, come, turns) => {
      const states = [stateOf(before), stateOf([...new Map([...before, ...come].map((each) => [`${each.kind} ${objectKey(each)}`, each])).values()])] as const;
      const alone = states.map((state) => textOf(translateObjects(structuredClone(Object.values(state).flatMap((map) => [...map.values()] as KubernetesObject[])))));
      t.deepEqual(translateByTurns(states, turns).map(textOf), alone);
    }),
    { numRuns: 30 },
  );
  t.pass();
});

test('every error is in the message of a condition of its object', (t) => {
  fc.assert(fc.property(objects, (all) => assertErrorsTold(t, all)), { numRuns: 50 });
  t.pass();
});

/** Routes of all kinds that all go to one Gateway or to one of two Services, so that they meet. */
const meeting: fc.Arbitrary<readonly KubernetesObject[]> = fc
  .record({
    hostname: maybe(fc.constantFrom('a.example.com', '*.example.com')),
    services: fc.array(fc.constantFrom({}, { appProtocol: 'kubernetes.io/h2c' }, { appProtocol: 'mysql' }), { minLength: 2, maxLength: 2 }),
    routes: fc.uniqueArray(
      fc.record({
        kind: fc.constantFrom('HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'),
        metadata: fc.record({ name: fc.constantFrom('a', 'b', 'c'), namespace, creationTimestamp: maybe(fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z')) }),
        parent: fc.constantFrom({ name: 'g', namespace: 'x' }, { group: '', kind: 'Service', name: 'a', namespace: 'x' }, { group: '', kind: 'Service', name: 'a', namespace: 'x', port: 80 }),
        hostnames: fc.array(hostname, { minLength: 1, maxLength: 2 }),
        bare: fc.boolean(),
        backend: fc.constantFrom('a', 'b'),
      }),
      { selector: ({ kind, metadata: { namespace: where, name: what } }) => `${kind} ${where}/${what}`, minLength: 4, maxLength: 12 },
    ),
  })
  .map(({ hostname: own, services, routes }) => {
    const all = { allowedRoutes: { namespaces: { from: 'All' } } };
    const written = [
      {
        apiVersion: `${gw}/v1`, kind: 'Gateway', metadata: { name: 'g', namespace: 'x' },
        spec: { gatewayClassName: 'weft', listeners: [{ name: 'h', port: 80, protocol: 'HTTP', ...(own === undefined ? {} : { hostname: own }), ...all }, { name: 'l', port: 443, protocol: 'TLS', tls: { mode: 'Passthrough' }, ...all }, { name: 't', port: 90, protocol: 'TCP', ...all }, { name: 'u', port: 90, protocol: 'UDP', ...all }] },
      },
      ...services.map((more, index) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'ab'[index], namespace: 'x' }, spec: { ports: [{ name: 'p', port: 80, ...more }, { name: 'q', port: 81 }, { name: 'u', port: 80, protocol: 'UDP' }] } })),
      { apiVersion: `${gw}/v1`, kind: 'ReferenceGrant', metadata: { name: 'r', namespace: 'x' }, spec: { from: ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'].map((kind) => ({ group: gw, kind, namespace: 'y' })), to: [{ group: '', kind: 'Service' }] } },
      ...routes.map(({ kind, metadata: about, parent, hostnames, bare, backend }) => ({
        apiVersion: `${gw}/v1`, kind, metadata: about,
        spec: { parentRefs: [parent], ...(kind === 'TCPRoute' || kind === 'UDPRoute' || (bare && kind !== 'TLSRoute') ? {} : { hostnames }), rules: [{ backendRefs: [{ name: backend, namespace: 'x', port: 80 }] }] },
      })),
    ];
    return Object.values(stateFrom(written.map((each) => JSON.stringify(each)).join('\n---\n'))).flatMap((map) => [...map.values()] as KubernetesObject[]);
  });

test('a section has a table of its own sort, a destination the one that its protocol needs, and a backend speaks what it is sent', (t) => {
  fc.assert(
    fc.property(meeting, (all) => {
      const { snapshots } = translateObjects(all);
      const speaks = (target: { readonly kind: string; readonly backend?: string }, protocols: readonly (string | undefined)[], where: string): void => {
        if (target.kind === 'backend') t.true(protocols.includes(snapshots.backend(target.backend ?? '')?.protocol), `${where}: ${target.backend}`);
      };
      const checkStreams = (name: string, protocol: 'tcp' | 'udp'): void => {
        for (const { rule: { backends } } of snapshots.streamTable(name)?.routes ?? []) for (const { target } of backends) speaks(target, [protocol], name);
      };
      for (const { transport, sections } of [...snapshots.listeners.values()].flat()) {
        for (const { protocol, routes } of sections) {
          t.is(transport === 'udp', protocol === 'UDP');
          const stream = protocol !== 'HTTP' && protocol !== 'HTTPS';
          t.is(snapshots.streamTable(routes) !== undefined, stream, routes);
          t.is(snapshots.routeTable(routes) !== undefined, !stream, routes);
          checkStreams(routes, protocol === 'UDP' ? 'udp' : 'tcp');
          for (const { ref, rules } of snapshots.routeTable(routes)?.routes ?? []) for (const { backends } of rules) for (const { target } of backends) speaks(target, ref.kind === 'GRPCRoute' ? ['http2'] : ['http1', 'http2'], routes);
        }
      }
      for (const { target } of ['x', 'y'].flatMap((client) => snapshots.destinations(client))) {
        if (target.kind !== 'service') continue;
        if (target.protocol === 'tls') t.truthy(target.streams);
        if (target.streams === undefined) continue;
        t.true(target.protocol === 'tls' || target.protocol === 'tcp');
        t.true((snapshots.streamTable(target.streams)?.routes.length ?? 0) > 0);
        checkStreams(target.streams, 'tcp');
      }
    }),
    { numRuns: 60 },
  );
  t.pass();
});

test('routes of two kinds never serve one host of a listener, nor one Service port', (t) => {
  fc.assert(
    fc.property(meeting, (all) => {
      const { snapshots } = translateObjects(all);
      for (const { sections } of [...snapshots.listeners.values()].flat()) {
        for (const { routes: name } of sections) {
          const routes = snapshots.routeTable(name)?.routes ?? [];
          const hosts = (kind: string): readonly string[] => routes.filter(({ ref }) => ref.kind === kind).flatMap(({ hostnames }) => (hostnames.length === 0 ? [''] : hostnames.map((each) => each.match)));
          for (const a of hosts('HTTPRoute')) for (const b of hosts('GRPCRoute')) t.is(intersectHostnames(a, b === '' ? [] : [b]), undefined, `${name}: ${a} and ${b}`);
        }
      }
      for (const { target } of ['x', 'y'].flatMap((client) => snapshots.destinations(client))) {
        if (target.kind !== 'service') continue;
        const kinds = new Set([...(snapshots.routeTable(target.routes)?.routes ?? []), ...(snapshots.streamTable(target.streams ?? '')?.routes ?? [])].map(({ ref }) => ref.kind).filter((kind) => kind !== 'Service'));
        t.true(kinds.size <= 1, [...kinds].join(', '));
      }
    }),
    { numRuns: 60 },
  );
  t.pass();
});

test('a table never points to a backend that does not exist, and every backend that it points to has endpoints to ask for', (t) => {
  fc.assert(
    fc.property(objects, (all) => {
      const { snapshots } = translateObjects(all);
      const names = ['x', 'y'].flatMap((client) => snapshots.destinations(client)).flatMap(({ target }) => (target.kind === 'service' ? [target.routes] : []));
      const sections = [...snapshots.listeners.values()].flatMap((each) => each.flatMap((listener) => listener.sections.map(({ routes }) => routes)));
      for (const table of [...names, ...sections]) {
        const requests = (snapshots.routeTable(table)?.routes ?? []).flatMap(({ rules }) => rules.flatMap(({ backends }) => backends));
        const streams = (snapshots.streamTable(table)?.routes ?? []).flatMap((route) => route.rule.backends);
        for (const { target } of [...requests, ...streams]) {
          if (target.kind !== 'backend') continue;
          t.truthy(snapshots.backend(target.backend), target.backend);
          t.truthy(snapshots.endpoints(target.backend), target.backend);
        }
      }
    }),
    { numRuns: 30 },
  );
  t.pass();
});
