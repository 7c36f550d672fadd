import type { Socket } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import type { TimeoutFields } from '#snapshot';
import { kinds, openDoor, serverFor, turns, type Door, type Kind, type Turn } from './passing/doors.ts';
import { pause, Player, type Move } from './passing/player.ts';
import { Sockets } from './passing/sockets.ts';
import { boundServer, eventually } from './streams-rig.ts';

/**
 * Two sides of a connection that passes as it is do at any moment what they may. At each moment what one got is what the other sent, from its begin on;
 * it sees an end only where all has come before; where neither breaks it off and no time is over, all comes; where one does, the other sees that it is no
 * end in order; the proxy holds little; and nothing is left behind.
 */
interface Visit {
  readonly kind: Kind;
  readonly client: readonly Move[];
  readonly server: readonly Move[];
  readonly timeouts: TimeoutFields;
  readonly turn: { readonly to: Turn; readonly afterMs: number } | undefined;
}

const sizes = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 300 }) },
  { weight: 2, arbitrary: fc.constantFrom(16_384, 65_535, 65_536, 65_537, 200_000) },
  { weight: 1, arbitrary: fc.constantFrom(1_000_000, 5_000_000) },
);
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ does: fc.constant('write' as const), bytes: sizes }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('drip' as const), bytes: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 2, arbitrary: fc.constant({ does: 'stuff' as const }) },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('wait' as const), ms: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.constant({ does: 'pause' as const }) },
  { weight: 1, arbitrary: fc.constant({ does: 'resume' as const }) },
  { weight: 2, arbitrary: fc.constant({ does: 'end' as const }) },
  { weight: 1, arbitrary: fc.constant({ does: 'reset' as const }) },
);
const moves = fc.array(move, { maxLength: 8 });
const anything: fc.Arbitrary<Visit> = fc.record({
  kind: fc.constantFrom(...kinds),
  client: moves,
  server: moves,
  timeouts: fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, fc.constantFrom({ streamIdle: '60ms' }, { maxConnectionDuration: '40ms' }, { streamIdle: '0s' })),
  turn: fc.option(fc.record({ to: fc.constantFrom(...turns), afterMs: fc.nat(30) }), { nil: undefined, freq: 1 }),
});

/** One side ends behind bytes that the other does not take; then it is over: by the proxy's end, by a time limit, or because the one is gone. */
const halfway: fc.Arbitrary<Visit> = fc
  .record({ kind: fc.constantFrom(...kinds), writes: fc.constantFrom('client', 'server'), over: fc.constantFrom('cut', 'idle', 'gone'), answers: fc.integer({ min: 1, max: 300 }) })
  .map(({ kind, writes, over, answers }) => {
    const wait = (ms: number): Move => ({ does: 'wait', ms });
    const answer: readonly Move[] = [{ does: 'write', bytes: answers }, wait(30)];
    const writer: readonly Move[] = [{ does: 'stuff' }, { does: 'end' }, ...(over === 'gone' ? [wait(30), { does: 'reset' } as const] : [])];
    const reader: readonly Move[] = [{ does: 'pause' }, wait(150), ...(over === 'gone' ? [...answer, ...answer] : [wait(150)])];
    const [client, server] = writes === 'client' ? [writer, reader] : [reader, writer];
    return { kind, client, server, timeouts: over === 'idle' ? { streamIdle: '60ms' } : {}, turn: over === 'cut' ? { to: 'cut', afterMs: 150 } : undefined };
  });
const visit = fc.oneof({ weight: 3, arbitrary: anything }, { weight: 1, arbitrary: halfway });

/** A read, what waited before it, and as much on the side that is read. */
const maxHeld = 4 * 65_536;

/** Of which a connection has come to be. */
const joined = new Set<Kind>();

async function play(visit: Visit, sockets: Sockets): Promise<readonly string[]> {
  const [client, server] = [new Player('client'), new Player('server')];
  const faults: string[] = [];
  const proxys: { client?: Socket | undefined; server?: Socket | undefined } = {};
  const toClient = (): Socket | undefined => (proxys.client ??= sockets.toClient(door.port, socket));
  const toServer = (): Socket | undefined => (proxys.server ??= accepted.length === 0 ? undefined : sockets.toServer(accepted[0]!));
  const accepted: Socket[] = [];
  const played: Promise<void>[] = [];
  const stage = await boundServer(serverFor(visit.kind, (there) => {
    if (accepted.push(there.socket) > 1) faults.push('a second connection');
    server.listen(there, (bytes) => door.payloadAt('server', bytes), () => {
      if (door.greeting !== '') there.socket.write(door.greeting);
      played.push(server.play(visit.server, { heldBytes: () => toClient()?.writableLength ?? 0 }));
    });
  }), accepted);
  const door = await openDoor(visit.kind, stage.port, visit.timeouts);
  const dialled = door.dial();
  const { socket } = dialled;
  const watch = setInterval(() => {
    for (const one of [toClient(), toServer()]) if (one !== undefined && one.writableLength + one.readableLength > maxHeld) faults.push(`the proxy holds ${one.writableLength} + ${one.readableLength} bytes`);
  }, 2);
  client.listen(dialled, (bytes) => door.payloadAt('client', bytes), () => {});
  played.push(client.play(visit.client, { heldBytes: () => toServer()?.writableLength ?? 0 }), turnOf(visit, door, server));
  const settled = async (what: string, check: () => boolean | Promise<boolean>): Promise<void> => eventually(check, 8000).catch(() => void faults.push(what));
  const open = async (): Promise<readonly string[]> => {
    const lines = (await Promise.all(['client_connections', 'upstream_connections', 'streams', 'requests', 'tcp_connections'].map((name) => door.metricLines(`weft_${name}_active`)))).flat();
    return lines.filter((line) => !line.endsWith(' 0'));
  };
  await settled('the client is open', () => client.isClosed);
  await settled('something is active', async () => (await open()).length === 0);
  // What the proxy has opened the server may hear of later.
  await pause(5);
  await settled('the server is open', () => !server.isThere || server.isClosed);
  await Promise.all(played);
  clearInterval(watch);
  if (server.isAnswered && client.isAnswered) joined.add(visit.kind);
  const isLogged = visit.kind !== 'captured' && server.isAnswered && client.isAnswered;
  if (isLogged) await settled('there is no line', async () => (await door.logged()).length === 1);
  const [line] = await door.logged();
  faults.push(...faultsOf(visit, { client, server, line }, door), ...(await open()), ...door.faults.map(String));
  for (const one of Object.values(proxys)) if (one?.destroyed === false) faults.push('the proxy has a socket left');
  socket.destroy();
  stage.close();
  await Promise.race([door.close(), pause(5000).then(() => faults.push('the proxy does not end'))]);
  sockets.forget();
  return faults;
}

async function turnOf({ kind, turn }: Visit, door: Door, server: Player): Promise<void> {
  if (turn === undefined) return;
  await pause(turn.afterMs);
  // Else it would be that: a request, say.
  if (turn.to === 'port carries something else') for (let waited = 0; !server.isAnswered; waited++) {
    if (waited > 20 || kind === 'captured') return;
    await pause(10);
  }
  door.turn(turn.to);
}

interface Played {
  readonly client: Player;
  readonly server: Player;
  readonly line: Readonly<Record<string, unknown>> | undefined;
}

const limits: readonly unknown[] = ['stream-idle-timeout', 'max-connection-duration', 'draining'];

function faultsOf({ kind, turn, timeouts }: Visit, { client, server, line }: Played, door: Door): readonly string[] {
  const faults = [...client.faults, ...server.faults];
  const isCut = turn?.to === 'cut' || limits.includes(line?.['failure']);
  if (!server.isThere || !client.isAnswered) {
    if (client.sawEnd && !client.hasReset && kind !== 'websocket' && kind !== 'connect' && kind !== 'tls ended') faults.push('an end, though nobody was there');
    return faults;
  }
  const isForced = isCut || client.hasReset || server.hasReset;
  for (const [name, from, to] of [['server', client, server], ['client', server, client]] as const) {
    // What ends by force over TLS lacks the goodbye, which Node does not tell; a reset that it swallows is not found where the other side has ended. At its age a connection is given an end.
    const tellsEnds = !(kind === 'tls ended' && (name === 'client' || server.hasEnded)) && !(kind === 'tls begun' && (name === 'server' || client.hasEnded)) && timeouts.maxConnectionDuration === undefined;
    // A connection that is still being opened can't be reset, only given up.
    if (name === 'server' && from.hasReset && to.got === 0) continue;
    const isAll = from.hasEnded && to.got === from.sent;
    if (to.got > from.sent) faults.push(`the ${name} got ${to.got} of ${from.sent} bytes`);
    if (to.sawEnd && !isAll && tellsEnds) faults.push(`the ${name} saw an end at ${to.got} of ${from.sent} bytes, which ${from.hasEnded ? 'came later' : 'nobody sent'}`);
    if (!isForced && (!to.sawEnd || !isAll || to.error !== undefined)) faults.push(`the ${name} got ${to.got} of ${from.sent} bytes, ${to.sawEnd ? 'its end, ' : ''}${to.error ?? 'no error'}`);
    if (from.hasReset && !from.hasEnded && to.error === undefined && !to.hasReset && tellsEnds) faults.push(`the ${name} was not told of the reset`);
  }
  if (isForced || line === undefined) return faults;
  const { bytesIn = 0, bytesOut = 0, failure } = line;
  if (failure !== undefined || bytesIn !== client.sent + door.bytesAhead || bytesOut !== server.sent) faults.push(`${JSON.stringify(line)} of ${client.sent} and ${server.sent} bytes`);
  return faults;
}

test('whatever two sides do, and when: bytes in order, ends where they were, nothing left behind', async (t) => {
  t.timeout(240_000);
  const sockets = new Sockets();
  const alone = async (visits: readonly Visit[]): Promise<void> => {
    const faults = await Promise.all(visits.map(async (each) => (await play(each, sockets)).map((fault) => `${fault}: ${JSON.stringify(each)}`)));
    if (faults.flat().length > 0) throw new Error(faults.flat().join('\n'));
  };
  await fc.assert(fc.asyncProperty(fc.array(visit, { minLength: 4, maxLength: 6 }), alone), { numRuns: 30, endOnFailure: true, includeErrorInReport: true });
  sockets.close();
  t.deepEqual([...joined].toSorted(), kinds.toSorted());
});
