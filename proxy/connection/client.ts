import type { Socket } from 'node:net';
import { framing, glimpse, invalid, needMore, type OutputBuffer } from '../codec/index.ts';
import type { Context } from '../context.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { Reply } from '../exchange/replies.ts';
import type { FailureCode } from '../failures.ts';
import { matchPreface } from '../http2/index.ts';
import type { Binding } from '../listening/binding.ts';
import type { TimeoutSettings } from '../retry/index.ts';
import { deafen, drain, endAfterWrites, reset, spent } from '../sockets/index.ts';
import { plainAddress } from '../streams/address.ts';
import { Forwarded } from './forwarded.ts';
import { Http2Client } from './http2/client.ts';
import { BufferedConnection } from './http1/buffered.ts';
import { releasePlace, takePlace, type Http1Place } from './http1/place.ts';
import { disown, guarded, own, type Owned } from './listeners.ts';
import { Lingering } from './lingering.ts';
import { Patience } from './patience.ts';
import type { Client, Downstream, ResponseEdits, TunnelEnd, Tunnels } from './sides.ts';

const LETTER_P = 80;
const noBytes = Buffer.alloc(0);
/** Requests of one client that are answered at once, one after the other, before others have their turn. */
const headsAtOnce = 8;

/**
 * `open`: requests are read, or one is under way. `lingering`: the last response is out, what the client still sends is dropped until
 * it closes, for a reset would take the response from it. `tunnel`: bytes pass as they are. `closed` is final.
 */
type Phase = 'open' | 'lingering' | 'tunnel' | 'closed';

/** One HTTP/1.1 connection of a client: reads requests one after the other, and holds back what was sent ahead. */
export class ClientConnection extends BufferedConnection implements Client, Downstream, Tunnels, Owned {
  readonly socket: Socket;
  readonly context: Context;
  readonly binding: Binding;
  /** Address of the client. */
  readonly address: string;
  /** TLS server name, lower case; empty without one. */
  readonly serverName: string;
  readonly forwarded: Forwarded;
  readonly protocol = 'HTTP/1';
  readonly lendsBytes = false;
  /** The client takes nothing now. */
  congested = false;
  /** The client has ended its side: there will be no further request. */
  halfClosed = false;

  #phase: Phase = 'open';
  #consuming = false;
  /** Of the request under way; undefined between requests. */
  #place: Http1Place | undefined;
  /** No request has begun yet. */
  #fresh = true;
  /** Of the current request. */
  #headStart = 0;
  #headEnd = 0;
  #paused = false;
  #tunnel: TunnelEnd | undefined;
  readonly #patience: Patience;
  #lingering: Lingering | undefined;
  #halfClosedAt = 0;
  /** It is to close as soon as it waits for nothing but a next request. */
  #retired = false;

  constructor(context: Context, binding: Binding, socket: Socket, serverName: string) {
    super();
    this.context = context;
    this.binding = binding;
    this.socket = socket;
    this.serverName = serverName;
    this.address = plainAddress(socket.remoteAddress ?? '');
    this.#patience = new Patience(binding.initialTimeouts(this), context.now());
    this.forwarded = new Forwarded(this.address, binding, context.parts);
    own(socket, this, ClientConnection.#listeners, context.io);
    // The first head has to come in time as well, though not a byte of it may be there.
    this.#watch(this.#patience.due());
  }

  static readonly #listeners = {
    data: guarded((connection: ClientConnection, bytes) => connection.#read(bytes!)),
    end: guarded((connection: ClientConnection) => connection.#ended()),
    error: guarded((connection: ClientConnection) => connection.#gone()),
    close: guarded((connection: ClientConnection) => connection.#gone()),
    drain: guarded((connection: ClientConnection) => connection.#drained()),
  };

  /** What is under way. */
  get #exchange(): Exchange | undefined {
    const exchange = this.#place?.exchange;
    return exchange?.active === true ? exchange : undefined;
  }

  /** The policy of the section that the client's requests turn out to be for. */
  adopt(timeouts: TimeoutSettings): void {
    this.#patience.timeouts = timeouts;
  }

  /** Whether the connection is to end with the current response. */
  expiring(now: number): boolean {
    if (this.context.draining || this.binding.closing || (this.halfClosed && !this.#hasAhead())) return true;
    return now >= this.#patience.oldAt;
  }

  get client(): Client {
    return this;
  }

  get tunnels(): Tunnels {
    return this;
  }

  showHead(): void {
    this.context.requestHead.parse(this.#place!.exchange.bytes, this.#headStart, this.#headEnd);
  }

  interim(bytes: Buffer): void {
    const { exchange, response } = this.#place!;
    if (exchange.minorVersion === 0) return;
    response.interim(bytes);
    this.flush();
  }

  head(bytes: Buffer, edits: ResponseEdits): void {
    const { exchange, response } = this.#place!;
    response.head(bytes, edits, this.expiring(exchange.startedAt) ? 'expiring' : 'lasting');
  }

  body(bytes: Buffer, start: number, end: number): void {
    this.#place!.response.body(bytes, start, end);
  }

  end(trailers?: Buffer): void {
    if (this.#phase === 'tunnel') {
      endAfterWrites(this.socket);
      return;
    }
    this.#place!.response.end(trailers);
    this.flush();
  }

  flush(): void {
    const response = this.#place?.response;
    if (response?.pending !== true) return;
    response.pending = false;
    this.write(this.context.output);
  }

  reply(reply: Reply): 'over' | 'rest' {
    const { exchange, body, response } = this.#place!;
    const rest = exchange.requestComplete ? 'none' : body.isHere(exchange.bytes, this.#headEnd) ? 'here' : 'unknown';
    response.keep = exchange.keepAlive && rest !== 'unknown' && !this.expiring(exchange.startedAt);
    response.reply(reply);
    this.flush();
    // A rest that is here already is taken off the connection before the next request.
    return response.keep && rest === 'here' ? 'rest' : 'over';
  }

  /** Writes what the output buffer holds. */
  write(output: OutputBuffer): void {
    if (this.#phase === 'closed') return;
    const taken = this.context.io.write(this.socket, output.view());
    if (this.socket.writableLength === 0) return;
    output.keep();
    if (!taken) this.congested = true;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.socket.pause();
  }

  protected override hold(): void {
    this.pause();
    this.context.io.stop(this.socket);
  }

  /** Reads on: first what was held back. */
  resume(): void {
    if (this.#consuming || this.awaitsTurn || this.#phase === 'closed' || this.#tunnel?.congested === true || this.#lingering?.hasEnough === true) return;
    if (this.input !== undefined && !this.#patience.inHead) this.#consume(this.takeInput()!);
    if (this.#paused && (this.input === undefined || this.#patience.inHead) && (this.#exchange?.requestComplete !== false || this.#takesBody())) {
      this.#paused = false;
      this.socket.resume();
    }
    this.#settle();
  }

  exchangeEnded(now: number): void {
    const place = this.#place;
    if (place === undefined) return;
    const { exchange, response } = place;
    const isLast = !response.keep || !exchange.keepAlive || !exchange.requestComplete;
    const uploads = !exchange.requestComplete && exchange.failure === undefined;
    const isAwaited = !exchange.asksToClose || !exchange.requestComplete;
    this.#place = undefined;
    releasePlace(place);
    if (this.#phase !== 'open') return;
    if (isLast) {
      if (isAwaited || this.#hasMore()) this.linger(uploads ? now + this.context.limits.lingerUploadMs : 0);
      else this.#gone();
      return;
    }
    this.#patience.since = now;
    if (this.#consuming) return;
    this.resume();
  }

  /** Ends our side, and reads on for a moment; until `uploadUntil` where an upload goes on that was answered before its end. */
  linger(uploadUntil = 0): void {
    if (this.#phase !== 'open' && this.#phase !== 'tunnel') return;
    this.#phase = 'lingering';
    this.dropRead();
    this.#patience.since = this.context.now();
    this.#lingering = new Lingering(this.context.limits, this.socket.writableLength, uploadUntil);
    // Its end may go unheard: who has sent enough is not read any more.
    endAfterWrites(this.socket, () => this.#lingering !== undefined && this.#waitOn(this.context.now()));
    this.#paused = false;
    this.socket.resume();
    this.#watch(this.#due());
  }

  /** Where the client asked for the end and has sent all, and the response is in the kernel's hands, closing at once takes nothing from it. */
  #hasMore(): boolean {
    return this.#consuming || this.input !== undefined || this.socket.writableLength > 0 || 'encrypted' in this.socket;
  }

  closeIdle(): void {
    this.#retired = true;
    if (this.#exchange === undefined) this.#settle();
  }

  /** At once, so that what was sent can't be taken for a complete response. */
  cut(why: FailureCode): void {
    if (this.#phase === 'closed') return;
    if (this.#place !== undefined) this.#place.response.pending = false;
    // Without TLS an end of stream would look like the end of a response that is told by it; a reset does not.
    reset(this.socket);
    this.#gone(why);
  }

  becomeTunnel(tunnel: TunnelEnd, bytes: Buffer | undefined): void {
    const { response } = this.#place!;
    if (bytes === undefined) response.established();
    else response.switching(bytes);
    this.flush();
    const ahead = this.takeUnread(this.takeInput());
    this.#phase = 'tunnel';
    this.#tunnel = tunnel;
    this.#paused = false;
    this.socket.resume();
    this.#watch(this.#due());
    if (ahead !== undefined) tunnel.fromClient(ahead);
    // Told already, when there was no tunnel yet to pass it into.
    if (this.halfClosed) tunnel.clientEnded();
  }

  /** RFC 9110, 9.3.6: the client gets what is left for it, what it sends goes nowhere, and its connection is closed. */
  tunnelOver(): void {
    if (this.#phase === 'tunnel' && !this.socket.destroyed) this.linger();
  }

  expired(now: number): void {
    const due = this.#due();
    if (due > now) this.#watch(due);
    else this.#timedOut(now);
  }

  crash(error: unknown): void {
    this.context.fault(error);
    try {
      this.cut('internal-error');
    } catch (another) {
      this.context.fault(another);
    }
  }

  #read(bytes: Buffer): void {
    if (this.hasHadShare(bytes.length)) this.waitForTurn(this.context.turns);
    if (this.#phase === 'tunnel') {
      this.#tunnel?.fromClient(bytes);
      return;
    }
    if (this.#phase !== 'open') {
      if (this.#lingering === undefined) spent(bytes);
      else if (this.#lingering.drop(bytes, this.context.now()) === 'enough') deafen(this.socket);
    } else if (!this.comesLate(bytes, this.context.turns)) this.readLate(bytes);
  }

  protected override readLate(bytes: Buffer): void {
    const all = this.#patience.inHead ? this.joinHead(bytes, this.context.limits.maxHeadBytes) : this.join(bytes);
    if (all === undefined) return;
    this.takeInput();
    this.#consume(all);
    this.#settle();
  }

  #consume(bytes: Buffer): void {
    this.#consuming = true;
    let p = 0;
    let heads = 0;
    while (p < bytes.length && this.#phase === 'open') {
      if (this.#exchange !== undefined) {
        if (!this.#takesBody()) break;
        p = this.#place!.body.take(bytes, p, bytes.length);
      } else if (this.congested && !this.#patience.inHead) {
        // Else who asks on and reads nothing would have any number of responses wait here.
        break;
      } else if (heads++ === headsAtOnce) {
        this.waitForTurn(this.context.turns);
        break;
      } else {
        const next = this.#begin(bytes, p);
        if (next < 0) break;
        p = next;
        if (p < bytes.length && this.#takesBody()) p = this.#place!.body.take(bytes, p, bytes.length);
      }
      this.#exchange?.body.flush();
    }
    this.#consuming = false;
    if (this.#isTunnel()) {
      if (p < bytes.length) this.#tunnel?.fromClient(bytes.subarray(p));
      return;
    }
    if (p >= bytes.length || this.#phase !== 'open') return;
    this.input = p === 0 ? bytes : bytes.subarray(p);
    // What was sent ahead of a response is bounded by not reading on.
    if (this.#isHeld()) this.pause();
  }

  /** A request's head. Returns the offset behind it, or below 0 where there is none yet, or none that is valid. */
  #begin(bytes: Buffer, from: number): number {
    const head = this.context.requestHead;
    // Prior knowledge (RFC 9113, 3.3). Over TLS, ALPN would have said so.
    if (this.#fresh && bytes[from] === LETTER_P && !('encrypted' in this.socket)) {
      const preface = matchPreface(bytes, from, bytes.length);
      if (preface === 'http2') {
        this.#becomeHttp2(bytes.subarray(from));
        return invalid;
      }
      if (preface === 'short') return this.#awaitHead();
    }
    const end = head.parse(bytes, from, bytes.length);
    if (end === needMore) return this.#awaitHead();
    this.#patience.inHead = false;
    this.partial = undefined;
    if (end === invalid) {
      const { failure, reason } = head.fields;
      // Who speaks another protocol from the first byte on, a broken HTTP/2 preface say, could take nothing from a reply in ours.
      const reply = reason === 'not-http' && this.#fresh ? 'none' : 'some';
      this.#takePlace().exchange.refuse(failure, reason, { ...glimpse(bytes, from), reply });
      if (from === 0) spent(bytes);
      return invalid;
    }
    this.#headStart = from;
    this.#headEnd = end;
    const { exchange, body } = this.#takePlace();
    body.begin(head);
    exchange.begin(bytes, head.framing === framing.none ? 'none' : 'follows');
    return end;
  }

  #takePlace(): Http1Place {
    this.#fresh = false;
    return (this.#place ??= takePlace(this));
  }

  #awaitHead(): typeof needMore {
    const patience = this.#patience;
    if (!patience.inHead) {
      patience.inHead = true;
      patience.since = this.context.now();
      this.#watch(patience.due());
    }
    return needMore;
  }

  /** Another object takes the connection over; this one hears no more of it. */
  #becomeHttp2(ahead: Buffer): void {
    const { socket, binding } = this;
    this.#phase = 'closed';
    this.context.wheel.cancel(this);
    const client = new Http2Client(this.context, binding, socket, this.serverName);
    binding.replaced(this, client);
    disown(socket, ClientConnection.#listeners, this.context.io);
    client.start(socket, ahead);
    // Not before: a stream that is resumed reads once, even where it is paused again at once.
    if (this.#paused) client.resume();
  }

  /** After an event: is there still something to wait for? */
  #settle(): void {
    if (this.#phase !== 'open') return;
    if (!this.#isHeld()) {
      if (this.#exchange === undefined && (this.halfClosed || (this.#retired && !this.#patience.inHead))) return this.linger();
      if (this.halfClosed && this.#exchange?.requestComplete === false) return this.#gone();
    }
    this.#watch(this.#due());
  }

  /** Something that was read waits: for its turn, for an answer, or for the client to take one. */
  #isHeld(): boolean {
    return this.awaitsTurn || (this.input !== undefined && !this.#patience.inHead);
  }

  /** Whether there may be a request behind the current one. */
  #hasAhead(): boolean {
    return this.#isHeld() || (this.#consuming && this.#headEnd < this.#place!.exchange.bytes.length);
  }

  #takesBody(): boolean {
    return this.#exchange?.body.takesBytes === true;
  }

  #ended(): void {
    this.halfClosed = true;
    // Half-closed clients get their responses. One that is gone looks the same, until something is written to it.
    this.#halfClosedAt = this.context.now();
    if (this.#phase === 'tunnel') this.#tunnel?.clientEnded();
    else this.#settle();
  }

  #drained(): void {
    this.congested = false;
    if (this.#phase === 'tunnel') this.#tunnel?.clientDrained();
    else if (this.#exchange !== undefined) this.#exchange.clientDrained();
    else this.resume();
  }

  destroy(): void {
    reset(this.socket);
  }

  #gone(why: FailureCode = 'client-closed'): void {
    if (this.#phase === 'closed') return;
    const before = this.#phase;
    this.#phase = 'closed';
    this.#lingering = undefined;
    this.dropRead();
    this.context.wheel.cancel(this);
    this.binding.closed(this);
    if (before === 'tunnel') this.#tunnel?.clientClosed(why);
    else this.#exchange?.clientGone(why);
    drain(this.socket);
    this.context.turns.departures.add(this.socket);
  }

  #watch(due: number): void {
    if (due < Infinity && (this.wheelSlot < 0 || due < this.dueAt)) this.context.wheel.schedule(this, due);
  }

  #due(): number {
    const { limits } = this.context;
    switch (this.#phase) {
      case 'lingering':
        return this.socket.writableLength === 0 ? this.#patience.since + limits.lingerMs : this.#patience.standingUntil();
      case 'tunnel':
        return Math.min(this.#tunnel!.idleMs > 0 ? this.#tunnel!.activity + this.#tunnel!.idleMs : Infinity, this.#tunnel!.endsAt);
      case 'open':
        if (this.#exchange === undefined) return this.#isHeld() ? this.#patience.standingUntil() : this.#patience.due();
        if (!this.halfClosed || this.#exchange.responseStarted) return this.#exchange.idleDue();
        return Math.min(this.#exchange.idleDue(), Math.max(this.#halfClosedAt, this.#exchange.startedAt) + limits.halfClosedMs);
      default:
        return Infinity;
    }
  }

  #timedOut(now: number): void {
    if (this.#phase === 'lingering') this.#lingeredOut(now);
    else if (this.#phase === 'tunnel') {
      if (this.#tunnel!.grownOld(now)) return this.#watch(this.#due());
      this.cut('stream-idle-timeout');
    } else if (this.#exchange !== undefined) {
      if (this.halfClosed && !this.#exchange.responseStarted) this.cut('client-closed');
      else this.#exchange.stoodStill();
    } else if (this.#patience.inHead) {
      this.#patience.inHead = false;
      this.#takePlace().exchange.refuse('header-timeout', 'head', glimpse(this.partial?.view() ?? this.input ?? noBytes));
    } else if (this.#isHeld() && this.takesOn(this.socket.writableLength)) this.#waitOn(now);
    else this.linger();
  }

  /** A slow client gets the last response as long as it takes some of it. */
  #lingeredOut(now: number): void {
    if (!this.#lingering!.standsStill(this.socket.writableLength, now)) this.#waitOn(now);
    // Closed in order, it would look as if what it has were all.
    else if (this.socket.writableLength > 0) this.cut('client-closed');
    else this.#gone();
  }

  #waitOn(now: number): void {
    this.#patience.since = now;
    this.#watch(this.#due());
  }

  #isTunnel(): boolean {
    return this.#phase === 'tunnel';
  }
}
