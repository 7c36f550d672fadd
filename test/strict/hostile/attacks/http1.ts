import type { Socket } from 'node:net';
import { allClosed, attackers, pour, sleep, type Attack } from './sockets.ts';

const dribble = (socket: Socket, text: string, size: number, everyMs: number): void => {
  let p = 0;
  const timer = setInterval(() => {
    if (!socket.writable || p >= text.length) clearInterval(timer);
    else socket.write(text.slice(p, (p += size)));
  }, everyMs);
  socket.on('close', () => clearInterval(timer));
};

export const http1Attacks: Readonly<Record<string, Attack>> = {
  /** 500 heads, a byte each 200 ms. */
  slowloris: async ({ http }) => {
    const all = await attackers(http, 500, (socket) => {
      socket.write('GET / HTTP/1.1\r\nHost: x\r\nA: ');
      dribble(socket, 'X'.repeat(1000), 1, 200);
    });
    const told = await allClosed(all, 6000);
    return { ...told, refused: all.filter(({ text }) => text.startsWith('HTTP/1.1 408 ')).length };
  },
  /** 100 heads of up to 60 KB in pieces of 8 bytes, as fast as they go. */
  'dribbled heads': async ({ http }) => {
    const text = `GET / HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(30_000)}\r\nB: ${'c'.repeat(30_000)}`;
    const all = await attackers(http, 100, (socket) => {
      socket.setNoDelay(true);
      let p = 0;
      pour(socket, () => Buffer.from(text.slice(p, (p += 8)) || 'x'), () => {});
    });
    return allClosed(all, 8000);
  },
  /** 120 responses of 64 MiB that nobody reads. */
  'slow readers': async ({ http }) => {
    const all = await attackers(http, 120, (socket) => {
      socket.pause();
      socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
    }, 'leave');
    await sleep(3000);
    for (const { socket } of all) socket.destroy();
    return { connections: all.length };
  },
  /** 600 heads of up to 1 MB. */
  'header bombs': async ({ http }) => {
    const bombs = [`GET / HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(1_000_000)}\r\n\r\n`, `GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(10_000)}\r\n`, `GET /${'a'.repeat(1_000_000)} HTTP/1.1\r\nHost: x\r\n\r\n`].map((text) => Buffer.from(text));
    let next = 0;
    let closed = 0;
    let refused = 0;
    for (let round = 0; round < 6; round++) {
      const all = await attackers(http, 100, (socket) => socket.write(bombs[next++ % bombs.length]!));
      closed += (await allClosed(all, 6000)).closed;
      refused += all.filter(({ text }) => /^HTTP\/1\.1 (431|414) /.test(text)).length;
    }
    return { closed, refused };
  },
  /** 50 uploads of 1 GB to a backend that takes nothing. */
  'endless bodies': async ({ http }) => {
    const piece = Buffer.alloc(65_536, 'y');
    let sent = 0;
    const all = await attackers(http, 50, (socket) => {
      socket.write('POST /stall HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n');
      pour(socket, () => piece, (length) => (sent += length));
    });
    const told = await allClosed(all, 10_000);
    return { ...told, sentMiB: Math.round(sent / all.length / 2 ** 20) };
  },
  /** 100 bodies of nothing but framing. */
  'endless framing': async ({ http }) => {
    const starts = ['5;', '0\r\nA: '];
    let next = 0;
    const all = await attackers(http, 100, (socket) => socket.write(`POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${starts[next++ % 2]}${'z'.repeat(100_000)}`));
    return allClosed(all, 5000);
  },
  /** 3,000 connections that say nothing. */
  'idle connections': async ({ http }) => allClosed(await attackers(http, 3000, () => {}), 8000),
};
