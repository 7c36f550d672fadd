import { createServer, type Socket } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { createExposition } from '#proxy';
import type { ListenerSection, StreamTable } from '#snapshot';
import { readPage, type Sample } from './accounts/page.ts';
import { pause } from './events/upstream.ts';
import { applyTo, closedPort, RawClient } from './proxy-rig.ts';
import { boundServer, eventually, invalidBackend, setBackends, startStreamRig, streamBackend, streamTable, type StreamServer } from './streams-rig.ts';

/** What log and page say of TCP connections is what clients and endpoints saw, whoever ends them, and how. */

interface Visit {
  readonly route: 'a' | 'closed' | 'invalid' | 'empty';
  /** Sent in pieces of these sizes. */
  readonly pieces: readonly number[];
  readonly restMs: number;
  /** Then the client ends its side, breaks off, or waits for what the endpoint does. */
  readonly leaves: 'ends' | 'breaks' | 'waits';
  /** What the endpoint does with the first byte: the client says it. */
  readonly asks: 'echo' | 'end' | 'reset' | 'silence' | 'much';
}

interface Run {
  readonly visits: readonly Visit[];
  /** When the proxy cuts what is open; undefined: it does not. */
  readonly endsAfterMs: number | undefined;
}

const visit: fc.Arbitrary<Visit> = fc.record({
  route: fc.oneof({ weight: 8, arbitrary: fc.constant('a' as const) }, fc.constantFrom('closed' as const, 'invalid' as const, 'empty' as const)),
  pieces: fc.array(fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 100 }) }, fc.constant(100_000)), { minLength: 1, maxLength: 4 }),
  restMs: fc.integer({ min: 0, max: 20 }),
  leaves: fc.constantFrom('ends', 'breaks', 'waits'),
  asks: fc.constantFrom('echo', 'end', 'reset', 'silence', 'much'),
});

const run: fc.Arbitrary<Run> = fc.record({ visits: fc.array(visit, { minLength: 4, maxLength: 12 }), endsAfterMs: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, fc.integer({ min: 5, max: 60 })) });

const routes = ['a', 'closed', 'invalid', 'empty'] as const;
const sectionOf = (route: Visit['route']): ListenerSection => ({ name: route, hostname: '', protocol: 'TCP', routes: `listener/shop/gw/${route}` });
const backendOf = { a: streamBackend('a'), closed: streamBackend('closed'), invalid: invalidBackend, empty: streamBackend('empty') };
const refusal = { closed: 'connect-failed', invalid: 'invalid-backend', empty: 'no-endpoints' } as const;

function tableFor(route: Visit['route']): StreamTable {
  const policies = [{ timeouts: { streamIdle: '300ms' }, origins: {} }];
  return { ...streamTable(route, [{ backends: [{ ...backendOf[route], policy: 0 }] }]), policies };
}

/** By the port that it was reached from: what came, and what went. */
interface Counted {
  came: number;
  went: number;
}

async function endpoint(sockets: Socket[]): Promise<{ readonly server: StreamServer; readonly counted: Counted }> {
  const counted: Counted = { came: 0, went: 0 };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    let asks = '';
    const say = (bytes: Buffer): void => {
      counted.went += bytes.length;
      socket.write(bytes);
    };
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      counted.came += bytes.length;
      const isFirst = asks === '';
      asks ||= String.fromCharCode(bytes[0]!);
      if (asks === 'e') say(bytes);
      else if (!isFirst) return;
      else if (asks === 'n') socket.end();
      else if (asks === 'r') socket.resetAndDestroy();
      else if (asks === 'm') say(Buffer.alloc(300_000));
    });
    socket.on('end', () => socket.end());
  });
  return { server: await boundServer(server, sockets), counted };
}

const letter = { echo: 'e', end: 'n', reset: 'r', silence: 's', much: 'm' } as const;

interface Seen {
  readonly visit: Visit;
  sent: number;
  got: number;
  broke: boolean;
  /** It ended its side, and saw an end of the other. */
  inOrder: boolean;
}

async function play(each: Visit, port: number): Promise<Seen> {
  const seen: Seen = { visit: each, sent: 0, got: 0, broke: false, inOrder: false };
  const client = new RawClient(port);
  for (const [index, size] of each.pieces.entries()) {
    if (index > 0) await pause(each.restMs);
    if (!client.socket.writable) break;
    client.send((index === 0 ? letter[each.asks] : 'x').padEnd(size, 'x'));
    seen.sent += size;
  }
  if (each.leaves === 'breaks') {
    await pause(each.restMs);
    seen.broke = !client.socket.destroyed;
    client.socket.resetAndDestroy();
  } else if (each.leaves === 'ends') client.socket.end();
  await client.all(5000);
  seen.got = client.text.length;
  seen.inOrder = each.leaves === 'ends' && client.error === undefined;
  client.close();
  return seen;
}

interface Line {
  readonly source: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly failure?: string;
  readonly endpoint?: string;
}

function judge(seen: readonly Seen[], lines: readonly Line[], page: readonly Sample[], { came, ends }: { readonly came: number; readonly ends: boolean }): readonly string[] {
  const wrong: string[] = [];
  for (const route of routes) {
    const its = seen.filter((one) => one.visit.route === route);
    const logged = lines.filter(({ source }) => source === `shop/gw/${route}`);
    const sum = (name: string, label = '', value = ''): number => page.filter((sample) => sample.name === name && sample.labels['source'] === `shop/gw/${route}` && (label === '' || sample.labels[label] === value)).reduce((all, sample) => all + sample.value, 0);
    const check = (is: boolean, what: string): void => void (is || wrong.push(`${what} of ${route}: ${JSON.stringify(its)} ${JSON.stringify(logged)}`));
    check(ends ? logged.length <= its.length : logged.length === its.length || its.some(({ broke }) => broke), 'lines');
    check(sum('weft_streams_total') === logged.length && sum('weft_streams_active') === 0, 'connections counted');
    check(sum('weft_streams_total', 'result', 'failed') === logged.filter(({ failure }) => failure !== undefined).length, 'failures counted');
    for (const code of new Set(logged.flatMap(({ failure = [] }) => failure))) check(sum('weft_failures_total', 'code', code) === logged.filter(({ failure }) => failure === code).length, code);
    check(sum('weft_stream_received_bytes_total') === logged.reduce((all, { bytesIn }) => all + bytesIn, 0) && sum('weft_stream_sent_bytes_total') === logged.reduce((all, { bytesOut }) => all + bytesOut, 0), 'bytes counted');
    if (route !== 'a') check(logged.every(({ failure, bytesIn, bytesOut }) => (failure === refusal[route] || failure === 'client-closed' || (ends && failure === 'draining')) && bytesIn + bytesOut === 0), 'refusals');
    else {
      const lost = logged.filter(({ failure }) => failure === 'client-closed').length;
      check(lost <= its.filter(({ broke }) => broke).length, 'clients that left');
      check(logged.filter(({ failure }) => failure === undefined).length >= its.filter(({ inOrder, visit: { asks } }) => inOrder && asks === 'echo').length, 'ends in order');
      check(ends || !logged.some(({ failure }) => failure === 'draining'), 'an end that was none of ours');
      check(logged.reduce((all, { bytesIn }) => all + bytesIn, 0) >= came, 'bytes that the endpoint got');
      check(logged.reduce((all, { bytesOut }) => all + bytesOut, 0) >= its.reduce((all, { got }) => all + got, 0), 'bytes that clients got');
      check(its.length !== logged.length || logged.reduce((all, { bytesIn }) => all + bytesIn, 0) <= its.reduce((all, { sent }) => all + sent, 0), 'bytes that clients sent');
    }
  }
  return wrong;
}

test('connections: log and page say what clients and endpoints saw', async (t) => {
  t.timeout(120_000);
  const closed = await closedPort();
  await fc.assert(fc.asyncProperty(run, async ({ visits, endsAfterMs }) => {
    const sockets: Socket[] = [];
    const { server, counted } = await endpoint(sockets);
    const rig = await startStreamRig();
    const exposition = createExposition(rig.metrics);
    setBackends(rig.proxy, { a: [server.port], closed: [closed], empty: [] });
    applyTo(rig.proxy, { streamTables: { changed: routes.map(tableFor) } });
    const ports = Object.fromEntries(await Promise.all(routes.map(async (route) => [route, (await rig.listen([sectionOf(route)], { name: `shop/gw/${route}` })).port] as const)));
    const ended = endsAfterMs === undefined ? undefined : pause(endsAfterMs).then(() => rig.close());
    const seen = await Promise.all(visits.map((each) => play(each, ports[each.route]!)));
    await ended;
    const page = async (): Promise<readonly Sample[]> => readPage((await exposition()).body);
    const open = async (name: string): Promise<number> => (await page()).filter((sample) => sample.name === name).reduce((all, { value }) => all + value, 0);
    for (const name of ['weft_streams_active', 'weft_client_connections_active', 'weft_upstream_connections_active']) await eventually(async () => (await open(name)) === 0);
    const wrong = [...judge(seen, (await rig.logged()) as unknown as readonly Line[], await page(), { came: counted.came, ends: ended !== undefined }), ...rig.faults.map(String)];
    await rig.close();
    server.close();
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
  }), { numRuns: 25, endOnFailure: true, includeErrorInReport: true });
  t.pass();
});
