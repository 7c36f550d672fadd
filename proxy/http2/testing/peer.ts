import { errorCode, flag, frameType, initialWindow } from '../frames/index.ts';
import type { Session } from '../connection/session.ts';
import { frame, requestBlock, responseBlock, trailerBlock, uint32, type Frame, type MemoryTransport } from './rig.ts';

/** The setting numbers that matter here. */
const setting = { tableSize: 1, maxStreams: 3, window: 4 } as const;
/** Bodies count up from the number of their request, so that each byte tells where it belongs. */
const counting = Buffer.from(Uint8Array.from({ length: 16_384 + 256 }, (_, index) => index));

/** A stream as the peer knows it: of the session's frames it has seen those that it has read. */
export interface PeerStream {
  readonly id: number;
  readonly request: number;
  /** What it may send, and what the session may. Below 0 where the window was made smaller. */
  sendWindow: number;
  receiveWindow: number;
  sent: number;
  received: number;
  /** Of what it sends, as its head told; -1 where that did not. */
  declared: number;
  headSent: boolean;
  headReceived: boolean;
  sentEnd: boolean;
  receivedEnd: boolean;
  /** `refused`: GOAWAY said that it would not be begun with. */
  reset: 'no' | 'here' | 'there' | 'refused';
}

/**
 * The other end of a session's connection: sends what is legal by what it knows, however odd, and holds each frame that it reads against RFC
 * 9113. It reads only when told to, so what it sends may meet a stream that is over. Throws where the session does wrong.
 */
export class Peer {
  readonly role: 'client' | 'server';
  readonly streams = new Map<number, PeerStream>();
  /** What it may send on the connection; what the session may. */
  window = initialWindow;
  allowance = initialWindow;
  /** Its own GOAWAY: streams beyond are not looked at. */
  lastStream = Infinity;
  /** The session's GOAWAY. */
  leaving = false;
  over = false;
  /** Its frames come in pieces of at most so many bytes. */
  cut = Infinity;
  /** Its frames wait, to come together. */
  corked = false;
  #unsent: Uint8Array[] = [];
  readonly #session: Session;
  readonly #transport: MemoryTransport;
  #next = 1;
  #sessionInitial = initialWindow;
  #ownInitial = initialWindow;
  #maxStreams = Infinity;
  /** Sent, and not acknowledged yet. */
  readonly #pending: [number, number][][] = [];

  constructor(role: 'client' | 'server', session: Session, transport: MemoryTransport) {
    this.role = role;
    this.#session = session;
    this.#transport = transport;
  }

  get open(): PeerStream[] {
    return [...this.streams.values()].filter((stream) => stream.reset === 'no' && !(stream.sentEnd && stream.receivedEnd));
  }

  get done(): PeerStream[] {
    return [...this.streams.values()].filter((stream) => stream.reset !== 'no' || (stream.sentEnd && stream.receivedEnd));
  }

  give(...frames: readonly Uint8Array[]): void {
    this.#unsent.push(...frames);
    if (!this.corked) this.uncork();
  }

  uncork(): void {
    this.corked = false;
    const bytes = Buffer.concat(this.#unsent);
    this.#unsent = [];
    for (let p = 0; p < bytes.length && !this.over; p += this.cut) this.#session.receive(bytes, p, Math.min(bytes.length, p + this.cut));
  }

  settings(...pairs: readonly [number, number][]): void {
    this.#pending.push([...pairs]);
    this.give(frame(frameType.settings, 0, 0, Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.of(0, id), uint32(value)])))));
  }

  initialWindow(bytes: number): void {
    this.settings([setting.window, bytes]);
  }

  maxStreams(count: number): void {
    this.settings([setting.maxStreams, count]);
  }

  tableSize(bytes: number): void {
    this.settings([setting.tableSize, bytes]);
  }

  /** Of the connection without a stream. */
  widen(increment: number, stream?: PeerStream): void {
    if (increment <= 0) return;
    if (stream === undefined) this.allowance += increment;
    else stream.receiveWindow += increment;
    this.give(frame(frameType.windowUpdate, 0, stream?.id ?? 0, uint32(increment)));
  }

  /** A client's request. `ends` with its head; `declared`: its content-length, -1 for none. */
  request(request: number, method: string, ends: boolean, declared = -1): PeerStream {
    const stream = this.#add(this.#next, request);
    this.#next += 2;
    stream.headSent = true;
    stream.declared = declared;
    const fields = { 'x-request': `${request};`, ...(declared < 0 ? {} : { 'content-length': String(declared) }) };
    this.#head(stream, requestBlock(fields, method), ends);
    return stream;
  }

  /** A server's final head, or with a status below 200 one before it. */
  respond(stream: PeerStream, status: number, ends: boolean, declared = -1): void {
    stream.headSent = status >= 200;
    stream.declared = declared;
    this.#head(stream, responseBlock(status, declared < 0 ? {} : { 'content-length': String(declared) }), ends);
  }

  /** Of the body, as much as windows and the declared length allow, at most a frame. `ends`: the stream as well. */
  send(stream: PeerStream, size: number, padding = 0, ends = false): void {
    const left = stream.declared < 0 ? Infinity : stream.declared - stream.sent;
    const overhead = padding > 0 ? padding + 1 : 0;
    const room = Math.min(16_384, this.window, stream.sendWindow) - overhead;
    const length = Math.min(size, left, room);
    if (length < 0 || (length === 0 && overhead === 0 && !ends)) return;
    const body = bodyOf(stream.request, stream.sent, length);
    const whole = ends && (left === Infinity || length === left);
    const flags = (whole ? flag.endStream : 0) | (overhead > 0 ? flag.padded : 0);
    stream.sent += length;
    stream.sentEnd = whole;
    stream.sendWindow -= length + overhead;
    this.window -= length + overhead;
    this.give(frame(frameType.data, flags, stream.id, overhead > 0 ? Buffer.concat([Buffer.of(padding), body, Buffer.alloc(padding)]) : body));
  }

  trailers(stream: PeerStream): void {
    if (stream.declared >= 0 && stream.sent !== stream.declared) return;
    this.#head(stream, trailerBlock({ 'x-trailer': '1' }), true);
  }

  reset(stream: PeerStream, code: number): void {
    if (stream.reset === 'no') stream.reset = 'here';
    this.give(frame(frameType.reset, 0, stream.id, uint32(code)));
  }

  /** Of a server: later streams than this were not begun with. */
  goaway(last: number): void {
    this.lastStream = Math.min(this.lastStream, last);
    for (const stream of this.streams.values()) if (stream.id > last) stream.reset = 'here';
    this.give(frame(frameType.goaway, 0, 0, uint32(last, errorCode.none)));
  }

  /** Reads all that the session has written. Returns how many frames that was. */
  read(): number {
    const frames = this.#transport.frames();
    for (const one of frames) this.#take(one);
    return frames.length;
  }

  #head(stream: PeerStream, block: Buffer, ends: boolean): void {
    stream.sentEnd = ends;
    this.give(frame(frameType.headers, flag.endHeaders | (ends ? flag.endStream : 0), stream.id, block));
  }

  #add(id: number, request: number): PeerStream {
    const stream: PeerStream = { id, request, sendWindow: this.#sessionInitial, receiveWindow: this.#ownInitial, sent: 0, received: 0, declared: -1, headSent: false, headReceived: false, sentEnd: false, receivedEnd: false, reset: 'no' };
    this.streams.set(id, stream);
    return stream;
  }

  #take({ type, flags, id, payload }: Frame): void {
    if (type === frameType.settings) this.#takeSettings(flags, payload);
    else if (type === frameType.ping && (flags & flag.ack) === 0) this.give(frame(frameType.ping, flag.ack, 0, payload));
    else if (type === frameType.goaway) {
      this.leaving = true;
      // Those will not be begun with; a server may say so of each of them as well.
      if (this.role === 'client') for (const stream of this.streams.values()) if (stream.id > payload.readUInt32BE(0)) stream.reset = 'refused';
      assert(payload.readUInt32BE(4) === errorCode.none, `GOAWAY ${payload.readUInt32BE(4)} ${payload.toString('latin1', 8)}`);
    } else if (type === frameType.windowUpdate) this.#takeWindow(id, payload.readUInt32BE(0));
    else if (type === frameType.headers) this.#takeHead(id, flags, payload);
    else if (type === frameType.data) this.#takeData(id, flags, payload);
    else if (type === frameType.reset) this.#takeReset(id);
  }

  #takeSettings(flags: number, payload: Buffer): void {
    if ((flags & flag.ack) === 0) {
      for (let p = 0; p < payload.length; p += 6) {
        if (payload.readUInt16BE(p) !== setting.window) continue;
        for (const stream of this.streams.values()) stream.sendWindow += payload.readUInt32BE(p + 2) - this.#sessionInitial;
        this.#sessionInitial = payload.readUInt32BE(p + 2);
      }
      this.give(frame(frameType.settings, flag.ack, 0));
      return;
    }
    const acknowledged = this.#pending.shift();
    assert(acknowledged !== undefined, 'SETTINGS acknowledged twice');
    for (const [id, value] of acknowledged!) {
      if (id === setting.maxStreams) this.#maxStreams = value;
      if (id !== setting.window) continue;
      for (const stream of this.streams.values()) stream.receiveWindow += value - this.#ownInitial;
      this.#ownInitial = value;
    }
  }

  #takeWindow(id: number, increment: number): void {
    assert(increment > 0, 'WINDOW_UPDATE of 0');
    if (id === 0) this.window += increment;
    else this.#known(id).sendWindow += increment;
  }

  #takeHead(id: number, flags: number, payload: Buffer): void {
    const ends = (flags & flag.endStream) !== 0;
    let stream = this.streams.get(id);
    if (stream === undefined) {
      assert(this.role === 'server' && id % 2 === 1 && id >= this.#next, `HEADERS on stream ${id}`);
      this.#next = id + 2;
      stream = this.#add(id, Number(/x-request.(\d+);/s.exec(payload.toString('latin1'))![1]));
      // What it does not look at counts for nothing.
      if (id > this.lastStream) stream.reset = 'here';
      assert(this.open.length <= this.#maxStreams, `stream ${id} is one too many`);
    }
    const isTrailers = stream.headReceived;
    assert(stream.reset !== 'refused', `stream ${id} is begun with after all`);
    assert(!stream.receivedEnd && stream.reset !== 'there', `HEADERS behind the end of stream ${id}`);
    assert(!isTrailers || ends, `trailers of stream ${id} without its end`);
    if (!isInterim(payload)) stream.headReceived = true;
    stream.receivedEnd = ends;
  }

  #takeData(id: number, flags: number, payload: Buffer): void {
    const stream = this.#known(id);
    this.allowance -= payload.length;
    stream.receiveWindow -= payload.length;
    assert(this.allowance >= 0 && (stream.receiveWindow >= 0 || payload.length === 0), `DATA beyond the windows, on stream ${id}`);
    assert(stream.headReceived && !stream.receivedEnd && stream.reset !== 'there', `DATA out of place, on stream ${id}`);
    assert(payload.equals(bodyOf(stream.request, stream.received, payload.length)), `other bytes, on stream ${id}`);
    stream.received += payload.length;
    stream.receivedEnd = (flags & flag.endStream) !== 0;
  }

  #takeReset(id: number): void {
    const stream = this.#known(id);
    assert(stream.reset !== 'there', `stream ${id} is reset twice`);
    if (stream.reset === 'no') stream.reset = 'there';
  }

  #known(id: number): PeerStream {
    const stream = this.streams.get(id);
    assert(stream !== undefined, `stream ${id} is not there`);
    return stream!;
  }
}

/** A status below 200 is not in the table of HPACK: it is a literal, which may stand behind a change of the table's size. */
function isInterim(block: Buffer): boolean {
  const at = block[0] === 0x20 ? 1 : 0;
  return block[at] === 0x08 && block.toString('latin1', at + 2, at + 3) === '1';
}

function bodyOf(request: number, from: number, length: number): Buffer {
  const start = (request * 7 + from) & 0xff;
  return counting.subarray(start, start + length);
}

function assert(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}
