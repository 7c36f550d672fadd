import { Agent, createServer, request, type RequestListener, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { createMesh, type Mesh } from '#mesh';

/**
 * Gateway → application → its sidecar → a Service split between two versions, while weights, policies and endpoints change ten times
 * a second: no request fails, and the versions get their shares.
 */

const total = 20_000;
const lanes = 16;
/** Requests are spread over this long, so that the last minute is a minute of changes. */
const durationMs = 70_000;
const lastMinuteMs = 60_000;
const subnet = '127.33.7';
const ports = { gateway: 18_080, app: 19_180 };

const everyVersion = ['v1', 'v2'] as const;

/** The whole mesh at one moment. The third Pod of each version comes and goes; its process stays, as a terminating Pod's does. */
function manifests(weight: number, retries: number, thirdPods: boolean): string {
  const pods = everyVersion.flatMap((version, group) =>
    [1, 2, 3].filter((number) => number < 3 || thirdPods).map((number) => pod(`${version}-${number}`, { app: 'shop', version }, `${subnet}.${10 * (group + 1) + number}`)));
  return [
    'apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { weft-mesh.io/inject: enabled } }',
    `apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: edge, namespace: shop }\nspec: { gatewayClassName: weft, listeners: [{ name: http, protocol: HTTP, port: ${ports.gateway} }] }`,
    `apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: edge, namespace: shop }\nspec: { parentRefs: [{ name: edge }], rules: [{ backendRefs: [{ name: caller, port: ${ports.app} }] }] }`,
    `apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: split, namespace: shop }\nspec: { parentRefs: [{ group: "", kind: Service, name: shop }], rules: [{ backendRefs: [{ name: v1, port: ${ports.app}, weight: ${weight} }, { name: v2, port: ${ports.app}, weight: ${100 - weight} }] }] }`,
    `apiVersion: policy.weft-mesh.io/v1alpha1\nkind: RetryPolicy\nmetadata: { name: shop, namespace: shop }\nspec: { targetRef: { group: "", kind: Namespace, name: shop }, default: { maxRetries: ${retries} } }`,
    service('caller', '{ app: caller }'), service('shop', '{ app: shop }'), service('v1', '{ app: shop, version: v1 }'), service('v2', '{ app: shop, version: v2 }'),
    pod('caller', { app: 'caller' }, `${subnet}.2`), ...pods,
  ].join('\n---\n');
}

function service(name: string, selector: string): string {
  return `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\nspec: { selector: ${selector}, ports: [{ port: ${ports.app} }] }`;
}

function pod(name: string, labels: Readonly<Record<string, string>>, address: string): string {
  return `apiVersion: v1\nkind: Pod\nmetadata: { name: ${name}, namespace: shop, labels: ${JSON.stringify(labels)} }\nspec: { containers: [{ name: app, image: app, ports: [{ containerPort: ${ports.app} }] }] }\nstatus: { podIP: ${address} }`;
}

async function listen(address: string, listener: RequestListener): Promise<Server> {
  const server = createServer({ keepAliveTimeout: 120_000 }, listener);
  await new Promise<void>((resolve) => server.listen(ports.app, address, resolve));
  return server;
}

/** The application in front: asks http://shop through its sidecar and passes the answer on. */
function caller(mesh: Mesh, agent: Agent): RequestListener {
  const sidecar = mesh.sidecar('shop/caller')!;
  return (_incoming, outgoing) => {
    const call = request({ agent, host: sidecar.address, port: sidecar.port, path: `http://shop:${ports.app}/`, headers: { host: `shop:${ports.app}` } }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(outgoing);
    });
    call.on('error', (error) => outgoing.writeHead(500).end(error.message));
    call.end();
  };
}

interface Served {
  readonly at: number;
  readonly status: number;
  readonly version: string;
  readonly weight: number;
}

function get(agent: Agent, address: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve) => {
    const call = request({ agent, host: address, port: ports.gateway, path: '/' }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (body += chunk)).on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
      answer.on('error', (error) => resolve({ status: 0, body: error.message }));
    });
    call.on('error', (error) => resolve({ status: 0, body: error.message }));
    call.end();
  });
}

test('component: 20,000 requests through gateway, sidecar and service, while everything changes ten times a second', async (t) => {
  t.timeout(240_000);
  let weight = 50;
  const servers: Server[] = [];
  for (const [group, version] of everyVersion.entries()) {
    for (const number of [1, 2, 3]) servers.push(await listen(`${subnet}.${10 * (group + 1) + number}`, (_request, response) => response.end(version)));
  }
  const mesh = await createMesh({ manifests: manifests(weight, 1, true), loopback: `${subnet}.1` });
  const inside = new Agent({ keepAlive: true });
  const outside = new Agent({ keepAlive: true });
  servers.push(await listen(`${subnet}.2`, caller(mesh, inside)));
  const served: Served[] = [];
  const stopped = new AbortController();
  let changes = 0;
  const changing = (async () => {
    while (!stopped.signal.aborted) {
      weight = 10 + ((changes * 37) % 81);
      await mesh.apply(manifests(weight, changes % 4, changes % 2 === 0));
      changes++;
      await sleep(100);
    }
  })();
  const started = Date.now();
  const { address } = mesh.gateway('shop/edge')!;
  const lane = async (number: number): Promise<void> => {
    for (let count = number; count < total; count += lanes) {
      const due = started + (count / total) * durationMs;
      if (due > Date.now()) await sleep(due - Date.now());
      const at = Date.now();
      const expected = weight;
      const { status, body } = await get(outside, address);
      served.push({ at, status, version: body, weight: expected });
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
  stopped.abort();
  await changing;
  const end = Date.now();
  inside.destroy();
  outside.destroy();
  await mesh.close();
  for (const server of servers) server.close().closeAllConnections();

  const failed = served.filter(({ status, version }) => status !== 200 || !(everyVersion as readonly string[]).includes(version));
  t.deepEqual(failed.slice(0, 5), [], `${failed.length} of ${served.length} failed`);
  t.is(served.length, total);
  const lastMinute = served.filter(({ at }) => at >= end - lastMinuteMs);
  const share = (100 * lastMinute.filter(({ version }) => version === 'v1').length) / lastMinute.length;
  const wanted = lastMinute.reduce((sum, one) => sum + one.weight, 0) / lastMinute.length;
  t.log(`${changes} changes; v1 got ${share.toFixed(1)} % of the last minute's ${lastMinute.length} requests, its weights say ${wanted.toFixed(1)} %`);
  t.true(changes > 400, `${changes} changes`);
  t.true(Math.abs(share - wanted) <= 2, `v1 got ${share.toFixed(1)} %, its weights say ${wanted.toFixed(1)} %`);
});

