import { connect as connectPlainly } from 'node:net';
import { connect } from 'node:tls';
import { clientHello } from './hello.ts';
import type { Attack, Place } from './sockets.ts';

interface Met {
  ended: number;
  failed: number;
  slowestMs: number;
}

/** A handshake to its end, and the connection's end at once. */
function once({ address, port }: Place, met: Met): Promise<void> {
  return new Promise((resolve) => {
    const start = performance.now();
    const socket = connect({ host: address, port, servername: 'strict.test', rejectUnauthorized: false });
    socket.on('secureConnect', () => {
      met.ended++;
      met.slowestMs = Math.max(met.slowestMs, Math.round(performance.now() - start));
    });
    // Tickets say that the other side is through as well.
    socket.once('session', () => socket.destroy());
    socket.on('error', () => met.failed++);
    socket.on('close', () => resolve());
  });
}

/** So many lanes for 5 s. */
async function lanes(count: number, each: () => Promise<void>): Promise<void> {
  const until = performance.now() + 5000;
  const lane = async (): Promise<void> => {
    while (performance.now() < until) await each();
  };
  await Promise.all(Array.from({ length: count }, lane));
}

export const handshakeAttacks: Readonly<Record<string, Attack>> = {
  /** In 200 lanes for 5 s: the first message, the end of our side once there is an answer, and the next, when the connection is closed. */
  'handshakes broken off': async ({ https }) => {
    const hello = await clientHello();
    let closed = 0;
    let slowestMs = 0;
    const attempt = (): Promise<void> =>
      new Promise((resolve) => {
        const start = performance.now();
        const socket = connectPlainly({ host: https.address, port: https.port }, () => socket.write(hello));
        socket.once('data', () => socket.end());
        socket.resume();
        socket.on('error', () => {});
        socket.on('close', () => {
          closed++;
          slowestMs = Math.max(slowestMs, Math.round(performance.now() - start));
          resolve();
        });
      });
    await lanes(200, attempt);
    return { closed, slowestMs };
  },
  /** In 200 lanes for 5 s: a full handshake, the end, and the next. */
  'whole handshakes': async ({ https }) => {
    const met: Met = { ended: 0, failed: 0, slowestMs: 0 };
    await lanes(200, () => once(https, met));
    return { ...met };
  },
};
