import type { OutputBuffer } from '../../codec/index.ts';
import type { Context } from '../../context.ts';
import { encodeAcceptance, encodeOwnTrailers, encodeReply, encodeResponseHead, encodeTrailers } from '../../exchange/blocks.ts';
import { ByteStore } from '../../exchange/byte-store.ts';
import { Exchange } from '../../exchange/exchange.ts';
import { grpcTrailers } from '../../exchange/grpc.ts';
import type { Reply } from '../../exchange/replies.ts';
import type { FailureCode } from '../../failures.ts';
import { errorCode, type HeaderBlock, type Stream, type StreamUser } from '../../http2/index.ts';
import type { Binding } from '../../listening/binding.ts';
import type { WheelTimer } from '../../time/index.ts';
import type { Downstream, ResponseEdits, TunnelEnd, Tunnels } from '../sides.ts';
import type { Forwarded } from '../forwarded.ts';
import type { Http2Client } from './client.ts';
import { Farewell } from './farewell.ts';

/** A client's request on a stream of HTTP/2. Used again for other streams of the connection, with its exchange. */
export class RequestStream implements Downstream, Tunnels, StreamUser, WheelTimer {
  readonly context: Context;
  readonly binding: Binding;
  readonly client: Http2Client;
  readonly forwarded: Forwarded;
  readonly protocol = 'HTTP/2';
  readonly lendsBytes = true;
  readonly exchange: Exchange;

  wheelNext: WheelTimer | undefined = undefined;
  wheelPrev: WheelTimer | undefined = undefined;
  wheelSlot = -1;
  dueAt = 0;

  #stream: Stream | undefined;
  #block: HeaderBlock | undefined;
  #rest: 'none' | 'follows' = 'none';
  /** Of the body, what came while it could not go on. The peer's window bounds it. */
  #held: ByteStore | undefined;
  #trailers: Buffer | undefined;
  /** The request has ended, behind what is held. */
  #endHeld = false;
  /** The endpoint's response has begun. */
  #responds = false;
  #tunnel: TunnelEnd | undefined;

  constructor(client: Http2Client) {
    this.client = client;
    this.context = client.context;
    this.binding = client.binding;
    this.forwarded = client.forwarded;
    this.exchange = new Exchange(this);
  }

  /** Takes a request. Returns who is the stream's user from now on. */
  begin(stream: Stream, block: HeaderBlock): StreamUser {
    const { exchange } = this;
    const { requestHead } = this.context;
    this.#occupy(stream, block);
    if (!requestHead.show(block, this.#rest)) {
      const { failure, reason } = requestHead.fields;
      exchange.refuse(failure, reason, { method: block.method, host: block.authority, target: block.path, rest: this.#rest });
      return stream.user;
    }
    exchange.begin(block.bytes, requestHead.upgradesToWebSocket ? 'none' : this.#rest, block.path);
    exchange.body.flush();
    if (!exchange.active) return stream.user;
    this.#keepHead();
    this.#watch();
    return stream.user;
  }

  /** Takes a request that exceeds a limit. */
  refuse(stream: Stream, block: HeaderBlock): StreamUser {
    this.#occupy(stream, block);
    this.exchange.refuse(block.excess === 'target-too-long' ? 'target-too-long' : 'head-too-large', 'list', { method: block.method, host: block.authority, target: block.path, rest: this.#rest });
    return stream.user;
  }

  /** For the log: a malformed request, which has no stream any more, or, without a block, what ends the connection. */
  note(code: FailureCode, reason: string, block?: HeaderBlock): void {
    this.exchange.refuse(code, reason, { ...(block && { method: block.method, host: block.authority, target: block.path }), reply: 'none' });
    this.client.release(this);
  }

  /** The connection is over. */
  forget(): void {
    this.context.wheel.cancel(this);
  }

  // The stream's user.

  received(stream: Stream, bytes: Buffer, start: number, end: number): void {
    const { exchange } = this;
    if (stream !== this.#stream || !exchange.active) return;
    if (this.#tunnel !== undefined) {
      this.#tunnel.lentByClient(bytes, start, end);
      return;
    }
    exchange.activity = this.context.now();
    if (this.#held !== undefined || !exchange.body.takesBytes) {
      this.#hold(stream, bytes, start, end);
      return;
    }
    exchange.body.pass(bytes, start, end);
    exchange.body.flush();
  }

  trailers(stream: Stream, block: HeaderBlock): void {
    if (stream !== this.#stream) return;
    // RFC 9113, 8.5: a tunnel has none.
    if (this.exchange.upgrades && this.exchange.active) {
      stream.reset(errorCode.protocol);
      this.failed(stream);
    } else if (block.count > 0) this.#trailers = Buffer.from(block.bytes.subarray(block.start, block.end + 2));
  }

  ended(stream: Stream): void {
    const { exchange } = this;
    if (stream !== this.#stream || !exchange.active) return;
    if (this.#tunnel !== undefined) this.#tunnel.clientEnded();
    else if (exchange.upgrades || this.#held !== undefined) this.#endHeld = true;
    else if (!exchange.requestComplete) exchange.body.finish(this.#trailers);
  }

  failed(stream: Stream): void {
    if (stream !== this.#stream) return;
    const { endedBy } = this.client;
    if (this.#tunnel === undefined) this.exchange.clientGone(endedBy);
    else this.#tunnel.clientClosed(endedBy);
    this.#release();
  }

  drained(stream: Stream): void {
    if (stream !== this.#stream || !this.exchange.active) return;
    if (this.#tunnel === undefined) this.exchange.clientDrained();
    else this.#tunnel.clientDrained();
  }

  // The exchange's side.

  get congested(): boolean {
    return this.#stream !== undefined && this.#stream.queued > 0;
  }

  get tunnels(): Tunnels | undefined {
    return this.exchange.upgrades ? this : undefined;
  }

  expiring(): boolean {
    return false;
  }

  showHead(): void {
    this.context.requestHead.show(this.#block!, this.#rest);
  }

  interim(bytes: Buffer): void {
    this.#stream?.headers(encodeResponseHead(this.context, bytes, undefined, undefined));
  }

  head(bytes: Buffer, { edits, cors }: ResponseEdits): void {
    this.client.leaveIfDue(this.exchange.startedAt);
    this.#responds = true;
    this.#stream?.headers(encodeResponseHead(this.context, bytes, edits, cors));
  }

  body(bytes: Buffer, start: number, end: number): void {
    this.#stream?.send(bytes, start, end);
  }

  end(trailers?: Buffer): void {
    const block = trailers === undefined ? undefined : encodeTrailers(this.context, trailers);
    if (block === undefined || block.length === 0) this.#stream?.end();
    else this.#stream?.trailers(block);
  }

  flush(): void {}

  reply(reply: Reply): 'over' {
    const stream = this.#stream;
    this.client.leaveIfDue(this.exchange.startedAt);
    stream?.headers(encodeReply(this.context, reply));
    if (reply.body !== '' && this.exchange.method !== 'HEAD') stream?.send(Buffer.from(reply.body, 'latin1'), 0, reply.body.length);
    stream?.end();
    return 'over';
  }

  cut(code: FailureCode): void {
    const stream = this.#stream;
    if (this.tellsStatus(code)) {
      stream!.trailers(encodeOwnTrailers(this.context, grpcTrailers(code)));
      this.exchangeEnded();
      return;
    }
    this.#release();
    stream?.reset(errorCode.internal);
  }

  /** Who takes nothing would not hear of it. */
  tellsStatus(code: FailureCode): boolean {
    return this.#stream !== undefined && this.exchange.isGrpc && this.#responds && !(code === 'stream-idle-timeout' && this.#stream.queued > 0);
  }

  exchangeEnded(): void {
    const stream = this.#stream;
    this.#release();
    if (stream === undefined || stream.closed) return;
    new Farewell(this.context, stream, this.exchange.settings.timeouts.streamIdle);
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    const stream = this.#stream;
    if (stream === undefined || !this.exchange.active) return;
    this.#watch();
    if (this.#tunnel !== undefined) stream.resume();
    // What is sent ahead of the answer waits for the tunnel.
    else if (!this.exchange.upgrades) this.#resumeBody(stream);
  }

  #resumeBody(stream: Stream): void {
    const { exchange } = this;
    const held = this.#held;
    if (held !== undefined) {
      if (!exchange.body.takesBytes) return;
      this.#held = undefined;
      exchange.body.pass(held.view(), 0, held.length);
      exchange.body.flush();
      if (!exchange.active) return;
    }
    if (this.#endHeld) {
      this.#endHeld = false;
      exchange.body.finish(this.#trailers);
    } else if (exchange.body.takesBytes) stream.resume();
  }

  expired(now: number): void {
    const { exchange } = this;
    if (!exchange.active) return;
    if (this.#idleDue() > now) this.#watch();
    else if (this.#tunnel === undefined) exchange.stoodStill();
    else {
      this.destroy();
      this.#tunnel.clientClosed('stream-idle-timeout');
    }
  }

  // The tunnel's side.

  becomeTunnel(tunnel: TunnelEnd, bytes: Buffer | undefined): void {
    const stream = this.#stream!;
    const held = this.#held;
    this.client.leaveIfDue(this.exchange.startedAt);
    stream.headers(encodeAcceptance(this.context, bytes!));
    this.#tunnel = tunnel;
    this.#held = undefined;
    stream.resume();
    if (held !== undefined) tunnel.lentByClient(held.view(), 0, held.length);
    if (this.#endHeld) tunnel.clientEnded();
    this.#watch();
  }

  write(output: OutputBuffer): void {
    this.#stream?.send(output.view(), 0, output.length);
  }

  /** RFC 8441, 5: what a reset is to a connection. */
  destroy(): void {
    this.#stream?.reset(errorCode.cancel);
  }

  tunnelOver(): void {
    this.exchangeEnded();
  }

  #occupy(stream: Stream, block: HeaderBlock): void {
    stream.user = this;
    this.#stream = stream;
    this.#block = block;
    this.#responds = false;
    this.#rest = stream.remoteEnded ? 'none' : 'follows';
  }

  /** The block is lent, and the head is looked at again later: for another attempt, and for the log. */
  #keepHead(): void {
    const kept = this.#block!.keep();
    this.#block = kept;
    this.exchange.bytes = kept.bytes;
  }

  #hold(stream: Stream, bytes: Buffer, start: number, end: number): void {
    this.#held ??= new ByteStore(stream.session.limits.streamWindow + maxFrame);
    stream.pause();
    if (this.#held.append(bytes, start, end)) return;
    // More than the window: it was not paused, which would be a fault of ours.
    this.exchange.abort('internal-error', 'held');
  }

  #release(): void {
    if (this.#stream === undefined) return;
    this.#stream = this.#block = this.#held = this.#trailers = this.#tunnel = undefined;
    this.#endHeld = false;
    this.client.release(this);
  }

  #idleDue(): number {
    const tunnel = this.#tunnel;
    return tunnel === undefined ? this.exchange.idleDue() : tunnel.idleMs > 0 ? tunnel.activity + tunnel.idleMs : Infinity;
  }

  /** Due times move later, so a timer of an earlier request is as good as a new one. */
  #watch(): void {
    const due = this.#idleDue();
    if (due < Infinity && (this.wheelSlot < 0 || due < this.dueAt)) this.context.wheel.schedule(this, due);
  }
}

const maxFrame = 16_384;
