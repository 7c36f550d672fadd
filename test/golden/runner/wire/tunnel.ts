import http from 'node:http';
import type { Socket } from 'node:net';

/** A connection of a workload to `to` (`host:port`), by CONNECT to its sidecar: what iptables does in a cluster. */
export function tunnel(sidecar: { readonly address: string; readonly port: number }, to: string, patienceMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: sidecar.address, port: sidecar.port, method: 'CONNECT', path: to, agent: false, signal: AbortSignal.timeout(patienceMs) });
    request.on('error', reject);
    request.on('connect', (response, socket: Socket) => {
      if (response.statusCode === 200) resolve(socket.on('error', () => undefined));
      else reject(new Error(`no answer: CONNECT got ${response.statusCode}`));
    });
    request.end();
  });
}
