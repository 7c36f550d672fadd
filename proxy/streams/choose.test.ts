import test from 'ava';
import fc from 'fast-check';
import { compareHostnames, hostnameMatches, type RouteHostname, type StreamRoute, type WeightedBackend } from '#snapshot';
import { pickStreamBackend, streamChooser } from './choose.ts';

function route(name: string, hostnames: readonly (string | RouteHostname)[], createdAt = 0, namespace = 'shop'): StreamRoute {
  const both = hostnames.map((one) => (typeof one === 'string' ? { match: one, written: one } : one));
  return { ref: { kind: 'TLSRoute', namespace, name }, createdAt, hostnames: both, rule: { index: 0, backends: [] } };
}

const nameOf = (routes: readonly StreamRoute[], serverName: string): string | undefined => streamChooser(routes).find(serverName)?.ref.name;

test('the most specific hostname, as it is written, comes before age', (t) => {
  const routes = [route('wide', ['*.example.com'], 1), route('wider', ['*.com'], 0), route('exact', ['a.example.com'], 5), route('any', [], 0)];
  t.is(nameOf(routes, 'a.example.com'), 'exact');
  t.is(nameOf(routes, 'b.example.com'), 'wide');
  t.is(nameOf(routes, 'b.c.example.com'), 'wide');
  t.is(nameOf(routes, 'example.com'), 'wider');
  t.is(nameOf(routes, 'com'), 'any');
  t.is(nameOf(routes, ''), 'any');
  // On a listener for one name all routes match that name; what they say themselves decides.
  const met = [route('older', [{ match: 'a.example.com', written: '*.example.com' }], 0), route('newer', [{ match: 'a.example.com', written: 'a.example.com' }], 9)];
  t.is(nameOf(met, 'a.example.com'), 'newer');
});

test('then the oldest route, then the first by namespace and name', (t) => {
  t.is(nameOf([route('b', []), route('a', [], 1)], ''), 'b');
  t.is(nameOf([route('b', []), route('a', [])], ''), 'a');
  t.is(nameOf([route('a', [], 0, 'z'), route('b', [], 0, 'y')], ''), 'b');
});

test('a connection without server name gets no route with hostnames', (t) => {
  t.is(nameOf([route('wide', ['*.com']), route('exact', ['a.com'])], ''), undefined);
});

/** The rules again, in the dullest way. */
function oracle(routes: readonly StreamRoute[], serverName: string): StreamRoute | undefined {
  const fitting = routes.flatMap((each) => {
    const hostnames = each.hostnames.length === 0 ? [{ match: '', written: '' }] : each.hostnames.filter(({ match }) => serverName !== '' && hostnameMatches(match, serverName));
    return hostnames.map(({ written }) => ({ written, each }));
  });
  fitting.sort(
    (a, b) =>
      compareHostnames(a.written, b.written) || a.each.createdAt - b.each.createdAt || (`${a.each.ref.namespace}/${a.each.ref.name}` < `${b.each.ref.namespace}/${b.each.ref.name}` ? -1 : 1),
  );
  return fitting[0]?.each;
}

test('property: the same route as by looking at all of them', (t) => {
  const label = fc.constantFrom('a', 'b', 'ab');
  const host = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
  const hostname = fc.tuple(fc.boolean(), host).map(([wild, name]) => (wild ? `*.${name}` : name));
  const routes = fc.array(fc.record({ hostnames: fc.array(hostname, { maxLength: 3 }), createdAt: fc.nat(2) }), { maxLength: 8 });
  fc.assert(
    fc.property(routes, fc.oneof(host, fc.constant('')), (parts, serverName) => {
      const all = parts.map(({ hostnames, createdAt }, index) => route(`r${index}`, hostnames, createdAt));
      return streamChooser(all).find(serverName) === oracle(all, serverName);
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

const backend = (index: number, weight: number): WeightedBackend => ({
  index, weight, filters: [], target: { kind: 'backend', ref: { kind: 'Service', namespace: 'shop', name: `b${index}` }, port: 1, backend: `b${index}` },
});

test('each backend gets its share of the weights, one of weight 0 nothing', (t) => {
  const backends = [backend(0, 7), backend(1, 0), backend(2, 3)];
  const counts = [0, 0, 0];
  for (let step = 0; step < 1000; step++) counts[pickStreamBackend(backends, () => step / 1000)!.index]!++;
  t.deepEqual(counts, [700, 0, 300]);
  t.is(pickStreamBackend([backend(0, 0)], () => 0), undefined);
  t.is(pickStreamBackend([], () => 0), undefined);
  t.is(pickStreamBackend([backend(0, 1)], () => { throw new Error('no choice'); })?.index, 0);
});
