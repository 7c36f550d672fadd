import { createSocket } from 'node:dgram';
import type { Arrival } from '../echo.ts';

/** Sends a datagram; resolves to what comes back, or to undefined where nothing does. */
export function sendDatagram(to: { readonly address: string; readonly port: number }, text: string, patienceMs: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const finish = (answer: string | undefined): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(undefined), patienceMs);
    socket.once('error', reject);
    socket.once('message', (message) => finish(message.toString()));
    socket.send(text, to.port, to.address);
  });
}

/** A workload that sends every datagram back. */
export function serveDatagrams(place: Pick<Arrival, 'pod' | 'app' | 'address' | 'port'>, arrivals: Arrival[]): Promise<() => Promise<void>> {
  const { pod, app, address, port } = place;
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    arrivals.push({ id: message.toString(), pod, app, address, port, method: '', path: '', host: '', headers: {}, body: message.toString() });
    socket.send(message, from.port, from.address);
  });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => reject(new Error(`workload ${pod} can't listen on ${address}:${port}/udp: ${error.message}`)));
    socket.bind(port, address, () => resolve(() => new Promise((closed) => socket.close(() => closed()))));
  });
}
