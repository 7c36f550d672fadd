import test from 'ava';
import fc from 'fast-check';
import { intersectHostnames } from '#snapshot';
import type { NamedMatch } from '#snapshot';
import { get, match } from './fixtures.ts';
import { compile, decide, explainCandidates } from './index.ts';
import { decideNaively } from './naive/explain.ts';
import type { Decision, Match, RequestView, Route, RouteTable, Rule } from './types.ts';

// Few of everything, so that candidates meet in every way.
const listeners = ['', '*.com', '*.b.com', 'a.b.com'];
const hosts = ['a.b.com', 'b.com', 'c.a.b.com', 'ab.com', 'other.org', '.b.com', ''];
const hostnames = ['a.b.com', '*.b.com', '*.com', 'ab.com', '*.a.b.com', 'b.com'];
const paths = ['/', '/a', '/a/', '/a/b', '/ab', '/a/b/c', '/a//b', '/ab/c', '/b', '/%C3%A9', '/a~b'];
const values = ['/', '/a', '/a/', '/a/b', '/ab', '/a/b/', '/ab/c', '/b', '/%c3%a9', '/a%7eb'];
const patterns = ['/a.*', '/a', '^/a/[bc]+$', '/(a|b)', '/a|/b', '.*', '/ab?', '/a{1}b', '[', '(?i)/A/B', '/a/b/c', '/a\\~b'];
const names = ['x', 'y'];
const valuePatterns = ['1', '[0-9]+', '1.*', '', '('];

type Path = Match['path'];
const condition: fc.Arbitrary<NamedMatch> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ name: fc.constantFrom(...names), type: fc.constant('Exact' as const), value: fc.constantFrom('1', '1', '2', '12') }) },
  fc.record({ name: fc.constantFrom(...names), type: fc.constant('RegularExpression' as const), value: fc.constantFrom(...valuePatterns) }),
);
/** Names may occur twice: then only the first counts. */
const conditions = fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(condition, { maxLength: 3 }));
const path: fc.Arbitrary<Path> = fc.oneof(
  fc.record({ type: fc.constant('Exact' as const), value: fc.constantFrom(...values) }),
  { weight: 3, arbitrary: fc.record({ type: fc.constant('PathPrefix' as const), value: fc.constantFrom(...values) }) },
  fc.record({ type: fc.constant('RegularExpression' as const), value: fc.constantFrom(...patterns) }),
);
const method = fc.constantFrom(undefined, undefined, 'GET', 'POST');
const everyMethod = fc.constantFrom('GET', 'POST', 'PUT', 'PUT', undefined);

function matches(where: fc.Arbitrary<Path>, verbs: fc.Arbitrary<string | undefined> = method): fc.Arbitrary<Omit<Match, 'index'>> {
  return fc
    .tuple(where, verbs, conditions, conditions)
    .map(([at, verb, headers, query]) => ({ path: at, ...(verb && { method: verb }), headers, query }));
}

const routeBody = fc.record({
  name: fc.constantFrom('a', 'b', 'a-b', 'c'),
  namespace: fc.constantFrom('a', 'a-b', 'b'),
  createdAt: fc.constantFrom(0, 1000, 2000),
  hostnames: fc.array(fc.constantFrom(...hostnames), { maxLength: 3 }),
  rules: fc.array(fc.array(matches(path), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
});

/** Routes with different names, attached to one listener as the control plane does it. */
function tables(maxLength: number): fc.Arbitrary<RouteTable> {
  const bodies = fc.uniqueArray(routeBody, { selector: ({ namespace, name }) => `${namespace}/${name}`, minLength: 1, maxLength });
  return fc.tuple(fc.constantFrom(...listeners), bodies).map(([listener, routes]) => ({
    kind: 'RouteTable',
    name: 'listener/infra/gw/http',
    policies: [],
    routes: routes.flatMap((body): Route[] => {
      const attached = intersectHostnames(listener, body.hostnames);
      if (attached === undefined) return [];
      const ref = { kind: 'HTTPRoute', namespace: body.namespace, name: body.name };
      return [{ ref, createdAt: body.createdAt, hostnames: attached, rules: body.rules.map(ruleOf) }];
    }),
  }));
}

function ruleOf(ofRule: readonly Omit<Match, 'index'>[], index: number): Rule {
  return { index, matches: ofRule.map((each, position) => ({ ...each, index: position })), filters: [], backends: [] };
}

const sometimes = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined, freq: 2 });
const requests: fc.Arbitrary<RequestView> = fc
  .record({
    host: fc.constantFrom(...hosts),
    path: fc.constantFrom(...paths),
    query: sometimes(fc.array(fc.tuple(fc.constantFrom('x', 'y', '%78', 'z'), fc.constantFrom('1', '1', '12', '%31', '')), { maxLength: 3 })),
    method: fc.constantFrom('GET', 'GET', 'POST', 'PUT'),
    headers: fc.dictionary(fc.constantFrom(...names), fc.constantFrom('1', '1', '2', '12'), { noNullPrototype: true }),
  })
  .map(({ query, path: at, ...rest }) => get(query === undefined ? at : `${at}?${query.map((pair) => pair.join('=')).join('&')}`, rest));

function placeOf(decision: Decision): string {
  if (decision.kind === 'no-route') return 'no route';
  const { route, rule, match: found, hostname } = decision.candidate;
  return `${route.ref.namespace}/${route.ref.name} ${rule.index} ${found.index} on ${hostname}`;
}

function naivePlace(table: RouteTable, request: RequestView): string {
  const contender = decideNaively(table, request);
  return contender === undefined ? 'no route' : placeOf({ kind: 'rule', candidate: { ...contender, plan: { rule: undefined as never, backends: [] } } });
}

test('the compiled table and the naive matcher decide alike', (t) => {
  let routed = 0;
  fc.assert(
    fc.property(tables(6), fc.array(requests, { minLength: 4, maxLength: 4 }), (table, several) => {
      const compiled = compile(table);
      for (const request of several) {
        const place = placeOf(decide(compiled, request));
        if (place !== 'no route') routed += 1;
        if (place !== naivePlace(table, request)) throw new Error(`${place}, not ${naivePlace(table, request)}`);
      }
    }),
    { numRuns: 5000 },
  );
  t.true(routed > 4000, `only ${routed} of 20000 requests were routed: the generators do not collide`);
});

test('they decide alike where many rules share a path, so that lists are split by header, query and method', (t) => {
  const crowded = fc.record({ type: fc.constant('PathPrefix' as const), value: fc.constantFrom('/', '/a') });
  const crowd = fc.constantFrom(method, everyMethod).chain((verbs) => fc.array(matches(crowded, verbs), { minLength: 20, maxLength: 60 }));
  fc.assert(
    fc.property(crowd, fc.array(requests, { minLength: 4, maxLength: 4 }), (members, several) => {
      const routes = members.map((member, index): Route => {
        return { ref: { kind: 'HTTPRoute', namespace: 'a', name: `r${index}` }, createdAt: index % 3, hostnames: [], rules: [ruleOf([member], 0)] };
      });
      const table: RouteTable = { kind: 'RouteTable', name: 'crowd', routes, policies: [] };
      const compiled = compile(table);
      for (const request of several) if (placeOf(decide(compiled, request)) !== naivePlace(table, request)) throw new Error('they differ');
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

test('the order of the routes in the table does not matter', (t) => {
  const shuffled = tables(6).chain((table) => fc.tuple(fc.constant(table), fc.shuffledSubarray([...table.routes], { minLength: table.routes.length })));
  fc.assert(
    fc.property(shuffled, requests, ([table, routes], request) => {
      return placeOf(decide(compile(table), request)) === placeOf(decide(compile({ ...table, routes }), request));
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

test('a route that does not match changes nothing', (t) => {
  const elsewhere = match({ prefix: '/a', headers: { x: 'never sent' } });
  const stranger: Route = {
    ref: { kind: 'HTTPRoute', namespace: '0', name: 'first' },
    createdAt: -1,
    hostnames: [],
    rules: [{ index: 0, matches: [elsewhere], filters: [], backends: [] }],
  };
  fc.assert(
    fc.property(tables(5), requests, (table, request) => {
      return placeOf(decide(compile(table), request)) === placeOf(decide(compile({ ...table, routes: [stranger, ...table.routes] }), request));
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

test('an explanation has a reason for every match but the winner, and never contradicts the decision', (t) => {
  fc.assert(
    fc.property(tables(4), requests, (table, request) => {
      const { decision, rejected } = explainCandidates(table, request);
      const total = table.routes.flatMap(({ rules }) => rules.flatMap((each) => each.matches)).length;
      if (rejected.length !== total - (decision.kind === 'rule' ? 1 : 0)) throw new Error('a match is missing');
      return rejected.every(({ reason }) => reason !== '' && !reason.includes('passed it over'));
    }),
    { numRuns: 500 },
  );
  t.pass();
});
