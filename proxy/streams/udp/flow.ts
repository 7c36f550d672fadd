import { createSocket, type Socket } from 'node:dgram';
import { trialMs } from '../../balancing/index.ts';
import type { BackendState, PooledEndpoint } from '../../configuration/backends.ts';
import type { Context } from '../../context.ts';
import type { WheelTimer } from '../../time/index.ts';
import type { Ledger } from '../ledger.ts';
import type { StreamRouting } from '../routing.ts';
import { asAddress } from './lookup.ts';

export interface FlowParts {
  readonly backend: BackendState;
  readonly endpoint: PooledEndpoint;
  readonly ledger: Ledger;
  /** What it was chosen by. */
  routing: StreamRouting;
  /** Without a datagram in either direction. Milliseconds; `Infinity`: until the flow has to make way. */
  idleMs(flow: UdpFlow): number;
  /** Sends to the client, from where the client sent to. */
  reply(datagram: Buffer): void;
  /** Called once. */
  ended(flow: UdpFlow): void;
}

/** Datagrams kept until the socket to the endpoint is there, which takes no network. */
const maxEarly = 16;
/** How many idle times an endpoint may go on sending to a client of which nothing comes. */
const silentIdles = 5;

/** Datagrams between one client and one endpoint. The endpoint sees a socket of its own, so that its answers find their way. */
export class UdpFlow implements WheelTimer {
  wheelNext: WheelTimer | undefined = undefined;
  wheelPrev: WheelTimer | undefined = undefined;
  wheelSlot = -1;
  dueAt = 0;
  /** When it was last put to the end of the line. */
  touchedAt: number;
  readonly parts: FlowParts;
  readonly #context: Context;
  readonly #socket: Socket;
  #early: Buffer[] | undefined = [];
  readonly #startedAt: number;
  /** Its endpoint is on trial until then. Some answer nothing: where the network has said nothing against it by then, it is there. */
  #trialEnd = 0;
  #heardAt: number;
  #activeAt: number;
  #ended = false;

  constructor(context: Context, parts: FlowParts) {
    const { endpoint, ledger } = parts;
    const { address, port } = endpoint.endpoint;
    this.parts = parts;
    this.#context = context;
    this.touchedAt = this.#startedAt = this.#heardAt = this.#activeAt = context.now();
    endpoint.active++;
    ledger.attempts = 1;
    ledger.endpoint = endpoint.place;
    this.#socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', lookup: asAddress });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(error.code ?? 'error'));
    this.#socket.on('message', (datagram) => this.#answered(datagram));
    if (endpoint.aside) this.#trialEnd = this.#startedAt + Math.min(trialMs, parts.idleMs(this));
    context.wheel.schedule(this, this.#trialEnd > 0 ? this.#trialEnd : this.#activeAt + parts.idleMs(this));
    // Last, for it fails at once where there is no descriptor left.
    this.#socket.connect(port, address, (error?: NodeJS.ErrnoException | null) => (error ? this.#failed(error.code ?? 'error') : this.#connected()));
  }

  get isOver(): boolean {
    return this.#ended;
  }

  /** The client has sent more than once: its address is its own. */
  get proven(): boolean {
    return this.parts.ledger.datagramsIn > 1;
  }

  get activeAt(): number {
    return this.#activeAt;
  }

  send(datagram: Buffer): void {
    const { ledger } = this.parts;
    this.#heardAt = this.#activeAt = this.#context.now();
    ledger.datagramsIn++;
    ledger.bytesIn += datagram.length;
    if (this.#early === undefined) this.#forward(datagram);
    else if (this.#early.length < maxEarly) this.#early.push(datagram);
    else this.#drop();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#context.wheel.cancel(this);
    this.#socket.close();
    this.parts.endpoint.active--;
    this.parts.ledger.end();
    this.parts.ended(this);
  }

  expired(now: number): void {
    if (this.#trialEnd > 0) {
      this.#trialEnd = 0;
      this.parts.backend.endpoints.succeeded(this.parts.endpoint);
    }
    const idleMs = this.parts.idleMs(this);
    const due = Math.min(this.#activeAt + idleMs, this.#heardAt + idleMs * silentIdles);
    if (due <= now) this.end();
    else if (due < Infinity) this.#context.wheel.schedule(this, due);
  }

  #connected(): void {
    if (this.#ended) return;
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const datagram of early) this.#forward(datagram);
  }

  #forward(datagram: Buffer): void {
    if (this.#socket.getSendQueueSize() > this.#context.limits.maxUdpQueuedBytes) {
      this.#drop();
      return;
    }
    this.#socket.send(datagram, (error: NodeJS.ErrnoException | null) => {
      if (error === null) return;
      this.#drop();
      // What the network said of an earlier datagram.
      if (error.code === 'ECONNREFUSED') this.#failed(error.code);
    });
  }

  #answered(datagram: Buffer): void {
    if (this.#ended) return;
    const { backend, endpoint, ledger, reply } = this.parts;
    if (ledger.datagramsOut === 0) backend.endpoints.succeeded(endpoint);
    // Whoever sends under another's address must not get that one more than this.
    if (!this.proven && ledger.bytesOut + datagram.length > this.#context.limits.maxUdpUnprovenBytes) {
      this.#drop();
      return;
    }
    this.#activeAt = this.#context.now();
    ledger.datagramsOut++;
    ledger.bytesOut += datagram.length;
    reply(datagram);
  }

  /** Nobody is at the endpoint's port: the next datagram begins a flow to another one. */
  #failed(code: string): void {
    if (this.#ended) return;
    const { backend, endpoint, ledger } = this.parts;
    this.#context.metrics.count('upstream_connections_failed');
    backend.attemptFailed(endpoint, { code: 'connect-failed', reason: code }, this.#startedAt);
    ledger.fail('connect-failed', code);
    this.end();
  }

  #drop(): void {
    this.#context.metrics.count('udp_datagrams_dropped');
  }
}
