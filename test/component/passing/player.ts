import type { Socket } from 'node:net';
import type { Dialled } from './doors.ts';

/** What one side of a connection does, one thing after the other; it reads all the while unless it has paused. */
export type Move =
  /** In one write. */
  | { readonly does: 'write'; readonly bytes: number }
  /** One byte at a time. */
  | { readonly does: 'drip'; readonly bytes: number }
  /** Until something of it waits in the proxy, because the other side does not take it. */
  | { readonly does: 'stuff' }
  | { readonly does: 'wait'; readonly ms: number }
  | { readonly does: 'pause' | 'resume' | 'end' | 'reset' };

/** A prime, so that bytes that were left out or came twice are found wherever that happens. */
const period = 65_521;
const most = 8 * 1024 * 1024;
const stuffed = 10_000;

/** A stream of bytes in which each place is known. */
class Pattern {
  readonly #bytes = Buffer.alloc(2 * period);

  constructor(seed: number) {
    for (let state = seed, at = 0; at < period; at++) this.#bytes[at] = (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 16;
    this.#bytes.copy(this.#bytes, period, 0, period);
  }

  at(offset: number, length: number): Buffer {
    const made = Buffer.allocUnsafe(length);
    const from = offset % period;
    for (let done = 0; done < length; done += period) this.#bytes.copy(made, done, from, from + Math.min(period, length - done));
    return made;
  }
}

const patterns = { client: new Pattern(1), server: new Pattern(2) } as const;

export interface Scene {
  /** What the other side does not take of what this one wrote, as far as the proxy has it. */
  heldBytes(): number;
}

/** One side of a connection: plays its moves, and sees what comes. */
export class Player {
  /** Written, payload alone. */
  sent = 0;
  got = 0;
  /** It said that it sends no more. */
  hasEnded = false;
  /** It has broken the connection off, the end of what it sends not being among it. */
  hasReset = false;
  sawEnd = false;
  error: string | undefined;
  isClosed = false;
  /** What comes is payload now. */
  isAnswered = false;
  readonly faults: string[] = [];
  readonly #name: 'client' | 'server';
  #socket: Socket | undefined;
  #carrier: Socket | undefined;

  constructor(name: 'client' | 'server') {
    this.#name = name;
  }

  get isThere(): boolean {
    return this.#socket !== undefined;
  }

  /** `payloadAt`: where the payload begins in what came so far; below 0: not yet; Infinity: there is none. `greets`: called once that is known. */
  listen({ socket, carrier }: Dialled, payloadAt: (bytes: Buffer) => number, greets: () => void): void {
    this.#socket = socket;
    this.#carrier = carrier;
    let head = Buffer.alloc(0);
    const look = (bytes: Buffer): void => {
      head = Buffer.concat([head, bytes]);
      const at = payloadAt(head);
      if (at < 0) return;
      socket.off('data', look);
      this.isAnswered = at < Infinity;
      socket.on('data', (more: Buffer) => this.isAnswered && this.#see(more));
      greets();
      if (at < head.length) this.#see(head.subarray(at));
    };
    socket.on('error', (error: NodeJS.ErrnoException) => (this.error ??= error.code ?? error.message));
    socket.on('close', () => (this.isClosed = true));
    socket.on('end', () => {
      this.sawEnd = true;
      if (payloadAt(head) < 0) socket.end();
    });
    socket.on('data', look);
    look(Buffer.alloc(0));
  }

  async play(moves: readonly Move[], scene: Scene): Promise<void> {
    const socket = this.#socket!;
    for (const move of moves) {
      if (socket.destroyed) return;
      switch (move.does) {
        case 'write':
          this.#write(move.bytes);
          break;
        case 'drip':
          for (let left = move.bytes; left > 0; left--) {
            this.#write(1);
            await turn();
          }
          break;
        case 'stuff':
          while (!socket.writableEnded && !socket.destroyed && this.sent < most && socket.writableLength === 0 && scene.heldBytes() === 0) {
            this.#write(stuffed);
            await turn();
            await turn();
          }
          break;
        case 'wait':
          await pause(move.ms);
          break;
        case 'pause':
          socket.pause();
          break;
        case 'resume':
          socket.resume();
          break;
        case 'end':
          this.#end();
          break;
        default:
          if (this.#reset()) return;
      }
    }
    socket.resume();
    this.#end();
  }

  #write(bytes: number): void {
    const socket = this.#socket!;
    if (socket.writableEnded || socket.destroyed) return;
    socket.write(patterns[this.#name].at(this.sent, bytes));
    this.sent += bytes;
  }

  #end(): void {
    const socket = this.#socket!;
    if (socket.writableEnded || socket.destroyed) return;
    this.hasEnded = true;
    socket.end();
  }

  /** Not while its own end is under way: that would put it in the midst of what it has written. */
  #reset(): boolean {
    const socket = this.#socket!;
    if (socket.writableEnded && !socket.writableFinished) return false;
    this.hasReset = true;
    if (socket.writableEnded) socket.destroy();
    else this.#carrier!.resetAndDestroy();
    return true;
  }

  #see(bytes: Buffer): void {
    const expected = patterns[this.#name === 'client' ? 'server' : 'client'].at(this.got, bytes.length);
    if (!expected.equals(bytes) && this.faults.length === 0) this.faults.push(`the ${this.#name} got other bytes than were sent, from ${this.got} on`);
    if (this.sawEnd) this.faults.push(`the ${this.#name} got bytes behind the end`);
    this.got += bytes.length;
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
