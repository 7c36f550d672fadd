import test from 'ava';
import { backend, get, route, rule, tableOf } from './fixtures.ts';
import type { MatchSketch, RequestSketch, RouteSketch } from './fixtures.ts';
import { compile, decide } from './index.ts';
import type { RequestView, Route, RouteTable } from './types.ts';

/** The number of the rule that gets the request, undefined for none. */
function winningRule(matches: readonly MatchSketch[], target: string, sketch: RequestSketch = {}): number | undefined {
  const table = tableOf(route({ rules: matches.map((each) => ({ matches: [each] })) }));
  return decided(table, get(target, sketch))?.rule.index;
}

function decided(table: RouteTable, request: RequestView) {
  const decision = decide(compile(table), request);
  return decision.kind === 'rule' ? decision.candidate : undefined;
}

/** The name of the route that gets the request. */
function winner(routes: readonly RouteSketch[], request: RequestView): string | undefined {
  return decided(tableOf(...routes.map(route)), request)?.route.ref.name;
}

const paths: readonly [sentence: string, match: MatchSketch, yes: readonly string[], no: readonly string[]][] = [
  ['a prefix matches by path element', { prefix: '/abc' }, ['/abc', '/abc/', '/abc/def'], ['/abcd', '/ab', '/Abc', '/', '/x/abc']],
  ["a prefix's trailing slash is ignored", { prefix: '/abc/' }, ['/abc', '/abc/', '/abc/def'], ['/abcd']],
  ['the prefix / matches everything', { prefix: '/' }, ['/', '/a', '/a/b', '//'], []],
  ['empty elements count, for slashes are not merged', { prefix: '/a/b' }, ['/a/b//c'], ['/a//b', '//a/b']],
  ['an exact path matches itself alone', { exact: '/abc' }, ['/abc'], ['/abc/', '/Abc', '/abcd', '/abc/def']],
  ['an exact path keeps its trailing slash', { exact: '/abc/' }, ['/abc/'], ['/abc', '/abc//']],
  ['a pattern matches the whole path', { pattern: '/v[0-9]+/.*' }, ['/v1/', '/v12/x'], ['/v1', '/x/v1/', '/va/']],
  ['a choice in a pattern is anchored at both ends as a whole', { pattern: '/a|/b' }, ['/a', '/b'], ['/ab', '/a/b', '/c/b']],
  ['a pattern with problems matches nothing', { pattern: '/a(' }, [], ['/a(', '/a']],
  ['a path that no request can have matches nothing', { exact: '/a?b' }, [], ['/a', '/a?b', '/']],
  ['a prefix that no request can have matches nothing', { prefix: '/a%2fb' }, [], ['/a', '/a/b', '/']],
  ["a rule's path is normalised as requests are", { prefix: '/caf%c3%a9/%7Euser' }, ['/caf%C3%A9/~user/x'], ['/caf%c3%a9']],
];

for (const [sentence, match, yes, no] of paths) {
  test(sentence, (t) => {
    for (const path of yes) t.is(winningRule([match], path), 0, path);
    for (const path of no) t.is(winningRule([match], path), undefined, path);
  });
}

const conditions: readonly [sentence: string, match: MatchSketch, request: RequestView, matches: boolean][] = [
  ['a header must have the value', { headers: { magic: 'foo' } }, get('/', { headers: { magic: 'foo' } }), true],
  ['a header value is compared with case', { headers: { magic: 'foo' } }, get('/', { headers: { magic: 'Foo' } }), false],
  ['an absent header does not match', { headers: { magic: 'foo' } }, get('/'), false],
  ['all headers must match', { headers: { a: '1', b: '2' } }, get('/', { headers: { a: '1' } }), false],
  ['a header pattern matches the whole value', { headers: { v: { pattern: '[0-9]+' } } }, get('/', { headers: { v: '42' } }), true],
  ['a header pattern does not match a part', { headers: { v: { pattern: '[0-9]+' } } }, get('/', { headers: { v: 'v42' } }), false],
  ['an absent header does not match even the empty pattern', { headers: { v: { pattern: '.*' } } }, get('/'), false],
  ['a query parameter must have the value', { query: { great: 'example' } }, get('/?great=example&x=y'), true],
  ['a query parameter is compared after decoding', { query: { great: 'a b&c' } }, get('/?great=a+b%26c'), true],
  ['the first of several parameters with a name counts', { query: { great: 'example' } }, get('/?great=other&great=example'), false],
  ["a query parameter's name is compared with case", { query: { great: 'example' } }, get('/?Great=example'), false],
  ['an absent query does not match', { query: { great: 'example' } }, get('/'), false],
  ['a method must be the same', { method: 'GET' }, get('/', { method: 'POST' }), false],
  ['methods are case-sensitive', { method: 'GET' }, get('/', { method: 'get' }), false],
];

for (const [sentence, match, request, matches] of conditions) {
  test(sentence, (t) => t.is(decided(tableOf(route({ rules: [{ matches: [match] }] })), request) !== undefined, matches));
}

test('of several header conditions with one name only the first counts', (t) => {
  const twice = rule({ matches: [{ headers: { v: '1' } }] });
  const [only] = twice.matches;
  const headers = [...only!.headers, { name: 'v', type: 'Exact' as const, value: '2' }];
  const table = tableOf({ ...route({ rules: [] }), rules: [{ ...twice, matches: [{ ...only!, headers }] }] });
  t.truthy(decided(table, get('/', { headers: { v: '1' } })));
  t.falsy(decided(table, get('/', { headers: { v: '2' } })));
});

const precedence: readonly [sentence: string, weaker: MatchSketch, stronger: MatchSketch, request: RequestView][] = [
  ['an exact path beats a prefix of equal length', { prefix: '/foo' }, { exact: '/foo' }, get('/foo')],
  ['an exact path beats a prefix with more conditions', { prefix: '/foo', method: 'GET', headers: { a: '1' } }, { exact: '/foo' }, get('/foo', { headers: { a: '1' } })],
  ['an exact path beats a pattern', { pattern: '/fo{2}' }, { exact: '/foo' }, get('/foo')],
  ['a pattern beats a prefix, however long', { prefix: '/foo/bar/baz' }, { pattern: '/f.*' }, get('/foo/bar/baz')],
  ['a longer pattern beats a shorter one', { pattern: '/f.*' }, { pattern: '/foo.*' }, get('/foo')],
  ['a longer prefix beats a shorter one', { prefix: '/foo' }, { prefix: '/foo/bar' }, get('/foo/bar/baz')],
  ['a longer prefix beats more conditions', { prefix: '/foo', method: 'GET' }, { prefix: '/foo/bar' }, get('/foo/bar')],
  ['a method beats headers', { headers: { a: '1', b: '2' } }, { method: 'GET' }, get('/', { headers: { a: '1', b: '2' } })],
  ['more headers beat fewer', { headers: { a: '1' }, query: { x: '1', y: '2' } }, { headers: { a: '1', b: '2' } }, get('/?x=1&y=2', { headers: { a: '1', b: '2' } })],
  ['more query parameters beat fewer', { query: { x: '1' } }, { query: { x: '1', y: '2' } }, get('/?x=1&y=2')],
  ['a pattern for a header counts as much as an exact value', { headers: { a: '1' } }, { headers: { a: { pattern: '1' }, b: { pattern: '2' } } }, get('/', { headers: { a: '1', b: '2' } })],
];

for (const [sentence, weaker, stronger, request] of precedence) {
  test(sentence, (t) => {
    for (const matches of [[weaker, stronger], [stronger, weaker]]) {
      const table = tableOf(route({ rules: matches.map((each) => ({ matches: [each] })) }));
      t.is(decided(table, request)?.rule.index, matches.indexOf(stronger));
    }
  });
}

test('a prefix with a trailing slash is as long as without, so the next criterion decides', (t) => {
  t.is(winningRule([{ prefix: '/foo/' }, { prefix: '/foo', method: 'GET' }], '/foo/bar'), 1);
});

test('a shorter prefix gets what the longer one does not want', (t) => {
  const matches = [{ prefix: '/' }, { prefix: '/foo', headers: { a: '1' } }, { prefix: '/fo' }, { prefix: '/foo/bar', method: 'POST' }];
  t.is(winningRule(matches, '/foo/bar'), 0, '/fo is no prefix of /foo by element');
  t.is(winningRule(matches, '/foo/bar', { headers: { a: '1' } }), 1);
  t.is(winningRule(matches, '/foo/bar', { method: 'POST' }), 3);
});

test('ties between routes: the oldest, then the first by {namespace}/{name}', (t) => {
  const rules = [{}];
  t.is(winner([{ name: 'a', createdAt: 2, rules }, { name: 'b', createdAt: 1, rules }], get('/')), 'b');
  t.is(winner([{ name: 'b', rules }, { name: 'a', rules }], get('/')), 'a');
  t.is(winner([{ name: 'a', namespace: 'z', rules }, { name: 'b', namespace: 'y', rules }], get('/')), 'b');
  // As text `a-b/x` sorts before `a/x`, since `-` sorts before `/`.
  t.is(winner([{ name: 'x', namespace: 'a', rules }, { name: 'y', namespace: 'a-b', rules }], get('/')), 'y');
});

test('ties within a route: the first rule, and in it the first match', (t) => {
  const table = tableOf(route({ rules: [{ matches: [{ prefix: '/a' }, { prefix: '/a/' }] }, { matches: [{ prefix: '/a' }] }] }));
  const candidate = decided(table, get('/a'));
  t.deepEqual([candidate?.rule.index, candidate?.match.index], [0, 0]);
});

test('a more specific hostname beats everything else', (t) => {
  const older = { name: 'wildcard', createdAt: 1, hostnames: ['*.example.com'], rules: [{ matches: [{ prefix: '/path/prefix' }] }] };
  const newer = { name: 'exact', createdAt: 2, hostnames: ['abc.example.com'], rules: [{ matches: [{ prefix: '/path' }] }] };
  t.is(winner([older, newer], get('/path/prefix/longer', { host: 'abc.example.com' })), 'exact');
});

test("the hostname that counts is the route's own, not its intersection with the listener's", (t) => {
  const onListener = (name: string, written: string): Route => ({ ...route({ name, rules: [{}] }), hostnames: [{ match: 'abc.example.com', written }] });
  const table = tableOf(onListener('a-wildcard', '*.example.com'), onListener('exact', 'abc.example.com'), onListener('a-wider', '*.com'));
  t.is(decided(table, get('/', { host: 'abc.example.com' }))?.route.ref.name, 'exact');
  t.is(decided(table, get('/', { host: 'other.example.com' })), undefined);
});

test('what no rule of the more specific hostname wants goes to the next', (t) => {
  const routes = [
    { name: 'any', rules: [{}] },
    { name: 'wide', hostnames: ['*.com'], rules: [{ matches: [{ method: 'PUT' }] }] },
    { name: 'wildcard', hostnames: ['*.example.com'], rules: [{ matches: [{ headers: { b: '1' } }] }] },
    { name: 'exact', hostnames: ['abc.example.com'], rules: [{ matches: [{ headers: { a: '1' } }] }] },
  ];
  const host = 'abc.example.com';
  t.is(winner(routes, get('/', { host, headers: { a: '1', b: '1' } })), 'exact');
  t.is(winner(routes, get('/', { host, headers: { b: '1' } })), 'wildcard');
  t.is(winner(routes, get('/', { host, method: 'PUT' })), 'wide');
  t.is(winner(routes, get('/', { host })), 'any');
});

test('a table without routes has no route for anything', (t) => {
  t.deepEqual(decide(compile(tableOf()), get('/')), { kind: 'no-route' });
});

test('the same request on the same table gets the very same decision object', (t) => {
  const table = compile(tableOf(route({ rules: [{ backends: [backend('a', 1)] }] })));
  t.is(decide(table, get('/')), decide(table, get('/x')));
});

test('a table object is compiled once, and names the backends and whether there is gRPC in it', (t) => {
  const table = tableOf(route({ rules: [{ backends: [backend('a', 1), backend('b', 1, 1)] }, { backends: [backend('a', 1)] }] }));
  t.is(compile(table), compile(table));
  t.deepEqual([...compile(table).backends], ['shop/a:80', 'shop/b:80']);
  t.false(compile(table).grpc);
  const [first] = table.routes;
  t.true(compile(tableOf({ ...first!, ref: { ...first!.ref, kind: 'GRPCRoute' } })).grpc);
});

test('a table names the headers that its rules look at, and whether any looks at the query', (t) => {
  const rules = [{ matches: [{ headers: { b: '1' } }, { headers: { a: { pattern: '.' } }, query: { q: '1' } }] }];
  t.deepEqual(compile(tableOf(route({ rules }))).needs, { headers: ['a', 'b'], query: true });
  t.deepEqual(compile(tableOf(route({ rules: [{}] }))).needs, { headers: [], query: false });
});

/** A request whose every look at what conditions are about is counted. */
function counted(request: RequestView, count: () => void): RequestView {
  return {
    ...request,
    get method() {
      count();
      return request.method;
    },
    get query() {
      count();
      return request.query;
    },
    header(name) {
      count();
      return request.header(name);
    },
  };
}

const telling: readonly [what: string, demand: (value: string) => MatchSketch, request: (value: string) => RequestView][] = [
  ['a header', (value) => ({ headers: { 'x-tenant': value, 'x-other': { pattern: '1' } } }), (value) => get('/', { headers: { 'x-tenant': value, 'x-other': '1' } })],
  ['a query parameter', (value) => ({ query: { tenant: value, other: { pattern: '1' } } }), (value) => get(`/?tenant=${value}&other=1`)],
  ['the method', (value) => ({ method: value }), (value) => get('/', { method: value })],
];

for (const [what, demand, request] of telling) {
  test(`a thousand rules on one path that differ by ${what} are not tried one by one`, (t) => {
    const rules = Array.from({ length: 1000 }, (_, index) => ({ matches: [demand(`t${index}`)] }));
    const table = compile(tableOf(route({ rules: [...rules, { matches: [{ headers: { 'x-last': '1' } }] }] })));
    let looks = 0;
    const rulesOf = ['t500', 't999', 'nobody'].map((tenant) => {
      const decision = decide(table, counted(request(tenant), () => (looks += 1)));
      return decision.kind === 'rule' ? decision.candidate.rule.index : undefined;
    });
    t.deepEqual(rulesOf, [500, 999, undefined]);
    t.true(looks < 30, `${looks} looks`);
  });
}

test('where rules are told apart by a header, a pattern for it is tried too', (t) => {
  const rules = Array.from({ length: 20 }, (_, index) => ({ matches: [{ headers: { 'x-tenant': `t${index}` } }] }));
  const table = compile(tableOf(route({ rules: [...rules, { matches: [{ headers: { 'x-tenant': { pattern: 't1.*' } } }] }] })));
  const indexes = ['t15', 't1x', 'nobody'].map((tenant) => {
    const decision = decide(table, get('/', { headers: { 'x-tenant': tenant } }));
    return decision.kind === 'rule' ? decision.candidate.rule.index : undefined;
  });
  t.deepEqual(indexes, [15, 20, undefined]);
});
