import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createProxy, Metrics } from '../../proxy/index.ts';
import { applyTo } from '../component/proxy-rig.ts';
import { startSmallServer, type SmallServerOptions } from './server.ts';

/** What h2spec is run against. */
export interface Target {
  readonly port: number;
  /** Faults of ours; there must be none. */
  readonly faults: readonly unknown[];
  close(): Promise<void>;
}

const gateway = { kind: 'Gateway', namespace: 'shop', name: 'gw' } as const;
const service = { kind: 'Service', namespace: 'shop', name: 'a' } as const;

/** The proxy, with one listener and one endpoint that answers everything. */
export async function startProxy(protocol: 'http1' | 'http2', options: SmallServerOptions): Promise<Target> {
  const endpoint = protocol === 'http2' ? await startSmallServer() : await startPlainServer();
  const faults: unknown[] = [];
  const proxy = createProxy({ now: () => performance.now(), wallClock: () => Date.now(), random: Math.random, metrics: new Metrics(), onFault: (error) => faults.push(error) });
  const { tls } = options;
  applyTo(proxy, {
    certificates: { changed: tls === undefined ? [] : [{ kind: 'Certificate', name: 'shop/cert', chain: tls.cert, key: tls.key }] },
    routeTables: {
      changed: [
        {
          kind: 'RouteTable',
          name: 'listener/shop/gw/main',
          policies: [],
          routes: [
            {
              ref: { kind: 'HTTPRoute', namespace: 'shop', name: 'all' },
              createdAt: 0,
              hostnames: [],
              rules: [
                {
                  index: 0,
                  matches: [{ index: 0, path: { type: 'PathPrefix', value: '/' }, headers: [], query: [] }],
                  filters: [],
                  backends: [{ index: 0, weight: 1, filters: [], target: { kind: 'backend', ref: service, port: 80, backend: 'a' } }],
                },
              ],
            },
          ],
        },
      ],
    },
    backends: { changed: [{ kind: 'Backend', name: 'a', ref: service, port: 80, protocol, balancing: 'round-robin' }] },
    endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: [{ address: '127.0.0.1', port: endpoint.port }] }] },
  });
  const section = { name: 'main', hostname: '', routes: 'listener/shop/gw/main', ...(tls === undefined ? { protocol: 'HTTP' as const } : { protocol: 'HTTPS' as const, certificates: ['shop/cert'] }) };
  const listener = await proxy.listen({ kind: 'Listener', name: 'shop/gw/80', gateway, address: '127.0.0.1', port: 0, sections: [section] });
  return {
    port: listener.port,
    faults,
    close: async () => {
      await proxy.close();
      await endpoint.close();
    },
  };
}

async function startPlainServer(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end('Hello from a plain server.\n'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
