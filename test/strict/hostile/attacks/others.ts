import { createSocket } from 'node:dgram';
import { clientHello } from './hello.ts';
import { allClosed, attackers, sleep, type Attack } from './sockets.ts';

export const otherAttacks: Readonly<Record<string, Attack>> = {
  /** 1,000 connections to the port for HTTPS that say nothing. */
  'handshakes not begun': async ({ https }) => allClosed(await attackers(https, 1000, () => {}), 16_000),
  /** 500 handshakes that are left after the first message. */
  'handshakes not finished': async ({ https }) => {
    const hello = await clientHello();
    return allClosed(await attackers(https, 500, (socket) => socket.write(hello)), 16_000);
  },
  /** 300 ClientHellos, a byte each 20 ms. */
  'dribbled ClientHellos': async ({ https }) => {
    const hello = await clientHello();
    const all = await attackers(https, 300, (socket) => {
      let p = 0;
      const timer = setInterval(() => (socket.writable && p < hello.length - 1 ? socket.write(hello.subarray(p, ++p)) : clearInterval(timer)), 20);
      socket.on('close', () => clearInterval(timer));
    });
    return allClosed(all, 16_000);
  },
  /** Bytes that are no TLS. */
  'nonsense instead of TLS': async ({ https }) => allClosed(await attackers(https, 500, (socket) => socket.write(Buffer.alloc(20_000, 0x55))), 5000),
  /** 12,000 flows, each of one datagram: 600 sockets on 20 addresses. */
  'flow flood': async ({ udp }) => {
    let sent = 0;
    for (let round = 0; round < 20; round++) {
      const sockets = Array.from({ length: 600 }, () => createSocket('udp4'));
      for (const socket of sockets) {
        socket.on('error', () => {});
        socket.send(Buffer.alloc(500, 'x'), udp.port, udp.address);
        sent++;
      }
      await sleep(100);
      for (const socket of sockets) socket.close();
    }
    return { sent };
  },
};
