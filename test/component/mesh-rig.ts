import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { createMesh, type Mesh, type MeshOptions } from '../../index.ts';
import { socketMode } from './socket-io.ts';

/** Loopback addresses of this test run's own, so that test files that run side by side never share one. */
export function addresses(base: number): (last: number) => string {
  return (last) => `127.${base}.${process.pid % 200}.${last}`;
}

export interface Workload {
  readonly address: string;
  readonly port: number;
  readonly requests: string[];
}

/** An HTTP server that answers its name after `?delay=` milliseconds. */
export async function workload(t: ExecutionContext, name: string, address: string, port = 0): Promise<Workload> {
  const requests: string[] = [];
  const server: Server = createServer((incoming, response) => {
    requests.push(`${incoming.method} ${incoming.headers.host} ${incoming.url}`);
    const delay = Number(new URL(incoming.url ?? '/', 'http://x').searchParams.get('delay') ?? 0);
    incoming.resume();
    setTimeout(() => response.end(name), delay);
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { address, port: (server.address() as AddressInfo).port, requests };
}

export async function mesh(t: ExecutionContext, options: MeshOptions): Promise<Mesh> {
  const started = await createMesh({ socketIO: socketMode, ...options });
  t.teardown(() => started.close());
  return started;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A request on a connection of its own; rejects where the connection breaks. */
export function get(place: { readonly address: string; readonly port: number }, path = '/', headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: place.address, port: place.port, path, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (body += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** Requests an absolute URL of an HTTP proxy, as a client with HTTP_PROXY does. */
export function through(proxy: { readonly address: string; readonly port: number }, url: string): Promise<Answer> {
  return get(proxy, url, { host: new URL(url).host });
}

export interface Load {
  readonly answers: Answer[];
  readonly errors: unknown[];
  stop(): Promise<void>;
}

/** Keeps requests going until it is stopped: each client a few milliseconds after its last answer, so that the machine has time for the rest. */
export function load(place: { readonly address: string; readonly port: number }, path = '/', clients = 4): Load {
  const answers: Answer[] = [];
  const errors: unknown[] = [];
  let on = true;
  const client = async (): Promise<void> => {
    while (on) {
      try {
        answers.push(await get(place, path));
      } catch (error) {
        errors.push(error);
      }
      await wait(5);
    }
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  return {
    answers,
    errors,
    stop: async () => {
      on = false;
      await all;
    },
  };
}

export async function folder(t: ExecutionContext, files: Readonly<Record<string, string>>): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'weft-mesh-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
}

/** Asks again every few milliseconds until the answer is one; fails after `timeoutMs`. */
export async function until<T>(ask: () => T | undefined | false | Promise<T | undefined | false>, timeoutMs = 5000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`not so after ${timeoutMs} ms: ${ask.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

export const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Manifests, in flow style for brevity. */
export const yaml = {
  join: (...documents: readonly string[]): string => documents.join('---\n'),
  gateway: (name: string, ports: readonly number[] = [18_080], address = ''): string => `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: shop }
spec:
  gatewayClassName: weft
${address === '' ? '' : `  addresses: [{ value: ${address} }]\n`}  listeners: [${ports.map((port) => `{ name: http-${port}, port: ${port}, protocol: HTTP, allowedRoutes: { namespaces: { from: All } } }`).join(', ')}]
`,
  route: (name: string, parent: string, backends: Readonly<Record<string, number>>, namespace = 'shop'): string => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  parentRefs: [${parent}]
  rules:
    - backendRefs: [${Object.entries(backends).map(([backend, weight]) => `{ name: ${backend}, port: 80, weight: ${weight} }`).join(', ')}]
`,
  service: (name: string, selector: string, targetPort: number, extra = '', namespace = 'shop'): string => `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ${extra} selector: { app: ${selector} }, ports: [{ port: 80, targetPort: ${targetPort} }] }
`,
  pod: (name: string, app: string, ip: string, inject = '', namespace = 'shop'): string => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${app}${inject === '' ? '' : `, weft-mesh.io/inject: ${inject}`} } }
spec: { containers: [{ name: c }] }
status: { podIP: ${ip} }
`,
};
