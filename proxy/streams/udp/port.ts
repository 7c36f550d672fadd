import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { hostPort, type Listener } from '#snapshot';
import type { Context } from '../../context.ts';
import type { FailureCode } from '../../failures.ts';
import type { Bound } from '../../types.ts';
import { plainAddress } from '../address.ts';
import { chooseStream } from '../connection.ts';
import { comesBack } from '../dial.ts';
import { Ledger } from '../ledger.ts';
import type { StreamSettings, StreamTimes } from '../routing.ts';
import { UdpFlow } from './flow.ts';
import { asAddress } from './lookup.ts';
import { Newcomers, type Newcomer } from './newcomers.ts';

/** What the kernel may keep while we are busy; it takes less where it is told to. Bytes. */
const receiveBuffer = 4 * 1024 * 1024;
/** A flow keeps its place in the line of those to be evicted for so long. Milliseconds. */
const lineMs = 1000;
/** While draining, a flow is over when it is silent for so long. Milliseconds. */
const drainIdleMs = 3000;

/** A UDP port of a gateway. Datagrams of one client's address and port are a flow, which stays with one endpoint. */
export class UdpPort implements Bound {
  readonly address: string;
  readonly #context: Context;
  readonly #socket: Socket;
  #listener: Listener;
  /** Flows by client. Each line in the order of the last datagram; of those that sent one only, the first goes first. */
  readonly #lines = { unproven: new Map<string, UdpFlow>(), proven: new Map<string, UdpFlow>() };
  readonly #newcomers: Newcomers;
  #port = 0;
  #isClosing = false;
  /** No flow is left, after it began to close. */
  readonly #empty = Promise.withResolvers<void>();
  #shut: Promise<void> | undefined;

  constructor(context: Context, listener: Listener) {
    this.#context = context;
    this.#listener = listener;
    this.address = listener.address;
    this.#newcomers = new Newcomers({
      turns: context.turns,
      now: () => context.now(),
      perSecond: context.limits.maxNewUdpFlows,
      open: (key, newcomer) => this.#admit(key, newcomer),
    });
    this.#socket = createSocket({
      type: listener.address.includes(':') ? 'udp6' : 'udp4',
      reusePort: context.environment.sharesPorts === true,
      recvBufferSize: receiveBuffer,
      lookup: asAddress,
    });
    this.#socket.on('message', (datagram, from) => this.#receive(datagram, from));
  }

  get port(): number {
    return this.#port;
  }

  /** Rejects where the address can't be bound. */
  async bind(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error): void => {
        // It has its descriptor all the same.
        this.#socket.close();
        reject(error);
      };
      this.#socket.once('error', failed);
      this.#socket.bind({ address: this.address, port, exclusive: true }, () => {
        this.#socket.off('error', failed);
        // Later ones concern single datagrams.
        this.#socket.on('error', () => this.#context.metrics.count('udp_datagrams_dropped'));
        resolve();
      });
    });
    this.#port = this.#socket.address().port;
  }

  update(listener: Listener): void {
    this.#listener = listener;
  }

  refreshCertificate(): void {}

  /** Takes no new clients, and waits until the others are silent for a while, for at most `drainMs` milliseconds. */
  async close(drainMs: number): Promise<void> {
    this.#isClosing = true;
    this.#context.metrics.count('udp_datagrams_dropped', this.#newcomers.clear());
    const now = this.#context.now();
    for (const flow of this.#flows()) this.#context.wheel.schedule(flow, now);
    if (this.#size === 0) this.#empty.resolve();
    if (drainMs > 0) await Promise.race([this.#empty.promise, new Promise((resolve) => setTimeout(resolve, drainMs).unref())]);
    for (const flow of this.#flows()) {
      flow.parts.ledger.fail('draining');
      flow.end();
    }
    this.#shut ??= new Promise<void>((resolve) => this.#socket.close(() => resolve()));
    await this.#shut;
  }

  *#flows(): Iterable<UdpFlow> {
    yield* this.#lines.unproven.values();
    yield* this.#lines.proven.values();
  }

  get #size(): number {
    return this.#lines.unproven.size + this.#lines.proven.size;
  }

  #receive(datagram: Buffer, from: RemoteInfo): void {
    try {
      const key = `${from.address}|${from.port}`;
      const isProven = this.#lines.proven.has(key);
      const flow = this.#flowOf(key);
      if (flow !== undefined) {
        flow.send(datagram);
        this.#touch(key, flow);
      } else if (this.#isClosing) this.#drop();
      // Its endpoint has gone: it does not stand in line with those that nobody knows.
      else if (isProven) this.#admit(key, { from, datagrams: [datagram] });
      else if (!this.#newcomers.add(key, datagram, from)) {
        this.#context.metrics.count('udp_newcomers_refused');
        this.#drop();
      }
    } catch (error) {
      this.#context.fault(error);
    }
  }

  #admit(key: string, { from, datagrams }: Newcomer): void {
    try {
      const flow = this.#begin(key, from);
      if (flow === undefined) {
        this.#context.metrics.count('udp_datagrams_dropped', datagrams.length - 1);
        return;
      }
      for (const datagram of datagrams) flow.send(datagram);
      this.#touch(key, flow);
    } catch (error) {
      this.#context.fault(error);
    }
  }

  /** The client's flow, if its endpoint is still one to send to. */
  #flowOf(key: string): UdpFlow | undefined {
    const flow = this.#lines.proven.get(key) ?? this.#lines.unproven.get(key);
    if (flow === undefined) return undefined;
    const { parts } = flow;
    const routing = this.#context.streamTables.get(this.#section.routes);
    if (parts.endpoint.index >= 0) {
      if (parts.routing === routing) return flow;
      if (routing?.sendsTo('', parts.backend.name) === true) {
        parts.routing = routing;
        return flow;
      }
    }
    flow.end();
    return undefined;
  }

  #begin(key: string, from: RemoteInfo): UdpFlow | undefined {
    const { routes } = this.#section;
    const choice = chooseStream(this.#context, { streams: routes, source: this.#listener.name, protocol: 'udp', serverName: '' });
    if (choice.kind === 'refused') return this.#drop(choice.settings, choice.failure);
    const backend = this.#context.backends.get(choice.backend);
    if (backend === undefined) return this.#drop(choice.settings, 'config-missing');
    if (comesBack(this.#context, backend, this)) return this.#drop(choice.settings, 'loop-detected');
    const endpoint = backend.balancer.pick(backend.endpoints);
    if (endpoint === undefined) return this.#drop(choice.settings, 'no-endpoints');
    if (this.#size >= this.#context.limits.maxUdpFlows) this.#evict();
    const client = plainAddress(from.address);
    const flow = new UdpFlow(this.#context, {
      backend,
      endpoint,
      routing: this.#context.streamTables.get(routes)!,
      ledger: new Ledger(this.#context, choice.settings, { protocol: 'udp', serverName: '', client: hostPort(client, from.port) }),
      idleMs: (each) => this.#idleMs(each, choice.times),
      reply: (datagram) => this.#reply(datagram, from),
      ended: () => this.#ended(key),
    });
    // Without a descriptor for its socket it is over already.
    if (flow.isOver) return this.#drop();
    this.#lines.unproven.set(key, flow);
    return flow;
  }

  /** Of who has sent one datagram only a flow is no longer kept than without a policy: the address may be another's. */
  #idleMs({ proven }: UdpFlow, { idleMs = this.#context.limits.udpIdleMs }: StreamTimes): number {
    const { udpIdleMs } = this.#context.limits;
    const wanted = idleMs === 0 ? Infinity : idleMs;
    if (this.#isClosing) return Math.min(drainIdleMs, wanted);
    return proven ? wanted : Math.min(udpIdleMs, wanted);
  }

  get #section(): Listener['sections'][number] {
    return this.#listener.sections[0] ?? { name: '', hostname: '', protocol: 'UDP', routes: '' };
  }

  #touch(key: string, flow: UdpFlow): void {
    const { unproven, proven } = this.#lines;
    if (flow.activeAt - flow.touchedAt < lineMs && !(flow.proven && unproven.has(key))) return;
    flow.touchedAt = flow.activeAt;
    unproven.delete(key);
    proven.delete(key);
    (flow.proven ? proven : unproven).set(key, flow);
  }

  #evict(): void {
    const { unproven, proven } = this.#lines;
    for (const flow of unproven.size > 0 ? unproven.values() : proven.values()) {
      this.#context.metrics.count('udp_flows_evicted');
      flow.end();
      return;
    }
  }

  #reply(datagram: Buffer, { address, port }: RemoteInfo): void {
    if (this.#socket.getSendQueueSize() > this.#context.limits.maxUdpQueuedBytes) {
      this.#drop();
      return;
    }
    this.#socket.send(datagram, port, address, (error) => {
      if (error !== null) this.#drop();
    });
  }

  #ended(key: string): void {
    this.#lines.unproven.delete(key);
    this.#lines.proven.delete(key);
    if (this.#isClosing && this.#size === 0) this.#empty.resolve();
  }

  #drop(settings?: StreamSettings, failure?: FailureCode): undefined {
    const { metrics } = this.#context;
    metrics.count('udp_datagrams_dropped');
    if (settings !== undefined && failure !== undefined) metrics.failed(settings.series, failure);
  }
}
