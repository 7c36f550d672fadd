import type { Socket } from 'node:net';
import type { Context } from '../../context.ts';
import type { FailureCode } from '../../failures.ts';
import { acceptSession, errorCode, type Acceptor, type ErrorCode, type HeaderBlock, type Http2Environment, type ServerSession, type Stream, type StreamUser } from '../../http2/index.ts';
import type { Binding } from '../../listening/binding.ts';
import type { TimeoutSettings } from '../../retry/index.ts';
import { plainAddress } from '../../streams/address.ts';
import type { WheelTimer } from '../../time/index.ts';
import { Forwarded } from '../forwarded.ts';
import { Patience } from '../patience.ts';
import type { Client } from '../sides.ts';
import { RequestStream } from './request-stream.ts';

/** Places without a request that are kept in any case; more only while as many have one. Each is 1.5 KiB, and a connection may be idle for long. */
const keptPlaces = 8;

/** One HTTP/2 connection of a client: each of its streams is a request, in a place that is used again. */
export class Http2Client implements Client, Acceptor, WheelTimer {
  readonly context: Context;
  readonly binding: Binding;
  readonly address: string;
  readonly serverName: string;
  readonly forwarded: Forwarded;

  wheelNext: WheelTimer | undefined = undefined;
  wheelPrev: WheelTimer | undefined = undefined;
  wheelSlot = -1;
  dueAt = 0;

  #session: ServerSession | undefined;
  /** Places without a request. There are never more places than streams at a time. */
  readonly #free: RequestStream[] = [];
  #active = 0;
  /** While there is no request. */
  readonly #patience: Patience;
  /** Why its streams are lost, where the connection is not theirs any more. */
  endedBy: FailureCode = 'client-closed';
  #over = false;
  #leaving = false;

  constructor(context: Context, binding: Binding, socket: Socket, serverName: string) {
    this.context = context;
    this.binding = binding;
    this.serverName = serverName;
    this.address = plainAddress(socket.remoteAddress ?? '');
    this.forwarded = new Forwarded(this.address, binding, context.parts);
    this.#patience = new Patience(binding.initialTimeouts(this), context.now());
  }

  /** Speaks on the connection; `ahead`: what has been read of it. The binding knows this client by now. */
  start(socket: Socket, ahead?: Buffer): void {
    const { requestHeaders } = this.#patience.timeouts;
    this.#session = acceptSession(environmentOf(this.context.http2, requestHeaders, this.binding.role), socket, this);
    this.#watch();
    if (ahead !== undefined) this.#session.receive(ahead, 0, ahead.length);
  }

  /** The connection was paused before it came here. */
  resume(): void {
    this.#session?.resume();
  }

  adopt(timeouts: TimeoutSettings): void {
    this.#patience.timeouts = timeouts;
  }

  /** Asks for the end of the connection where it is time for that: what is under way goes on. `now` in milliseconds. */
  leaveIfDue(now: number): void {
    if (this.context.draining || this.binding.closing || now >= this.#patience.oldAt) this.closeIdle();
  }

  closeIdle(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#session?.leave();
  }

  cut(why: FailureCode): void {
    this.endedBy = why;
    this.#session?.gone('cut');
  }

  request(stream: Stream, block: HeaderBlock): StreamUser {
    return this.#take().begin(stream, block);
  }

  excessive(stream: Stream, block: HeaderBlock): StreamUser {
    return this.#take().refuse(stream, block);
  }

  refused(_session: ServerSession, fault: string, block?: HeaderBlock): void {
    if (block === undefined) this.context.metrics.count('requests_rejected');
    else this.#take().note('bad-request', fault, block);
  }

  closed(_session: ServerSession, code: ErrorCode, reason: string): void {
    if (this.#over) return;
    this.#over = true;
    if (code !== errorCode.none && code !== errorCode.cancel) {
      this.context.metrics.count('client_sessions_broken');
      this.#take().note(code === errorCode.internal ? 'internal-error' : 'bad-request', reason);
    }
    this.context.wheel.cancel(this);
    for (const place of this.#free) place.forget();
    this.#free.length = 0;
    this.binding.closed(this);
  }

  /** A place has no request any more. */
  release(place: RequestStream): void {
    this.#active--;
    if (this.#over) place.forget();
    else {
      this.#free.push(place);
      while (this.#free.length > Math.max(keptPlaces, this.#active)) this.#free.pop()!.forget();
    }
    if (this.#active > 0) return;
    this.#patience.since = this.context.now();
    this.#watch();
  }

  expired(now: number): void {
    if (this.#over) return;
    if (now >= this.#due()) this.closeIdle();
    this.#watch();
  }

  #take(): RequestStream {
    this.#active++;
    return this.#free.pop() ?? new RequestStream(this);
  }

  #due(): number {
    return this.#active === 0 ? this.#patience.due() : this.#patience.oldAt;
  }

  #watch(): void {
    if (this.#leaving || this.#over) return;
    const due = this.#due();
    if (due < Infinity && (this.wheelSlot < 0 || due < this.dueAt)) this.context.wheel.schedule(this, due);
  }
}

/**
 * A workload has one connection to a Service for all its calls, and servers of gRPC take any number: calls that stay open (watches) must not
 * make the next ones wait where there is only us in between. It may take back as many at once.
 */
const meshLimits = { maxConcurrentStreams: 1000, maxResets: 2000 };

const environments = new WeakMap<Http2Environment, Map<string, Http2Environment>>();

/** The environment of connections whose heads have so many milliseconds to come. There are few different policies. */
function environmentOf(shared: Http2Environment, requestHeaders: number, role: Binding['role']): Http2Environment {
  if (requestHeaders === shared.limits.frameMs && role === 'edge') return shared;
  let made = environments.get(shared);
  if (made === undefined) environments.set(shared, (made = new Map()));
  const key = `${role} ${requestHeaders}`;
  let found = made.get(key);
  if (found === undefined) made.set(key, (found = { ...shared, limits: { ...shared.limits, ...(role === 'mesh' ? meshLimits : {}), frameMs: requestHeaders } }));
  return found;
}
