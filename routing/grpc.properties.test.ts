import test from 'ava';
import fc from 'fast-check';
import { get } from './fixtures.ts';
import { compile, decide, explainCandidates } from './index.ts';
import { decideNaively } from './naive/explain.ts';
import type { Decision, Match, RequestView, Route, RouteTable } from './types.ts';

// Few of everything, so that candidates meet in every way.
const services = ['a.B', 'a.Bc', 'a', 'b.C'];
const methods = ['Get', 'GetAll', 'Add'];
const patterns = ['a.*', 'a\\.B', '.*', '[A-Z].*', 'Get(All)?', '[', 'a.B|b.C'];
const hostnames = ['', 'a.b.com', '*.b.com'];

type Grpc = NonNullable<Match['grpc']>;

const some = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined, freq: 2 });

function named(type: Grpc['type'], service: string | undefined, method: string | undefined): Grpc {
  return { type, ...(service === undefined ? {} : { service }), ...(method === undefined ? {} : { method }) };
}

const grpc: fc.Arbitrary<Grpc> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(some(fc.constantFrom(...services)), some(fc.constantFrom(...methods))).map(([service, method]) => named('Exact', service, method)) },
  fc.tuple(some(fc.constantFrom(...patterns)), some(fc.constantFrom(...patterns))).map(([service, method]) => named('RegularExpression', service, method)),
);
const headers = fc.array(fc.record({ name: fc.constantFrom('x', 'y'), type: fc.constant('Exact' as const), value: fc.constantFrom('1', '2') }), { maxLength: 2 });
const grpcMatch = fc.tuple(grpc, headers).map(([wanted, conditions]): Omit<Match, 'index'> => ({ path: { type: 'PathPrefix', value: '/never looked at' }, headers: conditions, query: [], grpc: wanted }));
const httpMatch = fc.tuple(fc.constantFrom('/', '/a.B', '/a.B/Get'), headers).map(([value, conditions]): Omit<Match, 'index'> => ({ path: { type: 'PathPrefix', value }, headers: conditions, query: [] }));

function routes(of: fc.Arbitrary<Omit<Match, 'index'>>, kind: string): fc.Arbitrary<readonly Route[]> {
  const body = fc.record({
    name: fc.constantFrom('a', 'b', 'a-b', 'c'),
    createdAt: fc.constantFrom(0, 1000),
    hostname: fc.constantFrom(...hostnames),
    rules: fc.array(fc.array(of, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
  });
  return fc.uniqueArray(body, { selector: ({ name }) => name, maxLength: 5 }).map((bodies) =>
    bodies.map(({ name, createdAt, hostname, rules }): Route => ({
      ref: { kind, namespace: 'shop', name },
      createdAt,
      hostnames: hostname === '' ? [] : [{ match: hostname, written: hostname }],
      rules: rules.map((matches, index) => ({ index, matches: matches.map((each, position) => ({ ...each, index: position })), filters: [], backends: [] })),
    })),
  );
}

const tables = fc.tuple(routes(grpcMatch, 'GRPCRoute'), routes(httpMatch, 'HTTPRoute')).map(([a, b]): RouteTable => ({ kind: 'RouteTable', name: 'listener/infra/gw/http', policies: [], routes: [...a, ...b] }));
const requests: fc.Arbitrary<RequestView> = fc
  .record({
    path: fc.oneof({ weight: 4, arbitrary: fc.tuple(fc.constantFrom(...services), fc.constantFrom(...methods)).map(([service, method]) => `/${service}/${method}`) }, fc.constantFrom('/', '/a.B', '/a.B/', '/a.B/Get/x', '//Get')),
    host: fc.constantFrom('a.b.com', 'c.b.com', 'other.org'),
    type: fc.constantFrom('application/grpc', 'application/grpc+proto', 'application/grpc; x=y', 'application/grpc-web', 'application/json', undefined),
    more: fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '2'), { noNullPrototype: true }),
  })
  .map(({ path, host, type, more }) => get(path, { method: 'POST', host, headers: { ...more, ...(type === undefined ? {} : { 'content-type': type }) } }));

function placeOf(decision: Decision): string {
  if (decision.kind === 'no-route') return 'no route';
  const { route, rule, match, hostname } = decision.candidate;
  return `${route.ref.kind} ${route.ref.name} ${rule.index} ${match.index} on ${hostname}`;
}

test('the compiled table and the naive matcher decide alike about gRPC', (t) => {
  const seen = { grpc: 0, http: 0, none: 0 };
  fc.assert(
    fc.property(tables, fc.array(requests, { minLength: 4, maxLength: 4 }), (table, several) => {
      const compiled = compile(table);
      for (const request of several) {
        const place = placeOf(decide(compiled, request));
        const contender = decideNaively(table, request);
        const naive = contender === undefined ? 'no route' : placeOf({ kind: 'rule', candidate: { ...contender, plan: { rule: undefined as never, backends: [] } } });
        seen[place.startsWith('GRPC') ? 'grpc' : place.startsWith('HTTP') ? 'http' : 'none'] += 1;
        if (place !== naive) throw new Error(`${place}, not ${naive}`);
      }
    }),
    { numRuns: 4000 },
  );
  t.true(seen.grpc > 2000 && seen.http > 2000, JSON.stringify(seen));
});

test('an explanation of a gRPC request has a reason for every match but the winner', (t) => {
  fc.assert(
    fc.property(tables, requests, (table, request) => {
      const { decision, rejected } = explainCandidates(table, request);
      const total = table.routes.flatMap(({ rules }) => rules.flatMap((each) => each.matches)).length;
      if (rejected.length !== total - (decision.kind === 'rule' ? 1 : 0)) throw new Error('a match is missing');
      return rejected.every(({ reason }) => reason !== '' && !reason.includes('passed it over'));
    }),
    { numRuns: 500 },
  );
  t.pass();
});
