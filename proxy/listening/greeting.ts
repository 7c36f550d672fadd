import type { Socket } from 'node:net';
import type { Context } from '../context.ts';
import { failureHeader } from '../exchange/replies.ts';
import { reset } from '../sockets/index.ts';
import type { Waiter, WheelTimer } from '../time/index.ts';

/** RFC 8446, 5.1: the type of the record that a ClientHello comes in. */
const handshakeRecord = 22;
/** RFC 9112, 3: a method, a space, a target. */
const httpStart = /^[A-Z]{3,12} [/*h]/;
const plainHttpText = 'This port takes HTTPS: the request came without TLS.\n';
const plainHttpReply = [
  'HTTP/1.1 400 Bad Request', 'content-type: text/plain; charset=utf-8', `${failureHeader}: bad-request`, `content-length: ${plainHttpText.length}`, 'connection: close', '', plainHttpText,
].join('\r\n');

/**
 * What a client gets on a port for HTTPS that begins with something else than TLS: a person who has the scheme wrong is told, a program that
 * speaks something else is cut off (undefined).
 */
export function replyWithoutTls(first: Buffer): string | undefined {
  return httpStart.test(first.toString('latin1', 0, 16)) ? plainHttpReply : undefined;
}

/**
 * A connection whose TLS has not been begun: that is done once its client has said something, and when it is its turn, for the answer to a
 * ClientHello costs as much as several requests. Who says nothing costs a socket and a timer, and OpenSSL hears of nobody else. A client has
 * `tlsHandshakeMs` for its first bytes, and as long again, by Node's own timer, for the rest. Whose first byte is none of TLS costs no handshake.
 */
export class Greeting implements Waiter, WheelTimer {
  wheelNext: WheelTimer | undefined = undefined;
  wheelPrev: WheelTimer | undefined = undefined;
  wheelSlot = -1;
  dueAt = 0;
  awaitsTurn = false;
  goesOn = false;
  readonly #context: Context;
  readonly #socket: Socket;
  readonly #begin: () => void;

  /** What was read of the socket must have been put back. `begin` is called at most once, with bytes to be read; else the socket is destroyed. */
  constructor(context: Context, socket: Socket, begin: () => void) {
    this.#context = context;
    this.#socket = socket;
    this.#begin = begin;
    socket.once('close', this.#left);
    if (socket.readableLength > 0) {
      context.turns.add(this);
      return;
    }
    context.wheel.schedule(this, context.now() + context.limits.tlsHandshakeMs);
    socket.on('readable', this.#heard);
  }

  takeTurn(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    socket.off('close', this.#left);
    // Node looks at the bytes behind the turn.
    this.goesOn = true;
    try {
      this.#begin();
    } catch (error) {
      this.#context.fault(error);
      socket.destroy();
    }
  }

  /** It has said nothing for too long. */
  expired(): void {
    this.#socket.destroy();
  }

  readonly #heard = (): void => {
    const socket = this.#socket;
    socket.off('readable', this.#heard);
    this.#context.wheel.cancel(this);
    const first = socket.read() as Buffer | null;
    if (first === null) {
      // It is their end.
      socket.destroy();
      return;
    }
    if (first[0] !== handshakeRecord) {
      this.#refuse(first);
      return;
    }
    socket.unshift(first);
    this.#context.turns.add(this);
  };

  #refuse(first: Buffer): void {
    const socket = this.#socket;
    const reply = replyWithoutTls(first);
    if (reply === undefined) {
      reset(socket);
      return;
    }
    socket.end(reply);
    socket.destroySoon();
  }

  /** Before it was its turn. */
  readonly #left = (): void => {
    this.#context.wheel.cancel(this);
    this.#context.metrics.count('client_tls_handshakes_failed');
  };
}
