import test from 'ava';
import fc from 'fast-check';
import { AccessLog, createExposition, createProxy, Metrics, Tracer, type Proxy } from '#proxy';
import type { Destination, RouteTable } from '#snapshot';
import { faults, visit, type Asked, type Doors, type FaultName, type Seen, type Visit } from './accounts/client.ts';
import { judgeLine, judgePage, judgeSpans, rules as order, type Line, type Span, type Stage } from './accounts/judge.ts';
import { readPage, seriesOf, type Sample } from './accounts/page.ts';
import { callNames, callUpstream, type CallUpstream } from './accounts/upstream.ts';
import { behaviourNames, eventUpstream, pause, type EventUpstream } from './events/upstream.ts';
import { applyTo, backendNamed, backendTo, closedPort, endpointsOf, listenerWith, policyOf, rule, tableOf } from './proxy-rig.ts';
import { socketIO } from './socket-io.ts';
import { eventually } from './streams-rig.ts';

/**
 * What operators go by is true: each request has one line in the log, with the status, bytes, failure and attempts that its client and its endpoints
 * saw; the page of metrics is the sum of these lines; one span says as much as each; no counter falls, and in the end nothing is said to be open.
 */

interface Run {
  readonly visits: readonly Visit[];
  /** When the proxy cuts what is under way; undefined: it does not. */
  readonly endsAfterMs: number | undefined;
  readonly turns: readonly { readonly afterMs: number; readonly to: 'other route' | 'same route' | 'one endpoint' | 'all endpoints' }[];
}

const policy = policyOf({
  retry: { maxRetries: 2, retryOn: { codes: [503], conditions: ['connect-failure', 'reset', 'timeout', 'unavailable', 'refused-stream'] }, methods: ['GET', 'PUT'], backoff: { base: '1ms', max: '10ms' }, budget: { percent: 80, interval: '60s', minPerSecond: 0.2 } },
  timeouts: { request: '250ms', backendRequest: '60ms', streamIdle: '300ms' },
});

const asked: fc.Arbitrary<Asked> = fc
  .record({
    rule: fc.oneof({ weight: 6, arbitrary: fc.constantFrom('b' as const, 'g' as const) }, { weight: 2, arbitrary: fc.constant('m' as const) }, { weight: 3, arbitrary: fc.constantFrom('h' as const, 'n' as const, 'r' as const, 'x' as const) }),
    method: fc.constantFrom('GET', 'HEAD', 'PUT', 'POST'),
    bodyBytes: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 64 }) }, fc.constant(60_000)),
    rests: fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 30 })), { minLength: 1, maxLength: 3 }),
    chunks: fc.boolean(),
    lines: fc.array(fc.oneof({ weight: 1, arbitrary: fc.constant('ok' as const) }, { weight: 3, arbitrary: fc.constantFrom(...behaviourNames) }), { minLength: 1, maxLength: 3 }),
    calls: fc.array(fc.constantFrom(...callNames), { minLength: 1, maxLength: 3 }),
    upgrades: fc.oneof({ weight: 6, arbitrary: fc.constant(false) }, fc.constant(true)),
    grpc: fc.boolean(),
    fault: fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, fc.constantFrom(...(Object.keys(faults) as FaultName[]))),
  })
  // The endpoints of HTTP/1.1 answer HEAD with a body, which nobody may.
  .map(({ lines, calls, ...one }) => ({ ...one, method: one.method === 'HEAD' && 'bm'.includes(one.rule) ? ('GET' as const) : one.method, script: one.rule === 'g' ? calls : lines, upgrades: one.upgrades && one.method === 'GET' && one.rule === 'b' }));

const eachVisit: fc.Arbitrary<Visit> = fc
  .record({
    door: fc.oneof({ weight: 4, arbitrary: fc.constant('gateway' as const) }, { weight: 2, arbitrary: fc.constant('soon' as const) }, fc.constant('never' as const)),
    speaks: fc.constantFrom('HTTP/1.1', 'HTTP/2'),
    asked: fc.array(asked, { minLength: 1, maxLength: 4 }),
    leaves: fc.oneof({ weight: 4, arbitrary: fc.constant('never' as const) }, fc.constantFrom('behind the head' as const, 'within the body' as const, 'soon' as const, 'within the answer' as const)),
    leavesAfterMs: fc.integer({ min: 1, max: 60 }),
  })
  .map((one) => ({ ...one, asked: one.asked.map((each) => (one.speaks === 'HTTP/2' ? { ...each, upgrades: false, fault: undefined } : { ...each, grpc: false })) }));

const run: fc.Arbitrary<Run> = fc.record({
  visits: fc.array(eachVisit, { minLength: 6, maxLength: 12 }),
  endsAfterMs: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, fc.integer({ min: 5, max: 80 })),
  turns: fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 30 }), to: fc.constantFrom('other route', 'same route', 'one endpoint', 'all endpoints') }), { maxLength: 3 }),
});

interface Peers {
  readonly endpoints: readonly EventUpstream[];
  readonly mirror: EventUpstream;
  readonly calls: CallUpstream;
  readonly closed: number;
}

class Rig {
  readonly metrics = new Metrics();
  readonly spans: Span[] = [];
  readonly faults: unknown[] = [];
  readonly proxy: Proxy;
  doors: Doors = { gateway: 0, sidecar: 0 };
  readonly #peers: Peers;
  readonly #lines: Line[] = [];
  readonly #accessLog: AccessLog;
  readonly #exposition = createExposition(this.metrics);
  #isOther = false;

  constructor(peers: Peers) {
    this.#peers = peers;
    const write = async (bytes: Buffer): Promise<void> => void this.#lines.push(...bytes.toString().trim().split('\n').map((line) => JSON.parse(line) as Line));
    this.#accessLog = new AccessLog({ sink: { write, close: async () => {} }, now: () => Date.now() });
    const tracer = new Tracer({ sink: { export: (span, end) => void this.spans.push({ span, end }), close: async () => {} }, sample: 0 });
    this.proxy = createProxy({
      now: () => performance.now(), wallClock: () => Date.now(), random: Math.random, metrics: this.metrics, accessLog: this.#accessLog, tracer, io: socketIO, onFault: (error) => this.faults.push(error),
      options: { halfClosedMs: 150, lingerMs: 40, lingerUploadMs: 100, maxDiscardMs: 40 },
    });
    applyTo(this.proxy, { backends: { changed: [backendNamed('a'), backendNamed('m'), backendNamed('h', 'http2'), backendNamed('g', 'http2')] } });
    this.#use(peers.endpoints);
    this.#route();
  }

  async listen(): Promise<void> {
    const routes = 'listener/shop/gw/http';
    const { port } = await this.proxy.listen(listenerWith([{ name: 'http', hostname: '', protocol: 'HTTP', routes, policy }]));
    const target = { kind: 'service', service: { kind: 'Service', namespace: 'shop', name: 'a' }, port: 80, routes } as const;
    const resolve = async (host: string): Promise<Destination> => {
      await pause(5);
      if (host.startsWith('never')) throw new Error('not found');
      return { kind: 'Destination', name: `${host}:80`, target };
    };
    this.doors = { gateway: port, sidecar: (await this.proxy.listenOutbound({ address: '127.0.0.1', port: 0, resolve })).port };
  }

  turn(to: Run['turns'][number]['to']): void {
    if (to.endsWith('route')) {
      if (to === 'other route') this.#isOther = !this.#isOther;
      this.#route();
    } else this.#use(to === 'one endpoint' ? this.#peers.endpoints.slice(1) : this.#peers.endpoints);
  }

  #use(endpoints: readonly EventUpstream[]): void {
    const ports = { a: endpoints.map(({ port }) => port), m: [this.#peers.mirror.port], h: [this.#peers.closed], g: [this.#peers.calls.port] };
    applyTo(this.proxy, { endpoints: { changed: Object.entries(ports).map(([name, list]) => ({ kind: 'Endpoints', name, endpoints: endpointsOf(list) })) } });
  }

  #route(): void {
    const mirror = { kind: 'backend', ref: { kind: 'Service', namespace: 'shop', name: 'm' }, port: 80, backend: 'm' } as const;
    const own = {
      b: {}, m: { filters: [{ type: 'RequestMirror', backend: mirror, numerator: 1, denominator: 1 }] }, h: { backends: [backendTo('h')] },
      n: { backends: [] }, g: { backends: [backendTo('g')] }, r: { filters: [{ type: 'RequestRedirect', hostname: 'elsewhere.example', statusCode: 302 }], backends: [] },
    } as const;
    const table = tableOf(order.map((name) => rule({ path: `/${name}`, ...own[name] })), [policy]);
    const named: RouteTable = { ...table, routes: table.routes.map((route) => ({ ...route, ref: { ...route.ref, name: this.#isOther ? 'other' : 'route' } })) };
    applyTo(this.proxy, { routeTables: { changed: [named] } });
  }

  async lines(): Promise<readonly Line[]> {
    await this.#accessLog.flush();
    await this.#accessLog.flush();
    return this.#lines;
  }

  async page(): Promise<readonly Sample[]> {
    return readPage((await this.#exposition()).body);
  }

  async sum(name: string): Promise<number> {
    return (await this.page()).filter((sample) => sample.name === name).reduce((all, { value }) => all + value, 0);
  }
}

const isCount = ({ name }: Sample): boolean => /_(total|count|sum|bucket)$/.test(name);

/** Of what is open, or under way. */
const gauges = ['weft_client_connections_active', 'weft_upstream_connections_active', 'weft_upstream_connections_idle', 'weft_upstream_endpoints_aside', 'weft_requests_active'];

let runs = 0;

async function play(peers: Peers, { visits, turns, endsAfterMs }: Run): Promise<void> {
  const rig = new Rig(peers);
  await rig.listen();
  const name = `a${runs++}`;
  const pages: (readonly Sample[])[] = [];
  const turned = (async () => {
    for (const { afterMs, to } of turns) {
      await pause(afterMs);
      rig.turn(to);
      pages.push(await rig.page());
    }
  })();
  const ended = endsAfterMs === undefined ? undefined : pause(endsAfterMs).then(() => rig.proxy.close());
  const seen = (await Promise.all(visits.map((each, index) => visit(each, `${name}v${index}`, rig.doors)))).flat();
  await turned;
  await ended;
  const wrong = [...(await wrongWith(rig, { peers, seen, pages, ends: ended !== undefined })), ...rig.faults.map(String), ...[...peers.endpoints, peers.mirror].flatMap((each) => each.faults.splice(0))];
  await rig.proxy.close();
  for (const gauge of gauges) await eventually(async () => (await rig.sum(gauge)) === 0).catch(() => void wrong.push(`${gauge} without a proxy`));
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
}

interface Found {
  readonly peers: Peers;
  readonly seen: readonly Seen[];
  readonly pages: readonly (readonly Sample[])[];
  readonly ends: boolean;
}

async function wrongWith(rig: Rig, { peers, seen, pages, ends }: Found): Promise<readonly string[]> {
  const wrong: string[] = [];
  const settled = async (what: string, check: () => Promise<boolean>): Promise<void> => eventually(check).catch(() => void wrong.push(what));
  await settled('requests are active', async () => (await rig.sum('weft_requests_active')) === 0);
  await settled('clients are there', async () => (await rig.sum('weft_client_connections_active')) === 0);
  await settled('connections to endpoints are neither idle nor closed', async () => (await rig.sum('weft_upstream_connections_active')) <= (await rig.sum('weft_upstream_connections_idle')));
  const lines = await rig.lines();
  const toMirror = lines.filter(({ path, backend }) => path.startsWith('/m/') && backend !== undefined).length;
  await settled('copies are under way', async () => (await rig.sum('weft_mirrored_requests_total')) === toMirror);
  const arrivedAt = [...peers.endpoints.map(({ attempts }) => (id: string) => attempts.get(id) ?? 0), (id: string) => peers.calls.attempts.get(id)?.length ?? 0];
  const places = (ports: readonly number[]): readonly string[] => ports.map((port) => `127.0.0.1:${port}`);
  const stage: Stage = {
    arrived: (id) => arrivedAt.reduce((all, of) => all + of(id), 0),
    spansArrived: (id) => peers.calls.attempts.get(id) ?? [],
    ends,
    places: { a: places(peers.endpoints.map(({ port }) => port)), h: places([peers.closed]), g: places([peers.calls.port]) },
  };
  const byId = Map.groupBy(lines, ({ path }) => path.split('/')[2]!);
  const byTrace = Map.groupBy(rig.spans, ({ span }) => span.traceId);
  for (const each of seen) {
    const its = byId.get(each.path.split('/')[2]!) ?? [];
    wrong.push(...judgeLine(each, its, stage));
    if (its.length === 1) wrong.push(...judgeSpans(each, its[0]!, byTrace.get(each.traceId) ?? [], stage));
  }
  const last = await rig.page();
  wrong.push(...judgePage(last, lines));
  for (const [index, page] of [...pages, last].entries()) {
    const values = new Map(page.map((sample) => [seriesOf(sample), sample.value]));
    for (const sample of pages[index - 1] ?? []) if (isCount(sample) && !((values.get(seriesOf(sample)) ?? -1) >= sample.value)) wrong.push(`${seriesOf(sample)} fell from ${sample.value}`);
  }
  return wrong;
}

test('log, page and spans say what clients and endpoints saw', async (t) => {
  t.timeout(120_000);
  const peers: Peers = { endpoints: [await eventUpstream('patient'), await eventUpstream('patient')], mirror: await eventUpstream('restless'), calls: await callUpstream(), closed: await closedPort() };
  try {
    await fc.assert(fc.asyncProperty(run, (each) => play(peers, each)), { numRuns: 25, endOnFailure: true, includeErrorInReport: true });
  } finally {
    for (const each of [...peers.endpoints, peers.mirror, peers.calls]) await each.close();
  }
  t.pass();
});
