import type { Duplex } from 'node:stream';
import type { PiecedChannel } from '../stream/messages.ts';
import { maxMessageLength } from '../stream/codec.ts';
import { encodeFrame, FrameReader, type Frame, type FrameTaker } from './frames.ts';

export interface WireOptions {
  /** Bytes of one received message. */
  readonly maxReceived?: number;
  /** Bytes that may wait to be sent; a peer that reads too slowly is cut off above it. */
  readonly maxQueued?: number;
  /** Milliseconds between two signs of life. */
  readonly beatMs?: number;
  /** A peer from which nothing came for so long is gone. Milliseconds. */
  readonly deadMs?: number;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Why the connection ended where it was not by agreement. */
  ended?(reason: string): void;
}

/** Bytes of a hello and its answer. */
export const maxHello = 32 << 10;
/** A message may have as many UTF-16 units as the codec takes, of up to three bytes each. */
const maxMessageBytes = 3 * maxMessageLength;
const usual = { maxReceived: maxMessageBytes, maxQueued: 2 * maxMessageBytes, beatMs: 4000, deadMs: 12_000 };
type PieceListener = Parameters<PiecedChannel['onPieces']>[0];

/** Messages that may come before somebody listens. */
const maxEarly = 64;

/** A stream's channel over a connected socket. Until `open` it speaks frames, for the hello and its answer. */
export class WireChannel implements PiecedChannel {
  readonly #socket: Duplex;
  readonly #options: Required<Omit<WireOptions, 'ended'>> & Pick<WireOptions, 'ended'>;
  readonly #reader = new FrameReader(maxHello);
  readonly #timer: NodeJS.Timeout;
  #frame: FrameTaker | undefined;
  #pieces: PieceListener | undefined;
  #close: (() => void) | undefined;
  #early: Parameters<PieceListener>[] = [];
  #earlyMessages = 0;
  #state: 'greeting' | 'open' | 'closed' = 'greeting';
  #heard: number;
  #ticked: number;

  constructor(socket: Duplex, options: WireOptions) {
    this.#socket = socket;
    this.#options = { ...usual, ...options };
    this.#heard = options.now();
    this.#ticked = this.#heard;
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end('the connection was closed'));
    socket.on('end', () => this.#end('the connection was closed'));
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    this.#timer = setInterval(() => this.#tick(), this.#options.beatMs);
    this.#timer.unref();
  }

  /** The next frame goes there; for the greeting. */
  onFrame(listener: (frame: Frame) => void): void {
    let text = '';
    this.#frame = (type, piece, place) => {
      text += piece;
      if (place !== 'last') return;
      const whole = text;
      text = '';
      listener({ type, text: whole });
    };
  }

  sendFrame(type: Frame['type'], text = ''): void {
    if (this.#state !== 'closed') this.#socket.write(encodeFrame(type, text));
  }

  /** The greeting is over: from now on messages. */
  open(): void {
    if (this.#state !== 'greeting') return;
    this.#state = 'open';
    this.#reader.limit = this.#options.maxReceived;
  }

  send(message: string): void {
    if (this.#state !== 'open') return;
    this.#socket.write(encodeFrame('message', message));
    if (this.#socket.writableLength > this.#options.maxQueued) this.#end(`more than ${this.#options.maxQueued} bytes wait for the peer`);
  }

  onMessage(listener: (message: string) => void): void {
    let pieces: string[] = [];
    this.onPieces((piece, place) => {
      pieces.push(piece);
      if (place !== 'last') return;
      const message = pieces.join('');
      pieces = [];
      listener(message);
    });
  }

  onPieces(listener: PieceListener): void {
    this.#pieces = listener;
    const early = this.#early;
    this.#early = [];
    for (const [piece, place] of early) listener(piece, place);
  }

  onClose(listener: () => void): void {
    if (this.#state === 'closed') queueMicrotask(listener);
    else this.#close = listener;
  }

  /** What was sent before still goes out. */
  close(): void {
    this.#finish();
    this.#socket.end();
    // A peer that does not read must not keep the socket.
    const timer = setTimeout(() => this.#socket.destroy(), 2000);
    timer.unref();
    this.#socket.once('close', () => clearTimeout(timer));
  }

  #data(chunk: Buffer): void {
    if (this.#state === 'closed') return;
    this.#heard = this.#options.now();
    const fault = this.#reader.push(chunk, this.#take);
    if (fault !== undefined) this.#end(fault);
  }

  readonly #take: FrameTaker = (type, piece, place) => {
    if (this.#state === 'closed' || type === 'beat') return;
    if (this.#state === 'greeting') return this.#frame?.(type, piece, place);
    if (type !== 'message') return this.#end(`a frame of type ${type} in the middle of the stream`);
    if (this.#pieces !== undefined) return this.#pieces(piece, place);
    this.#early.push([piece, place]);
    if (place === 'last' && ++this.#earlyMessages > maxEarly) this.#end('messages that nobody listens to');
  };

  #tick(): void {
    const now = this.#options.now();
    // This process stood still itself: what the peer sent meanwhile is still to be read.
    if (now - this.#ticked > 2 * this.#options.beatMs) this.#heard = now;
    this.#ticked = now;
    if (now - this.#heard > this.#options.deadMs - this.#options.beatMs / 2) return this.#end(`nothing came for ${Math.round(now - this.#heard)} ms`);
    this.sendFrame('beat');
  }

  #end(reason: string): void {
    if (this.#state === 'closed') return;
    this.#finish();
    this.#socket.destroy();
    this.#options.ended?.(reason);
  }

  #finish(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearInterval(this.#timer);
    const listener = this.#close;
    this.#close = undefined;
    if (listener !== undefined) queueMicrotask(listener);
  }
}
