import test from 'ava';
import { get, route, tableOf } from '../fixtures.ts';
import type { MatchSketch, RequestSketch, RouteSketch } from '../fixtures.ts';
import { explainCandidates } from './explain.ts';

/** Reasons of the rejected, by route. */
function reasons(routes: readonly RouteSketch[], target: string, sketch: RequestSketch = {}): readonly string[] {
  return explainCandidates(tableOf(...routes.map(route)), get(target, sketch)).rejected.map(({ reason }) => reason);
}

const mismatches: readonly [match: MatchSketch, target: string, sketch: RequestSketch, reason: string][] = [
  [{ prefix: '/a' }, '/b', {}, 'path /b is not under prefix /a'],
  [{ exact: '/a' }, '/a/', {}, 'path /a/ is not /a'],
  [{ pattern: '/a+' }, '/b', {}, 'path /b does not match the pattern "/a+"'],
  [{ pattern: '/a(' }, '/b', {}, 'path /b does not match the pattern "/a(", which is not valid: missing closing ): `/a(`'],
  [{ method: 'GET' }, '/', { method: 'POST' }, 'method POST, not GET'],
  [{ headers: { magic: 'foo' } }, '/', { headers: { magic: 'bar' } }, 'header magic is "bar", not "foo"'],
  [{ headers: { magic: 'foo' } }, '/', {}, 'header magic is absent, not "foo"'],
  [{ headers: { magic: { pattern: 'f.*' } } }, '/', { headers: { magic: 'bar' } }, 'header magic is "bar", which does not match the pattern "f.*"'],
  [{ query: { great: 'example' } }, '/?great=no', {}, 'query parameter great is "no", not "example"'],
  [{ query: { great: 'example' } }, '/', {}, 'query parameter great is absent, not "example"'],
  [{ prefix: '/a', method: 'GET' }, '/b', { method: 'PUT' }, 'path /b is not under prefix /a; method PUT, not GET'],
];

for (const [match, target, sketch, reason] of mismatches) {
  test(`reason: ${reason}`, (t) => t.deepEqual(reasons([{ rules: [{ matches: [match] }] }], target, sketch), [reason]));
}

test('reason: the host', (t) => {
  t.deepEqual(reasons([{ hostnames: ['*.b.com'], rules: [{}] }], '/', { host: 'a.com' }), ['host a.com does not match *.b.com']);
  t.deepEqual(reasons([{ hostnames: ['b.com', 'c.com'], rules: [{}] }], '/', { host: 'a.com' }), ['host a.com matches none of b.com, c.com']);
});

const losses: readonly [winner: Partial<RouteSketch>, matches: readonly [winner: MatchSketch, loser: MatchSketch], reason: string][] = [
  [{ hostnames: ['shop.example.com'] }, [{}, { exact: '/foo/bar' }], 'HTTPRoute shop/foo rule 0 has a more specific hostname (shop.example.com)'],
  [{}, [{ exact: '/foo/bar' }, {}], 'HTTPRoute shop/foo rule 0 has an exact path'],
  [{}, [{ pattern: '/f.*' }, {}], 'HTTPRoute shop/foo rule 0 has a regular expression for the path'],
  [{}, [{ pattern: '/foo.*' }, { pattern: '/f.*' }], 'HTTPRoute shop/foo rule 0 has a longer path pattern'],
  [{}, [{ prefix: '/foo' }, {}], 'HTTPRoute shop/foo rule 0 has a longer path prefix'],
  [{}, [{ method: 'GET' }, { headers: { a: '1' } }], 'HTTPRoute shop/foo rule 0 matches the method too'],
  [{}, [{ headers: { a: '1' } }, {}], 'HTTPRoute shop/foo rule 0 matches more headers'],
  [{}, [{ query: { q: '1' } }, {}], 'HTTPRoute shop/foo rule 0 matches more query parameters'],
  [{}, [{}, {}], 'HTTPRoute shop/foo is older'],
  [{ createdAt: 2 }, [{}, {}], 'HTTPRoute shop/foo comes first by name'],
];

for (const [winner, [winning, losing], reason] of losses) {
  test(`reason: matched, but ${reason}`, (t) => {
    const routes = [
      { name: 'other', createdAt: 2, rules: [{ matches: [losing] }] },
      { name: 'foo', createdAt: 1, rules: [{ matches: [winning] }], ...winner },
    ];
    t.deepEqual(reasons(routes, '/foo/bar?q=1', { headers: { a: '1' } }), [`matched, but ${reason}`]);
  });
}

test('reason: the order within a route and within a rule', (t) => {
  t.deepEqual(reasons([{ rules: [{ matches: [{}, {}] }, {}] }], '/'), ['matched, but match 0 comes first in the rule', 'matched, but rule 0 comes first in the route']);
});

test('what was rejected is named by route, rule and match', (t) => {
  const { rejected, decision } = explainCandidates(tableOf(route({ name: 'foo', rules: [{}, { matches: [{}, { prefix: '/x' }] }] })), get('/'));
  t.is(decision.kind, 'rule');
  t.deepEqual(
    rejected.map(({ route: ref, rule, match }) => [ref.name, rule, match]),
    [
      ['foo', 1, 0],
      ['foo', 1, 1],
    ],
  );
});

test('a long value is cut, for requests are what anybody sends', (t) => {
  const [reason] = reasons([{ rules: [{ matches: [{ headers: { a: '1' } }] }] }], '/', { headers: { a: 'x'.repeat(10_000) } });
  t.true(reason!.length < 200);
});
