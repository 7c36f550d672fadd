import fc from 'fast-check';
import test from 'ava';
import { errorCode, preface, type ErrorCode } from '../frames/index.ts';
import type { HeaderBlock } from '../fields/index.ts';
import { Peer, type PeerStream } from '../testing/peer.ts';
import { Bench, MemoryTransport, requestBlock, responseBlock, trailerBlock } from '../testing/rig.ts';
import { ClientSession } from './client.ts';
import { ServerSession } from './server.ts';
import { nobody, type Stream } from './stream.ts';
import type { ResponseUser, StreamUser } from './types.ts';

/**
 * A client, both our sessions with a relay between them, and servers: whatever they do that is legal, in whatever order, in the end nothing is
 * left of it. All that the sessions write is held against the rules as it is read (`../testing/peer.ts`).
 */

const streamWindow = 30_000;
const connectionWindow = 65_535;
/** Connections to servers at a time; requests beyond what these take wait. */
const maxUps = 2;
const plenty = 1_000_000;

/** How peers behave all the time. */
interface Manners {
  /** Their frames come in pieces of at most so many bytes. */
  readonly cut: number;
  /** What a look at the clock takes: who sends much waits for its turn. */
  readonly lookMs: number;
  /** What they take at first, on each stream. */
  readonly window: number;
  /** Streams that a server takes at first. */
  readonly maxStreams: number;
  /** The client has taken a request back already: of what it sends next a part is looked at ahead. */
  readonly takesBack: boolean;
  /** What they open last, when all is to come to its end; streams by one SETTINGS for all, or each by itself. */
  readonly opensLast: 'sockets' | 'settings' | 'streams' | 'connections';
}

interface Up {
  readonly session: ClientSession;
  readonly transport: MemoryTransport;
  readonly peer: Peer;
}

class World {
  readonly bench = new Bench({ streamWindow, connectionWindow, maxConcurrentStreams: 6 });
  readonly down = new MemoryTransport(this.bench.environment.slabs);
  readonly server: ServerSession;
  readonly client: Peer;
  readonly ups: Up[] = [];
  readonly waiting = new Set<Relayed>();
  /** Responses that were complete before their requests. */
  readonly early = new Set<Stream>();
  /** What the proxy must not have done. */
  readonly wrong: string[] = [];
  readonly #manners: Manners;
  #requests = 0;

  constructor(manners: Manners) {
    this.#manners = manners;
    this.bench.lookMs = manners.lookMs;
    this.server = new ServerSession(this.bench.environment, this.down, {
      request: (stream, block) => new Relayed(this, stream, block),
      excessive: () => nobody,
      refused: () => {},
      closed: () => {},
    });
    this.client = new Peer('client', this.server, this.down);
    this.client.cut = manners.cut;
    this.client.give(preface);
    this.client.initialWindow(manners.window);
    this.exchange();
    if (!manners.takesBack) return;
    this.client.reset(this.ask('POST', true)!, errorCode.cancel);
    this.exchange();
  }

  /** What was written is read, on all sides. Returns how many frames that were. */
  exchange(): number {
    for (const peer of [this.client, ...this.ups.map((up) => up.peer)]) peer.uncork();
    this.bench.turn();
    let read = this.client.read();
    for (const { peer } of this.ups) read += peer.read();
    this.bench.turn();
    return read;
  }

  ask(method: string, ends: boolean, declared = -1): PeerStream | undefined {
    if (this.client.leaving) return undefined;
    return this.client.request(++this.#requests, method, ends, declared);
  }

  place(relayed: Relayed): void {
    const free = this.ups.find(({ session }) => session.canOpen);
    if (free !== undefined) this.#begin(relayed, free.session);
    else {
      this.waiting.add(relayed);
      if (this.ups.filter(({ session }) => session.reading && session.capacity > 0).length < maxUps) this.#dial();
    }
  }

  /** There is room on this connection. */
  serve(session: ClientSession): void {
    for (const relayed of this.waiting) {
      if (!session.canOpen) return;
      this.waiting.delete(relayed);
      this.#begin(relayed, session);
    }
  }

  #begin(relayed: Relayed, session: ClientSession): void {
    if (this.ups.find((up) => up.session === session)?.peer.over === true) this.wrong.push('a request for a server that has ended its side');
    relayed.begin(session);
  }

  #dial(): void {
    const transport = new MemoryTransport(this.bench.environment.slabs);
    const serve = (session: ClientSession): void => this.serve(session);
    const again = (): void => {
      const [first] = this.waiting;
      if (first !== undefined) this.place(first);
    };
    const session = new ClientSession(this.bench.environment, transport, { ready: serve, available: serve, leaving: again, closed: again });
    const peer = new Peer('server', session, transport);
    peer.cut = this.#manners.cut;
    this.ups.push({ session, transport, peer });
    this.serve(session);
    peer.initialWindow(this.#manners.window);
    peer.maxStreams(this.#manners.maxStreams);
  }
}

/** A request on its way: from the stream of the client to that of a server, when there is one. */
class Relayed implements StreamUser {
  readonly #world: World;
  readonly #down: Stream;
  readonly #request: string;
  #up: Stream | undefined;
  #held: Buffer[] = [];
  #heldTrailers = false;
  #ended = false;

  constructor(world: World, down: Stream, block: HeaderBlock) {
    this.#world = world;
    this.#down = down;
    this.#request = block.lookup('x-request')!;
    world.place(this);
  }

  begin(session: ClientSession): void {
    const up = session.open(requestBlock({ 'x-request': this.#request }, 'POST'), 'POST', this.#response());
    this.#up = up;
    for (const bytes of this.#held) up.send(bytes, 0, bytes.length);
    this.#held = [];
    if (this.#heldTrailers) up.trailers(trailerBlock({ 'x-trailer': '1' }));
    else if (this.#ended) up.end();
    if (up.queued === 0) this.#down.resume();
  }

  received(stream: Stream, bytes: Buffer, start: number, end: number): void {
    const up = this.#up;
    if (up === undefined) this.#held.push(Buffer.from(bytes.subarray(start, end)));
    else up.send(bytes, start, end);
    if (up === undefined || up.queued > 0) stream.pause();
  }

  trailers(): void {
    if (this.#up === undefined) this.#heldTrailers = true;
    else this.#up.trailers(trailerBlock({ 'x-trailer': '1' }));
  }

  ended(): void {
    this.#ended = true;
    this.#up?.end();
  }

  failed(): void {
    this.#world.waiting.delete(this);
    this.#up?.reset(errorCode.cancel);
  }

  drained(): void {
    this.#up?.resume();
  }

  #response(): ResponseUser {
    const down = this.#down;
    return {
      interim: () => down.headers(responseBlock(103)),
      responded: (_stream, block) => down.headers(responseBlock(block.status)),
      received: (stream, bytes, start, end) => {
        down.send(bytes, start, end);
        if (down.queued > 0) stream.pause();
      },
      trailers: () => down.trailers(trailerBlock({ 'x-trailer': '1' })),
      ended: (stream) => {
        down.end();
        if (!down.remoteEnded) {
          down.ignore();
          this.#world.early.add(down);
        }
        if (!stream.localEnded || stream.queued > 0) stream.reset(errorCode.cancel);
      },
      failed: (_stream, code) => down.reset(code),
      drained: () => down.resume(),
    };
  }
}

type Step = readonly [what: keyof typeof steps, which: number, size: number];

function pick<T>(list: readonly T[], which: number): T | undefined {
  return list[which % list.length];
}

function sending({ open }: Peer, which: number): PeerStream | undefined {
  return pick(open.filter((stream) => !stream.sentEnd && stream.headSent), which);
}

/** Of all servers' connections. */
function unanswered(world: World, which: number): { readonly peer: Peer; readonly stream: PeerStream } | undefined {
  return pick(world.ups.flatMap(({ peer }) => peer.open.filter(({ headSent }) => !headSent).map((stream) => ({ peer, stream }))), which);
}

const codes: readonly ErrorCode[] = [errorCode.none, errorCode.internal, errorCode.cancel, errorCode.refusedStream];
const windows = [0, 1, 100, 16_384, 65_535, 200_000];
const noServer = { peer: undefined, session: undefined, transport: undefined } as const;

const steps = {
  ask: (world: World, which: number) => void world.ask('POST', which % 3 === 0),
  askDeclared: (world: World, _which: number, size: number) => void world.ask('POST', false, 5 * size),
  upload: ({ client }: World, which: number, size: number) => {
    const stream = sending(client, which);
    if (stream !== undefined) client.send(stream, size, which % 5 === 0 ? which % 256 : 0, which % 4 === 0);
  },
  finishUpload: ({ client }: World, which: number) => {
    const stream = sending(client, which);
    if (stream !== undefined) client.trailers(stream);
  },
  takeBack: ({ client }: World, which: number) => {
    const stream = pick(client.open, which);
    if (stream !== undefined) client.reset(stream, errorCode.cancel);
  },
  widen: ({ client }: World, which: number, size: number) => client.widen(1 + size, which % 3 === 0 ? undefined : pick(client.open, which)),
  widenOver: ({ client }: World, which: number) => {
    const stream = pick(client.done, which);
    if (stream !== undefined) client.widen(1, stream);
  },
  clientWindow: ({ client }: World, which: number) => client.initialWindow(windows[which % windows.length]!),
  clientTable: ({ client }: World, which: number) => client.tableSize(which % 2 === 0 ? 0 : 4096),
  /** What the client sends comes together. */
  cork: ({ client }: World) => void (client.corked = true),
  clientReads: ({ bench, client }: World) => {
    client.uncork();
    bench.turn();
    client.read();
  },
  interim: (world: World, which: number) => {
    const found = unanswered(world, which);
    found?.peer.respond(found.stream, 103, false);
  },
  respond: (world: World, which: number, size: number) => {
    const found = unanswered(world, which);
    found?.peer.respond(found.stream, 200, which % 4 === 0, which % 4 === 1 ? size : -1);
  },
  download: ({ ups }: World, which: number, size: number) => {
    const { peer } = pick(ups, which) ?? noServer;
    const stream = peer && sending(peer, which >> 1);
    if (stream !== undefined) peer!.send(stream, size, which % 5 === 0 ? which % 256 : 0, which % 7 === 0);
  },
  finishDownload: ({ ups }: World, which: number) => {
    const { peer } = pick(ups, which) ?? noServer;
    const stream = peer && sending(peer, which >> 1);
    if (stream !== undefined) peer!.trailers(stream);
  },
  resetThere: ({ ups }: World, which: number) => {
    const { peer } = pick(ups, which) ?? noServer;
    const stream = peer && pick(peer.open, which >> 1);
    if (stream !== undefined) peer!.reset(stream, codes[which % codes.length]!);
  },
  widenThere: ({ ups }: World, which: number, size: number) => {
    const { peer } = pick(ups, which) ?? noServer;
    peer?.widen(1 + size, which % 3 === 0 ? undefined : pick(peer.open, which >> 1));
  },
  serverWindow: ({ ups }: World, which: number) => pick(ups, which)?.peer.initialWindow(windows[(which >> 1) % windows.length]!),
  serverStreams: ({ ups }: World, which: number) => pick(ups, which)?.peer.maxStreams((which >> 1) % 4),
  goaway: ({ ups }: World, which: number) => {
    const { peer } = pick(ups, which) ?? noServer;
    peer?.goaway(pick([0x7fffffff, ...peer.streams.keys()], which >> 1)!);
  },
  serverEnds: ({ ups }: World, which: number) => {
    const { peer, session } = pick(ups, which) ?? noServer;
    if (peer === undefined) return;
    peer.over = true;
    session.ended();
  },
  serversRead: ({ bench, ups }: World) => {
    bench.turn();
    for (const { peer } of ups) peer.read();
  },
  /** Sockets that take nothing for a while. */
  congest: ({ down, ups }: World, which: number, size: number) => {
    const { transport } = pick(ups, which >> 1) ?? noServer;
    (which % 2 === 0 ? down : (transport ?? down)).room = 1 + size;
  },
  drain: ({ server, down, ups }: World) => {
    for (const { session, transport } of [{ session: server, transport: down }, ...ups]) {
      transport.room = Infinity;
      if (transport.pending > 0) transport.drain(session);
    }
  },
  exchange: (world: World) => void world.exchange(),
  leave: ({ server }: World) => server.leave(),
} satisfies Record<string, (world: World, which: number, size: number) => void>;

const often: readonly (keyof typeof steps)[] = ['ask', 'ask', 'cork', 'upload', 'upload', 'upload', 'respond', 'respond', 'download', 'download', 'clientReads', 'serversRead', 'exchange', 'exchange', 'exchange', 'widen', 'widenThere'];
const rare: readonly (keyof typeof steps)[] = (Object.keys(steps) as (keyof typeof steps)[]).filter((name) => !['leave', 'serverEnds', 'goaway'].includes(name));
const last: readonly (keyof typeof steps)[] = ['leave', 'serverEnds', 'goaway'];
const size = fc.oneof(fc.nat(50), fc.nat(20_000), fc.constant(16_384));
const step: fc.Arbitrary<Step> = fc.tuple(fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...often) }, { weight: 8, arbitrary: fc.constantFrom(...rare) }, { weight: 1, arbitrary: fc.constantFrom(...last) }), fc.nat(1000), size);

/** All sides take what there is for them, and finish what they have begun. */
function settle(world: World, opensLast: Manners['opensLast']): void {
  const { client, ups, early } = world;
  const peers = (): Peer[] => [client, ...ups.map(({ peer }) => peer)].filter(({ over }) => !over);
  const opening = {
    sockets: () => steps.drain(world),
    settings: () => {
      for (const peer of peers()) peer.initialWindow(plenty);
    },
    streams: () => {
      for (const peer of peers()) for (const stream of peer.open) peer.widen(plenty, stream);
    },
    connections: () => {
      for (const peer of peers()) peer.widen(plenty);
    },
  };
  world.exchange();
  for (const what of ['sockets', 'settings', 'connections'] as const) if (what !== opensLast && (what !== 'settings' || opensLast !== 'streams')) opening[what]();
  world.exchange();
  opening[opensLast]();
  const raised = new Set<Peer>();
  for (let round = 0; round < 300; round++) {
    const read = world.exchange();
    let isOpen = world.waiting.size > 0;
    for (const peer of peers()) {
      if (peer.allowance < plenty / 2) peer.widen(plenty);
      if (peer.role === 'server' && !raised.has(peer)) {
        raised.add(peer);
        peer.maxStreams(100);
      }
      for (const stream of peer.open) {
        isOpen = true;
        // Of those that begin only now.
        if (stream.receiveWindow < plenty / 2) peer.widen(plenty, stream);
        if (peer.role === 'server' && !stream.receivedEnd) continue;
        if (!stream.headSent) peer.respond(stream, 200, false);
        else if (!stream.sentEnd) peer.send(stream, 16_384, 0, true);
      }
    }
    // What the proxy does with requests that go on though they were answered (`Farewell`).
    for (const stream of early) {
      early.delete(stream);
      if (client.streams.get(stream.id)!.sentEnd) continue;
      stream.reset(errorCode.none);
    }
    if (read === 0 && !isOpen) return;
  }
}

/** Nothing is left. */
function check(world: World): void {
  const { client, server, ups, waiting, bench } = world;
  const left: string[] = [...world.wrong, ...bench.errors.map(String)];
  for (const { id, sentEnd, receivedEnd } of client.open) left.push(`the client's stream ${id}, ended ${sentEnd} here, ${receivedEnd} there`);
  if (server.streams.size > 0) left.push(`${server.streams.size} of the server's streams`);
  if (waiting.size > 0) left.push(`${waiting.size} that wait`);
  if (server.reading && client.leaving) left.push('the connection of a client that was told of its end');
  if (server.reading && server.sender.window !== client.allowance) left.push(`to the client: ${server.sender.window} of ${client.allowance}`);
  for (const { session, peer } of ups) {
    if (session.streams.size > 0) left.push(`${session.streams.size} streams to a server`);
    if (session.reading && (peer.over || peer.lastStream < Infinity)) left.push('a connection to a server that leaves');
    if (session.reading && session.sender.window !== peer.allowance) left.push(`to a server: ${session.sender.window} of ${peer.allowance}`);
  }
  if (left.length > 0) throw new Error(`left: ${left.join(', ')}`);
}

/** Sends until it is told how much was taken: then the window is what it was at first. */
function refill(world: World, peer: Peer, stream: PeerStream): void {
  peer.cut = Infinity;
  for (let sent = 0; sent <= connectionWindow; sent += 1000) {
    const before = peer.window;
    peer.send(stream, 1000);
    world.exchange();
    if (peer.window < before) continue;
    if (peer.window !== connectionWindow) throw new Error(`a window of ${peer.window} where there was one of ${connectionWindow}, of a ${peer.role}`);
    return;
  }
  throw new Error(`no window is given back to a ${peer.role}`);
}

/** The next request, which needs all windows. */
function askAgain(world: World, { opensLast }: Manners): void {
  const { client, ups } = world;
  const asked = world.ask('POST', false);
  if (asked === undefined) return;
  for (let round = 0; round < 4; round++) world.exchange();
  const up = ups.find(({ peer }) => !peer.over && peer.open.length === 1)?.peer;
  if (up === undefined) throw new Error('the next request gets nowhere');
  up.widen(plenty, up.open[0]);
  client.widen(plenty, asked);
  refill(world, client, asked);
  const [stream] = up.open;
  up.respond(stream!, 200, false);
  refill(world, up, stream!);
  settle(world, opensLast);
  if (!asked.receivedEnd || !asked.sentEnd) throw new Error('the next request is not answered');
}

const manners: fc.Arbitrary<Manners> = fc.record({
  cut: fc.constantFrom(Infinity, 11, 1000),
  lookMs: fc.constantFrom(0, 0.2),
  window: fc.constantFrom(200_000, 65_535, 5000, 100),
  maxStreams: fc.constantFrom(100, 2, 1),
  takesBack: fc.boolean(),
  opensLast: fc.constantFrom('sockets', 'settings', 'streams', 'connections'),
});

test('whatever a client and servers do that is legal: all is answered or reset, nothing is left, and the windows are what they were', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), manners, (list, their) => {
      const world = new World(their);
      for (const [what, which, bytes] of list) steps[what](world, which, bytes);
      settle(world, their.opensLast);
      check(world);
      askAgain(world, their);
      check(world);
    }),
    { numRuns: 1500, includeErrorInReport: true },
  );
  t.pass();
});
