import test from 'ava';
import fc from 'fast-check';
import { compile, decide, type RequestView } from '#routing';
import { hostnameMatches, Pace, runSteps, type Match, type NamedMatch, type RouteHostname, type RouteTable } from '#snapshot';
import type { ListenerTable } from '../render/gateway.ts';
import type { TableRoute } from '../render/way.ts';
import { Takers, type Asked } from './takers.ts';

// Few of everything, so that matches meet in every way.
const hostname: fc.Arbitrary<RouteHostname> = fc.constantFrom(
  { match: 'a.b.com', written: 'a.b.com' },
  { match: 'a.b.com', written: '*.b.com' },
  { match: '*.b.com', written: '*.b.com' },
  { match: '*.b.com', written: '*.com' },
  { match: '*.com', written: '*.com' },
);
const conditions: fc.Arbitrary<readonly NamedMatch[]> = fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.uniqueArray(fc.record({ name: fc.constantFrom('x', 'y'), type: fc.constantFrom('Exact' as const, 'Exact' as const, 'RegularExpression' as const), value: fc.constantFrom('1', '2') }), { selector: ({ name }) => name, maxLength: 2 }));
const exactly = conditions.map((all) => all.filter(({ type }) => type === 'Exact'));
const match: fc.Arbitrary<Omit<Match, 'index'>> = fc.record(
  {
    path: fc.record({ type: fc.constantFrom(...(['Exact', 'Exact', 'PathPrefix', 'PathPrefix', 'PathPrefix', 'PathPrefix', 'RegularExpression'] as const)), value: fc.constantFrom('/', '/', '/a', '/a/', '/a/b', '/a/b', '/b', '/b/', '/%61', '/a/./b') }),
    method: fc.constantFrom('GET', 'POST'),
    headers: conditions,
    query: conditions,
  },
  { requiredKeys: ['path', 'headers', 'query'] },
);
const routes: fc.Arbitrary<readonly TableRoute[]> = fc
  .uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'c'), createdAt: fc.constantFrom(0, 1000), hostnames: fc.uniqueArray(hostname, { maxLength: 2 }), rules: fc.array(fc.array(match, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }) }), { selector: ({ name }) => name, minLength: 1, maxLength: 3 })
  .map((all) => all.map(({ name, rules, ...rest }) => ({ ...rest, ref: { kind: 'HTTPRoute', namespace: 'shop', name }, rules: rules.map((matches, index) => ({ rule: { index, matches: matches.map((each, at) => ({ ...each, index: at })), filters: [], backends: [] } })) })));
const asking: fc.Arbitrary<Asked> = fc.record({ scheme: fc.constant('http'), host: fc.constantFrom('a.b.com', 'b.com', 'x.a.b.com', 'other.org'), port: fc.constant(80), path: fc.constantFrom('/', '/a', '/a/', '/a/b', '/a/b/c', '/b/x', '/ab'), method: fc.constantFrom('GET', 'POST'), meets: fc.record({ headers: exactly, query: exactly }) });

function tableFor(listenerHostname: string, all: readonly TableRoute[]): ListenerTable {
  return { listener: { gateway, hostname: listenerHostname, listener: { name: 'http', port: 80, protocol: 'HTTP' } }, routes: all } as unknown as ListenerTable;
}

const gateway = {} as ListenerTable['listener']['gateway'];

function viewOf({ host, path, method, meets }: Asked): RequestView {
  return { host, path, method, query: meets.query.map(({ name, value }) => `${name}=${value}`).join('&'), header: (name) => meets.headers.find((each) => each.name === name)?.value };
}

test('property: it names the rule that the proxies choose, or none', (t) => {
  let named = 0;
  fc.assert(
    fc.property(routes, asking, (all, asked) => {
      const found = runSteps(new Takers([tableFor('', all)]).find(gateway, asked, new Pace(1)));
      const table: RouteTable = { kind: 'RouteTable', name: 't', policies: [], routes: all.map((route) => ({ ...route, rules: route.rules.map(({ rule }) => rule) })) };
      const decision = decide(compile(table), viewOf(asked));
      const chosen = decision.kind === 'rule' ? decision.candidate : undefined;
      // With an expression, or a path that is written in another way, anywhere it may keep silent.
      const plain = all.every(({ rules }) => rules.every(({ rule }) => rule.matches.every(({ path, headers, query }) => path.type !== 'RegularExpression' && !/%|\./.test(path.value) && [...headers, ...query].every(({ type }) => type === 'Exact'))));
      if (found === undefined) return void (plain && t.is(chosen, undefined));
      named += 1;
      t.deepEqual([found.route.ref.name, found.rule.index, found.match.index], [chosen?.route.ref.name, chosen?.rule.index, chosen?.match.index]);
      t.true(hostnameMatches(found.hostname.match, asked.host));
    }),
    { numRuns: 3000 },
  );
  t.true(named > 300, `${named}`);
});

test('a request belongs to the listener with the most specific hostname, of its scheme and port', (t) => {
  const all = (name: string): readonly TableRoute[] => [{ ref: { kind: 'HTTPRoute', namespace: 'shop', name }, createdAt: 0, hostnames: [], rules: [{ rule: { index: 0, matches: [{ index: 0, path: { type: 'PathPrefix', value: '/' }, headers: [], query: [] }], filters: [], backends: [] } }] }];
  const takers = new Takers([tableFor('', all('any')), tableFor('*.b.com', all('below')), tableFor('a.b.com', all('a'))]);
  const of = (host: string, more: Partial<Asked> = {}): string | undefined => runSteps(takers.find(gateway, { scheme: 'http', host, port: 80, path: '/', method: 'GET', meets: { headers: [], query: [] }, ...more }, new Pace()))?.route.ref.name;
  t.deepEqual(['a.b.com', 'x.b.com', 'x.a.b.com', 'b.com'].map((host) => of(host)), ['a', 'below', 'below', 'any']);
  t.is(of('a.b.com', { scheme: 'https' }), undefined);
  t.is(of('a.b.com', { port: 8080 }), undefined);
});
