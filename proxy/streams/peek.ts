import type { Socket } from 'node:net';
import { Timer } from '../connection/timer.ts';
import type { TimerWheel } from '../time/index.ts';
import { maxHelloBytes, readClientHello } from './client-hello.ts';

export type Peeked =
  | { readonly kind: 'hello'; readonly serverName: string }
  /** Not TLS; `first`: what came. */
  | { readonly kind: 'foreign'; readonly reason: string; readonly first: Buffer }
  /** `malformed`: TLS that breaks its rules; `late`: not there in time; `gone`: the client left before. */
  | { readonly kind: 'malformed' | 'late' | 'gone'; readonly reason: string };

export interface PeekOptions {
  readonly wheel: TimerWheel;
  now(): number;
  /** For the whole hello. Milliseconds. */
  readonly timeoutMs: number;
}

/** Alert records of RFC 8446, 6: fatal decode_error. */
export const decodeErrorAlert = Uint8Array.of(21, 3, 1, 0, 2, 2, 50);

/** First guess of a hello's size. Bytes. */
const usualHello = 4096;

/**
 * Looks at a connection's first bytes and calls `done` once. For a hello the socket is paused then, and what was read is put back; in
 * every other case it is the caller's to close.
 */
export function peekHello(socket: Socket, options: PeekOptions, done: (peeked: Peeked) => void): void {
  const reader = new HelloReader();
  const timer = new Timer(() => settle({ kind: 'late', reason: 'not-in-time' }));
  const settle = (peeked: Peeked): void => {
    options.wheel.cancel(timer);
    socket.off('data', data);
    socket.off('end', left);
    socket.off('close', left);
    socket.pause();
    if (peeked.kind === 'hello') socket.unshift(reader.bytes());
    done(peeked);
  };
  const data = (bytes: Buffer): void => {
    const verdict = reader.read(bytes);
    if (verdict.kind === 'more') return;
    settle(verdict.kind === 'foreign' ? { kind: 'foreign', reason: 'not-tls', first: reader.bytes() } : verdict);
  };
  const left = (): void => settle({ kind: 'gone', reason: 'closed' });
  options.wheel.schedule(timer, options.now() + options.timeoutMs);
  socket.on('data', data);
  socket.on('end', left);
  socket.on('close', left);
}

/** Keeps what comes until it is a hello, and looks again only when what was missing may be there. */
class HelloReader {
  #bytes = Buffer.allocUnsafe(0);
  #length = 0;
  #needed = 1;

  read(chunk: Buffer): ReturnType<typeof readClientHello> {
    this.#keep(chunk);
    if (this.#length < this.#needed) return { kind: 'more', bytes: this.#needed };
    const verdict = readClientHello(this.bytes());
    if (verdict.kind === 'more') this.#needed = verdict.bytes;
    return verdict;
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #keep(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (length > this.#bytes.length) {
      // The parser never asks for more than a hello may have; what is above came in one chunk with it.
      const wider = Buffer.allocUnsafe(Math.max(length, Math.min(Math.max(usualHello, this.#bytes.length * 2), maxHelloBytes)));
      this.#bytes.copy(wider, 0, 0, this.#length);
      this.#bytes = wider;
    }
    chunk.copy(this.#bytes, this.#length);
    this.#length = length;
  }
}
