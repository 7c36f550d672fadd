import test from 'ava';
import type { Filter } from '#snapshot';
import { backend, get, match, route, rule, tableOf } from '../fixtures.ts';
import { compile, decide, filtersFor } from '../index.ts';
import type { Candidate } from '../types.ts';
import { planRule } from './plan.ts';

const set = (name: string, value: string): Filter => ({ type: 'RequestHeaderModifier', set: [{ name, value }], add: [], remove: [] });
const respond = (name: string, value: string): Filter => ({ type: 'ResponseHeaderModifier', set: [{ name, value }], add: [], remove: [] });
const rewrite = (hostname: string, value: string): Filter => ({ type: 'URLRewrite', hostname, path: { type: 'ReplaceFullPath', value } });
const mirror = (numerator: number, denominator = 100): Filter => ({ type: 'RequestMirror', backend: backend('mirror', 1).target, numerator, denominator });

function candidate(sketch: Parameters<typeof rule>[0]): Candidate {
  const decision = decide(compile(tableOf(route({ rules: [sketch] }))), get('/'));
  if (decision.kind !== 'rule') throw new Error('no rule');
  return decision.candidate;
}

test('rules without filters share one plan, which asks for nothing', (t) => {
  const plan = planRule(rule({ backends: [backend('a', 1)] }), match({}));
  t.is(plan, planRule(rule({}), match({})));
  t.deepEqual(plan.rule, { cors: undefined, redirect: undefined, request: undefined, response: undefined, target: undefined, host: undefined, mirrors: [] });
});

test("a backend's filters follow the rule's, and act for that backend alone", (t) => {
  const won = candidate({ filters: [set('a', 'rule'), set('b', 'rule')], backends: [backend('x', 1), backend('y', 1, 1, [set('b', 'backend')])] });
  const [x, y] = won.rule.backends;
  t.is(filtersFor(won).request?.lines, 'a: rule\r\nb: rule\r\n');
  t.is(filtersFor(won, x), filtersFor(won));
  t.is(filtersFor(won, y).request?.lines, 'a: rule\r\nb: backend\r\n');
});

test("a response passes the backend's filters first, so the rule's have the last word", (t) => {
  const won = candidate({ filters: [respond('a', 'rule')], backends: [backend('x', 1, 0, [respond('a', 'backend'), respond('b', 'backend')])] });
  t.is(filtersFor(won, won.rule.backends[0]).response?.lines, 'b: backend\r\na: rule\r\n');
});

test("a backend's rewrite replaces the rule's", (t) => {
  const won = candidate({ filters: [rewrite('rule.org', '/rule')], backends: [backend('x', 1, 0, [rewrite('backend.org', '/backend')])] });
  const plan = filtersFor(won, won.rule.backends[0]);
  t.deepEqual([plan.host, plan.target?.('/', undefined)], ['backend.org', '/backend']);
});

test("a Host that a header filter sets is the plan's, but for a rewrite's hostname", (t) => {
  const hosts = [[set('Host', 'set.org')], [set('Host', 'set.org'), rewrite('rewritten.org', '/')], [rewrite('rewritten.org', '/'), set('Host', 'set.org')]].map((filters) => filtersFor(candidate({ filters })).host);
  t.deepEqual(hosts, ['set.org', 'rewritten.org', 'rewritten.org']);
});

test('a mirror gets the request as the filters before it made it', (t) => {
  const { mirrors, request } = filtersFor(candidate({ filters: [mirror(1, 1), set('a', '1'), mirror(1, 1), rewrite('r.org', '/r'), mirror(1, 1)] }));
  t.is(request?.lines, 'a: 1\r\n');
  for (const { target } of mirrors) t.deepEqual(target, backend('mirror', 1).target);
  t.deepEqual(
    mirrors.map((each) => [each.request?.lines, each.rewrite?.('/', undefined), each.host]),
    [
      [undefined, undefined, undefined],
      ['a: 1\r\n', undefined, undefined],
      ['a: 1\r\n', '/r', 'r.org'],
    ],
  );
});

test('a mirror takes its fraction of the requests, and draws only where there is a choice', (t) => {
  const { mirrors } = filtersFor(candidate({ filters: [mirror(0), mirror(100), mirror(25), mirror(1, 3)] }));
  const never = (): number => t.fail() as unknown as number;
  t.false(mirrors[0]!.sampled(never));
  t.true(mirrors[1]!.sampled(never));
  t.deepEqual([0, 0.249, 0.25, 0.999].map((drawn) => mirrors[2]!.sampled(() => drawn)), [true, true, false, false]);
  t.deepEqual([0.333, 0.334].map((drawn) => mirrors[3]!.sampled(() => drawn)), [true, false]);
});

test('a redirect of a rule that replaces a prefix knows the prefix of the match that won', (t) => {
  const redirect: Filter = { type: 'RequestRedirect', statusCode: 302, path: { type: 'ReplacePrefixMatch', value: '/new' } };
  const table = compile(tableOf(route({ rules: [{ matches: [{ prefix: '/old' }, { prefix: '/older/x' }], filters: [redirect] }] })));
  const locations = ['/old/a', '/older/x/a'].map((path) => {
    const decision = decide(table, get(path));
    if (decision.kind !== 'rule') return undefined;
    return filtersFor(decision.candidate).redirect?.({ scheme: 'http', host: 'a.com', port: 80, path, query: undefined }).location;
  });
  t.deepEqual(locations, ['http://a.com/new/a', 'http://a.com/new/a']);
});

test('a table with a CORS filter, also of a backend, asks for the headers of a preflight', (t) => {
  const cors: Filter = { type: 'CORS', allowOrigins: ['*'], allowCredentials: false, allowMethods: [], allowHeaders: [], exposeHeaders: [], maxAge: 5 };
  for (const sketch of [{ filters: [cors] }, { backends: [backend('x', 1, 0, [cors])] }]) {
    t.deepEqual(compile(tableOf(route({ rules: [sketch] }))).needs.headers, ['access-control-request-headers', 'access-control-request-method', 'origin']);
  }
});
