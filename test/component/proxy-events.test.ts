import test from 'ava';
import fc from 'fast-check';
import { AccessLog, createExposition, createProxy, Metrics, type Proxy } from '#proxy';
import type { Destination, EffectivePolicy } from '#snapshot';
import { Visitor, type Asked, type Seen, type Visit } from './events/client.ts';
import { behaviourNames, eventUpstream, pause, type EventUpstream } from './events/upstream.ts';
import { applyTo, backendNamed, backendTo, closedPort, endpointsOf, getRequest, listenerWith, policyOf, RawClient, rule, statusOf, tableOf } from './proxy-rig.ts';
import { socketIO } from './socket-io.ts';
import { eventually } from './streams-rig.ts';

/**
 * Clients, endpoints and the configuration do at any moment what they may, or may not. In the end: every request that was sent whole has one answer
 * or a closed connection, one line in the log and one count; nothing is in flight; no connection to an endpoint was used that has something left on
 * it; retries kept to their budget; and the proxy serves on.
 */

/** What the configuration becomes, and when. */
interface Turn {
  readonly afterMs: number;
  readonly to: 'one endpoint' | 'other endpoint' | 'no endpoint' | 'all endpoints' | 'other table' | 'other listener';
}

interface Run {
  readonly visits: readonly Visit[];
  readonly turns: readonly Turn[];
  /** When the proxy is told to end; undefined: when all is over. */
  readonly drainAfterMs: number | undefined;
}

const maxRetries = 2;
const budgetPercent = 50;
const policy: EffectivePolicy = policyOf({
  retry: { maxRetries, retryOn: { codes: [503], conditions: ['connect-failure', 'reset', 'timeout'] }, methods: ['GET', 'PUT'], backoff: { base: '1ms', max: '10ms' }, budget: { percent: budgetPercent, interval: '60s', minPerSecond: 0 } },
  timeouts: { request: '250ms', backendRequest: '60ms', streamIdle: '400ms' },
});

const asked: fc.Arbitrary<Asked> = fc
  .record({
    rule: fc.oneof({ weight: 6, arbitrary: fc.constant('b' as const) }, { weight: 3, arbitrary: fc.constant('m' as const) }, fc.constantFrom('h' as const, 'n' as const)),
    method: fc.constantFrom('GET', 'PUT', 'POST'),
    framing: fc.constantFrom('length', 'chunks'),
    bodyBytes: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 64 }) }, fc.constant(60_000)),
    rests: fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 30 })), { minLength: 1, maxLength: 3 }),
    script: fc.array(fc.oneof({ weight: 1, arbitrary: fc.constant('ok' as const) }, { weight: 3, arbitrary: fc.constantFrom(...behaviourNames) }), { minLength: 1, maxLength: 3 }),
    upgrades: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
  })
  .map((one) => ({ ...one, upgrades: one.upgrades && one.method === 'GET' && one.rule !== 'm' }));

const visit: fc.Arbitrary<Visit> = fc.record({
  door: fc.oneof({ weight: 4, arbitrary: fc.constant('gateway' as const) }, fc.constantFrom('at once' as const, 'soon' as const, 'never' as const)),
  asked: fc.array(asked, { minLength: 1, maxLength: 4 }),
  ahead: fc.boolean(),
  deafMs: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 40 })),
  end: fc.oneof({ weight: 4, arbitrary: fc.constant('waits' as const) }, fc.constantFrom('ends' as const, 'breaks' as const, 'halfway' as const)),
});

const run: fc.Arbitrary<Run> = fc.record({
  visits: fc.array(visit, { minLength: 6, maxLength: 12 }),
  turns: fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 80 }), to: fc.constantFrom('one endpoint', 'other endpoint', 'no endpoint', 'all endpoints', 'other table', 'other listener') }), { maxLength: 4 }),
  drainAfterMs: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, fc.integer({ min: 0, max: 60 })),
});

interface Stage {
  readonly endpoints: readonly EventUpstream[];
  readonly mirror: EventUpstream;
  readonly closed: number;
}

/** A proxy and what is known of it. */
class Rig {
  readonly metrics = new Metrics();
  readonly faults: unknown[] = [];
  readonly log: Record<string, unknown>[] = [];
  readonly proxy: Proxy;
  ports = { gateway: 0, outbound: 0 };
  readonly #stage: Stage;
  readonly #accessLog: AccessLog;
  readonly #exposition = createExposition(this.metrics);
  #isOther = false;

  constructor(stage: Stage) {
    this.#stage = stage;
    const write = async (bytes: Buffer): Promise<void> => void this.log.push(...bytes.toString().trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>));
    this.#accessLog = new AccessLog({ sink: { write, close: async () => {} }, now: () => Date.now() });
    this.proxy = createProxy({
      now: () => performance.now(), wallClock: () => Date.now(), random: Math.random, metrics: this.metrics, accessLog: this.#accessLog, io: socketIO, onFault: (error) => this.faults.push(error),
      options: { halfClosedMs: 150, lingerMs: 40, lingerUploadMs: 100, maxDiscardMs: 40 },
    });
    const protocols = { a: 'http1', m: 'http1', h: 'http2' } as const;
    applyTo(this.proxy, { backends: { changed: Object.entries(protocols).map(([name, protocol]) => backendNamed(name, protocol)) } });
    this.#use({ a: stage.endpoints.map(({ port }) => port), m: [stage.mirror.port], h: [stage.closed] });
    this.turn('other table');
  }

  #use(ports: Readonly<Record<string, readonly number[]>>): void {
    applyTo(this.proxy, { endpoints: { changed: Object.entries(ports).map(([name, list]) => ({ kind: 'Endpoints', name, endpoints: endpointsOf(list) })) } });
  }

  async listen(): Promise<void> {
    const listener = await this.proxy.listen(listenerWith([this.#section()]));
    const service = { kind: 'Service', namespace: 'shop', name: 'a' };
    const found = (host: string): Destination => ({ kind: 'Destination', name: `${host}:80`, target: { kind: 'service', service, port: 80, routes: 'listener/shop/gw/http' } });
    const outbound = await this.proxy.listenOutbound({
      address: '127.0.0.1',
      port: 0,
      resolve: (host) => (host.startsWith('at') ? found(host) : pause(5).then(() => (host.startsWith('soon') ? found(host) : Promise.reject(new Error('not found'))))),
    });
    this.ports = { gateway: listener.port, outbound: outbound.port };
    this.#relisten = () => listener.update(listenerWith([this.#section()]));
  }

  #relisten = (): void => {};

  #section(): Parameters<typeof listenerWith>[0][number] {
    return { name: 'http', hostname: this.#isOther ? '*.example' : '', protocol: 'HTTP', routes: 'listener/shop/gw/http', policy };
  }

  turn(to: Turn['to']): void {
    const [one, other] = this.#stage.endpoints.map(({ port }) => port) as [number, number];
    if (to.endsWith('endpoint') || to.endsWith('endpoints')) this.#use({ a: to === 'no endpoint' ? [] : to === 'one endpoint' ? [one] : to === 'other endpoint' ? [other] : [one, other] });
    else if (to === 'other listener') {
      this.#isOther = !this.#isOther;
      this.#relisten();
    } else {
      const mirror = { kind: 'backend', ref: { kind: 'Service', namespace: 'shop', name: 'm' }, port: 80, backend: 'm' } as const;
      const rules = [rule({ path: '/b' }), rule({ path: '/m', filters: [{ type: 'RequestMirror', backend: mirror, numerator: 1, denominator: 1 }] }), rule({ path: '/h', backends: [backendTo('h')] }), rule({ path: '/n', backends: [] })];
      applyTo(this.proxy, { routeTables: { changed: [tableOf(rules, [policy])] } });
    }
  }

  async logged(): Promise<readonly Record<string, unknown>[]> {
    await this.#accessLog.flush();
    await this.#accessLog.flush();
    return this.log;
  }

  /** The sum of what /metrics says of it. */
  async sum(name: string): Promise<number> {
    const lines = (await this.#exposition()).body.split('\n').filter((line) => line.startsWith(name));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }
}

let runs = 0;

async function play(stage: Stage, { visits, turns, drainAfterMs }: Run): Promise<void> {
  const rig = new Rig(stage);
  await rig.listen();
  const name = `r${runs++}`;
  const configured = Promise.all(turns.map(async ({ afterMs, to }) => {
    await pause(afterMs);
    rig.turn(to);
  }));
  const drained = drainAfterMs === undefined ? undefined : pause(drainAfterMs).then(() => rig.proxy.drain(60_000));
  const seen = await Promise.all(visits.map((each, index) => new Visitor(each, `${name}v${index}`, { ports: rig.ports, drains: drained !== undefined }).run()));
  await configured;
  if (drained === undefined) await servesOn(rig, name);
  await drained;
  const faults = [...seen.flatMap((each) => each.faults), ...(await faultsOf(rig, seen)), ...[...stage.endpoints, stage.mirror].flatMap((each) => each.faults.splice(0)), ...rig.faults.map(String)];
  await rig.proxy.close();
  if (faults.length > 0) throw new Error(faults.join('\n'));
}

async function servesOn(rig: Rig, name: string): Promise<void> {
  rig.turn('all endpoints');
  for (const port of Object.values(rig.ports)) {
    const client = new RawClient(port);
    await client.send(getRequest(`/b/${name}end${port}/ok`, '', 'at.example')).until((text) => text.includes('\r\n\r\n'));
    if (statusOf(client.text) !== 200) throw new Error(client.text);
    client.close();
  }
}

/** Once nothing is under way any more. */
async function faultsOf(rig: Rig, seen: readonly Seen[]): Promise<readonly string[]> {
  const faults: string[] = [];
  const settled = async (what: string, check: () => Promise<boolean>): Promise<void> => eventually(check).catch(() => void faults.push(what));
  await settled('client connections are open', async () => (await rig.sum('weft_client_connections_active ')) === 0);
  await settled('requests are active', async () => (await rig.sum('weft_requests_active{')) === 0);
  await settled('connections to endpoints are neither idle nor closed', async () => (await rig.sum('weft_upstream_connections_active ')) === (await rig.sum('weft_upstream_connections_idle ')));
  const log = await rig.logged();
  const byPath = Map.groupBy(log, ({ path }) => path as string);
  for (const { answers, paths } of seen) {
    for (const path of paths) {
      const lines = byPath.get(path) ?? [];
      const status = answers.get(path);
      if (lines.length > 1 || (status !== undefined && lines.length === 0)) faults.push(`${lines.length} lines for ${path}, which was answered ${status}`);
      if (status !== undefined && lines[0]?.['status'] !== status) faults.push(`${status} for ${path}, and ${JSON.stringify(lines[0])}`);
    }
  }
  const counted = await rig.sum('weft_requests_total{');
  if (counted !== log.length) faults.push(`${counted} requests, ${log.length} lines`);
  const forwarded = log.filter(({ backend }) => backend === 'a');
  for (const { attempts = 1, path } of forwarded) if ((attempts as number) > 1 + maxRetries + 1) faults.push(`${attempts as number} attempts at ${path as string}`);
  const retries = await rig.sum('weft_retries_total{result="made"');
  if (retries > (log.filter(({ backend }) => backend !== undefined).length * budgetPercent) / 100) faults.push(`${retries} retries of ${log.length}`);
  const toMirror = forwarded.filter(({ path }) => (path as string).startsWith('/m/')).length;
  await settled(`of ${toMirror} copies ${await rig.sum('weft_mirrored_requests_total{')} are over`, async () => (await rig.sum('weft_mirrored_requests_total{')) === toMirror);
  if ((await rig.sum('weft_internal_errors')) > 0) faults.push('internal errors');
  return faults;
}

test('whatever clients, endpoints and configuration do, and when: one answer, one line, nothing left behind', async (t) => {
  t.timeout(120_000);
  const stage: Stage = { endpoints: [await eventUpstream('patient'), await eventUpstream('patient')], mirror: await eventUpstream('restless'), closed: await closedPort() };
  try {
    await fc.assert(fc.asyncProperty(run, (each) => play(stage, each)), { numRuns: 30, endOnFailure: true, includeErrorInReport: true });
  } finally {
    for (const each of [...stage.endpoints, stage.mirror]) await each.close();
  }
  t.pass();
});
