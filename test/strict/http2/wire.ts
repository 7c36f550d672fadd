import type { Socket } from 'node:net';

/**
 * HTTP/2 on the wire, written plainly and apart from the proxy's codec: it can say whatever it is told to, right or wrong, and reads strictly.
 * Texts are Latin-1.
 */

export type Field = readonly [name: string, value: string];

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export const type = { data: 0, headers: 1, priority: 2, reset: 3, settings: 4, push: 5, ping: 6, goaway: 7, windowUpdate: 8, continuation: 9 } as const;
export const endStream = 1;
export const endHeaders = 4;
const ack = 1;
const padded = 8;
const priority = 32;
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export function frame(kind: number, flags: number, id: number, payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(bytes.length, 0, 3);
  head[3] = kind;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, bytes]);
}

export function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function settings(values: Readonly<Record<number, number>>): Buffer {
  return frame(type.settings, 0, 0, Buffer.concat(Object.entries(values).map(([id, value]) => Buffer.concat([Buffer.from([Number(id) >> 8, Number(id) & 255]), number(value)]))));
}

/** RFC 7541, 5.1. */
export function integer(value: number, bits: number, first: number): Buffer {
  const most = (1 << bits) - 1;
  if (value < most) return Buffer.from([first | value]);
  const bytes = [first | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

function text(value: string): Buffer {
  return Buffer.concat([integer(value.length, 7, 0), Buffer.from(value, 'latin1')]);
}

/** Literals with new names. `indexed`: each is put into the peer's table, the last one in the first place there (62). */
export function block(fields: readonly Field[], indexed: 'plain' | 'indexed' = 'plain'): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([indexed === 'indexed' ? 0x40 : 0]), text(name), text(value)]));
}

/** The same list by references, when it was the last that was indexed. */
export function references(count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => integer(61 + count - index, 7, 0x80)));
}

// RFC 7541, appendix A: names, and those values that are not empty.
const staticNames = [
  ':authority', ':method', ':method', ':path', ':path', ':scheme', ':scheme', ':status', ':status', ':status', ':status', ':status', ':status', ':status', 'accept-charset', 'accept-encoding', 'accept-language', 'accept-ranges', 'accept', 'access-control-allow-origin', 'age', 'allow', 'authorization', 'cache-control', 'content-disposition', 'content-encoding', 'content-language', 'content-length', 'content-location', 'content-range', 'content-type', 'cookie', 'date', 'etag', 'expect', 'expires', 'from', 'host', 'if-match', 'if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since', 'last-modified', 'link', 'location', 'max-forwards', 'proxy-authenticate', 'proxy-authorization', 'range', 'referer', 'refresh', 'retry-after', 'server', 'set-cookie', 'strict-transport-security', 'transfer-encoding', 'user-agent', 'vary', 'via', 'www-authenticate',
];
const staticValues: Readonly<Record<number, string>> = { 2: 'GET', 3: 'POST', 4: '/', 5: '/index.html', 6: 'http', 7: 'https', 8: '200', 9: '204', 10: '206', 11: '304', 12: '400', 13: '404', 14: '500', 16: 'gzip, deflate' };

/** Reads a block of an encoder that uses neither Huffman codes nor a dynamic table, as the proxy's. Throws where it is another's. */
export function readBlock(bytes: Buffer): readonly Field[] {
  const fields: Field[] = [];
  let p = 0;
  const read = (bits: number): number => {
    const most = (1 << bits) - 1;
    let value = bytes[p++]! & most;
    if (value < most) return value;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[p++];
      if (byte === undefined) throw new Error('integer cut');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const readText = (): string => {
    if ((bytes[p]! & 128) !== 0) throw new Error('Huffman');
    const length = read(7);
    if (p + length > bytes.length) throw new Error('text cut');
    p += length;
    return bytes.toString('latin1', p - length, p);
  };
  while (p < bytes.length) {
    const first = bytes[p]!;
    if (first >= 128) {
      const index = read(7);
      if (index < 1 || index > 61) throw new Error(`entry ${index}`);
      fields.push([staticNames[index - 1]!, staticValues[index] ?? '']);
    } else if (first >= 32 && first < 64) {
      if (read(5) !== 0) throw new Error('table');
    } else {
      const index = read(first >= 64 ? 6 : 4);
      fields.push([index === 0 ? readText() : staticNames[index - 1]!, readText()]);
    }
  }
  return fields;
}

/** A message, or part of one, as it comes on a stream. */
export type Piece = { readonly kind: 'headers'; readonly fields: readonly Field[]; readonly end: boolean } | { readonly kind: 'data'; readonly text: string; readonly end: boolean };

export interface PeerUser {
  piece(id: number, piece: Piece): void;
  reset(id: number, code: number): void;
  /** GOAWAY with an error, bytes that are no HTTP/2, or the end of the connection; perhaps more than once. */
  over(reason: string): void;
}

/** One side of a connection that takes everything. */
export class Peer {
  readonly socket: Socket;
  readonly #user: PeerUser;
  #held: Buffer = Buffer.alloc(0);
  #prefaceLeft: number;
  #block: { id: number; flags: number; parts: Buffer[] } | undefined;
  #unsent: Buffer[] = [];

  constructor(socket: Socket, role: 'client' | 'server', user: PeerUser) {
    this.socket = socket;
    this.#user = user;
    this.#prefaceLeft = role === 'server' ? preface.length : 0;
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('error', () => {});
    socket.on('close', () => user.over('closed'));
    if (role === 'client') this.send(preface);
    this.send(settings({ 3: 1000, 4: 2 ** 30 }), frame(type.windowUpdate, 0, 0, number(2 ** 30)));
  }

  /** Together with whatever else is sent in this turn. */
  send(...frames: readonly Buffer[]): void {
    if (this.#unsent.length === 0) setImmediate(() => this.flush());
    this.#unsent.push(...frames);
  }

  flush(): void {
    const bytes = Buffer.concat(this.#unsent);
    this.#unsent = [];
    if (bytes.length > 0 && this.socket.writable) this.socket.write(bytes);
  }

  sendPiece(id: number, piece: Piece): void {
    if (piece.kind === 'headers') this.send(...headers(id, block(piece.fields), piece.end ? endStream : 0));
    else this.send(frame(type.data, piece.end ? endStream : 0, id, piece.text));
  }

  #read(bytes: Buffer): void {
    let rest = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    if (this.#prefaceLeft > 0) {
      if (rest.length >= preface.length) {
        if (!rest.subarray(0, preface.length).equals(preface)) this.#broken('preface');
        rest = rest.subarray(preface.length);
        this.#prefaceLeft = 0;
      }
    }
    while (this.#prefaceLeft === 0 && rest.length >= 9) {
      const length = rest.readUIntBE(0, 3);
      if (rest.length < 9 + length) break;
      const one: Frame = { type: rest[3]!, flags: rest[4]!, id: rest.readUInt32BE(5), payload: rest.subarray(9, 9 + length) };
      rest = rest.subarray(9 + length);
      try {
        this.#take(one);
      } catch (error) {
        this.#broken(String(error));
      }
    }
    this.#held = Buffer.from(rest);
  }

  #broken(reason: string): void {
    this.#user.over(`broken: ${reason}`);
    this.socket.destroy();
  }

  #take({ type: kind, flags, id, payload }: Frame): void {
    if (payload.length > 16_384) throw new Error('frame too large');
    if (this.#block !== undefined && kind !== type.continuation) throw new Error('block interrupted');
    switch (kind) {
      case type.data:
        if ((flags & padded) !== 0) throw new Error('padding');
        this.#user.piece(id, { kind: 'data', text: payload.toString('latin1'), end: (flags & endStream) !== 0 });
        return;
      case type.headers:
        if ((flags & (padded | priority)) !== 0) throw new Error('flags');
        this.#block = { id, flags, parts: [payload] };
        if ((flags & endHeaders) !== 0) this.#takeBlock();
        return;
      case type.continuation:
        if (this.#block?.id !== id) throw new Error('continuation');
        this.#block.parts.push(payload);
        if ((flags & endHeaders) !== 0) this.#takeBlock();
        return;
      case type.reset:
        this.#user.reset(id, payload.readUInt32BE(0));
        return;
      case type.settings:
        if ((flags & ack) === 0) this.send(frame(type.settings, ack, 0));
        return;
      case type.ping:
        if ((flags & ack) === 0) this.send(frame(type.ping, ack, 0, payload));
        return;
      case type.goaway:
        if (payload.readUInt32BE(4) !== 0) this.#user.over(`goaway ${payload.readUInt32BE(4)} ${payload.toString('latin1', 8)}`);
        return;
      case type.windowUpdate:
        return;
      default:
        throw new Error(`frame of type ${kind}`);
    }
  }

  #takeBlock(): void {
    const { id, flags, parts } = this.#block!;
    this.#block = undefined;
    this.#user.piece(id, { kind: 'headers', fields: readBlock(Buffer.concat(parts)), end: (flags & endStream) !== 0 });
  }
}

/** HEADERS, and CONTINUATION where the block needs more than a frame. */
export function headers(id: number, bytes: Buffer, flags: number): readonly Buffer[] {
  const most = 16_384;
  const frames: Buffer[] = [];
  for (let from = 0; from === 0 || from < bytes.length; from += most) {
    const last = from + most >= bytes.length;
    frames.push(frame(from === 0 ? type.headers : type.continuation, (from === 0 ? flags : 0) | (last ? endHeaders : 0), id, bytes.subarray(from, from + most)));
  }
  return frames;
}
