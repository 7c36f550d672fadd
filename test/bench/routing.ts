/**
 * What `decide` and `compile` cost as tables grow. Run: `node test/bench/routing.ts`. Prints nanoseconds per decision and
 * milliseconds per compilation, the best of several rounds, since other load only ever adds.
 */
import { compile, decide, normalizeHost, normalizePath, pickBackend } from '#routing';
import type { Match, RequestView, Route, RouteTable, WeightedBackend } from '#routing';

const sizes = [100, 1000, 10_000];
const rounds = 7;
const requestsPerRound = 100_000;
/** The same for all sizes: what grows is the table, not the traffic's variety. */
const distinctRequests = 100;

interface Shape {
  readonly title: string;
  readonly route: (index: number) => { readonly hostname?: string; readonly match: Partial<Match> };
  readonly request: (index: number) => { readonly host?: string; readonly path: string; readonly headers?: Readonly<Record<string, string>> };
}

const prefix = (value: string): Partial<Match> => ({ path: { type: 'PathPrefix', value } });

const shapes: readonly Shape[] = [
  {
    title: 'a host each',
    route: (i) => ({ hostname: `svc-${i}.example.com`, match: prefix('/') }),
    request: (i) => ({ host: `svc-${i}.example.com`, path: '/api/v1/items/42' }),
  },
  {
    title: 'a wildcard host each',
    route: (i) => ({ hostname: `*.team-${i}.example.com`, match: prefix('/') }),
    request: (i) => ({ host: `web.team-${i}.example.com`, path: '/api/v1/items/42' }),
  },
  {
    title: 'one host, a prefix each',
    route: (i) => ({ hostname: 'example.com', match: prefix(`/svc-${i}/api`) }),
    request: (i) => ({ host: 'example.com', path: `/svc-${i}/api/v1/items/42` }),
  },
  {
    title: 'one host, an exact path each',
    route: (i) => ({ hostname: 'example.com', match: { path: { type: 'Exact', value: `/api/v1/items/${i}` } } }),
    request: (i) => ({ host: 'example.com', path: `/api/v1/items/${i}` }),
  },
  {
    title: 'one host, a pattern each',
    route: (i) => ({ hostname: 'example.com', match: { path: { type: 'RegularExpression', value: `/svc-${i}/items/[0-9]+` } } }),
    request: (i) => ({ host: 'example.com', path: `/svc-${i}/items/42` }),
  },
  {
    title: 'one path, a header value each',
    route: (i) => ({ match: { headers: [{ name: 'x-tenant', type: 'Exact', value: `t${i}` }] } }),
    request: (i) => ({ path: '/api/v1/items/42', headers: { 'x-tenant': `t${i}` } }),
  },
  {
    title: 'one host, nothing matches',
    route: (i) => ({ hostname: 'example.com', match: prefix(`/svc-${i}/api`) }),
    request: (i) => ({ host: 'example.com', path: `/other-${i}/api/v1` }),
  },
];

const backends: readonly WeightedBackend[] = [90, 10].map((weight, index) => ({
  index,
  weight,
  filters: [],
  target: { kind: 'backend', ref: { kind: 'Service', namespace: 'shop', name: `v${index}` }, port: 80, backend: `shop/v${index}:80` },
}));

function tableOf(shape: Shape, size: number): RouteTable {
  const routes = Array.from({ length: size }, (_, i): Route => {
    const { hostname, match } = shape.route(i);
    const whole: Match = { index: 0, path: { type: 'PathPrefix', value: '/' }, headers: [], query: [], ...match };
    return {
      ref: { kind: 'HTTPRoute', namespace: 'shop', name: `route-${(i * 7919) % size}` },
      createdAt: (i * 31) % 1000,
      hostnames: hostname === undefined ? [] : [{ match: hostname, written: hostname }],
      rules: [{ index: 0, matches: [whole], filters: [], backends }],
    };
  });
  return { kind: 'RouteTable', name: shape.title, routes, policies: [] };
}

function requestsOf(shape: Shape, size: number): readonly RequestView[] {
  return Array.from({ length: distinctRequests }, (_, i): RequestView => {
    const { host = 'example.com', path, headers = {} } = shape.request((i * 6151) % size);
    return { method: 'GET', host, path, query: undefined, header: (name) => headers[name] };
  });
}

/** Milliseconds of the fastest round. */
function fastest(work: () => void, times = rounds): number {
  let best = Infinity;
  for (let round = 0; round < times; round += 1) {
    const start = performance.now();
    work();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

function nanoseconds(count: number, work: (index: number) => unknown): number {
  let seen = 0;
  const ms = fastest(() => {
    for (let index = 0; index < count; index += 1) if (work(index) !== undefined) seen += 1;
  });
  return seen < 0 ? 0 : (ms * 1e6) / count;
}

function row(title: string, cells: readonly string[]): void {
  console.log(title.padEnd(32) + cells.map((cell) => cell.padStart(12)).join(''));
}

row('ns per decide; routes:', sizes.map(String));
for (const shape of shapes) {
  const cells = sizes.map((size) => {
    const table = compile(tableOf(shape, size));
    const requests = requestsOf(shape, size);
    return nanoseconds(requestsPerRound, (index) => decide(table, requests[index % distinctRequests]!)).toFixed(0);
  });
  row(shape.title, cells);
}

row('ms per compile; routes:', sizes.map(String));
for (const shape of shapes) {
  const cells = sizes.map((size) => {
    const fresh = fastest(() => compile(tableOf(shape, size)), 3) - fastest(() => tableOf(shape, size), 3);
    const table = tableOf(shape, size);
    compile(table);
    const again = fastest(() => compile({ ...table, routes: [...table.routes] }), 3);
    return `${fresh.toFixed(1)}/${again.toFixed(1)}`;
  });
  row(`${shape.title} (new/known)`, cells);
}

const rule = { index: 0, matches: [], filters: [], backends };
let draw = 0;
row('ns per call', []);
row('pickBackend, two backends', [nanoseconds(1_000_000, () => pickBackend(rule, () => (draw = (draw + 0.618) % 1))).toFixed(0)]);
row('normalizePath, normal', [nanoseconds(1_000_000, () => normalizePath('/api/v1/items/42?page=2')).toFixed(0)]);
row('normalizePath, to be changed', [nanoseconds(100_000, () => normalizePath('/api/%7ev1/../items/42?page=2')).toFixed(0)]);
row('normalizeHost, with port', [nanoseconds(1_000_000, () => normalizeHost('shop.example.com:8080')).toFixed(0)]);
