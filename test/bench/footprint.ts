import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createController, translateInSteps } from '#controller';
import type { ProxyNode } from '#snapshot';
import { createAuthority, issueServing, serveStream } from '../../controller/serve/index.ts';
import { stateFrom } from '../../controller/testing.ts';
import { bundle, bundles, copyPackages } from '../../images/bundle.ts';
import { proxyEnvironment } from '../../images/environment.ts';
import { freePort } from './programs/ports.ts';
import { isReady } from './targets/weft.ts';

/**
 * `node test/bench/footprint.ts [--rounds N] [--idle SECONDS] [-- NODE FLAGS]`: sidecar and gateway as in their image, with a controller
 * over TLS on loopback. Time from spawn to the first 200 of /ready; resident memory when idle. With more flags of node, if any.
 */

const separator = process.argv.indexOf('--');
const flags = separator < 0 ? [] : process.argv.slice(separator + 1);
const option = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const [rounds, idleSeconds] = [option('rounds', 7), option('idle', 8)];

const manifests = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: weft }
spec: { controllerName: weft-mesh.io/controller }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec:
  gatewayClassName: weft
  listeners: [{ name: http, port: 80, protocol: HTTP }]
`;
const serverName = 'localhost';
const folder = mkdtempSync(join(tmpdir(), 'weft-footprint-'));

async function serveController(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const controller = createController({ translate: translateInSteps, addresses: () => new Map([['shop/edge', ['127.0.0.1']]]), portOffset: (await freePort()) - 80, changed: () => {}, failed: (message) => console.error(message) });
  controller.setState(stateFrom(manifests));
  const authority = await createAuthority(Date.now());
  writeFileSync(join(folder, 'ca.crt'), authority.bundle);
  const nodes: Readonly<Record<string, ProxyNode>> = {
    sidecar: { id: 'sidecar/shop/p', role: 'sidecar', namespace: 'shop', name: 'p' },
    gateway: { id: 'gateway/shop/edge/p', role: 'gateway', namespace: 'shop', name: 'edge' },
  };
  const server = await serveStream({
    address: '127.0.0.1',
    port: 0,
    certificate: await issueServing(authority, [serverName], Date.now()),
    admit: async (token) => ({ ok: true, node: nodes[token]! }),
    accept: (channel) => controller.accept(channel),
    refused: (reason) => console.error(reason),
    now: () => performance.now(),
    random: Math.random,
  });
  return { port: server.port, close: () => (controller.close(), server.close()) };
}

interface Footprint {
  readonly readyMs: number;
  /** Of the processor until then, all threads: the same on a busy machine. */
  readonly cpuMs: number;
  readonly resident: number;
  readonly anonymous: number;
  readonly file: number;
}

async function measure(role: 'sidecar' | 'gateway', controllerPort: number, work: () => Promise<void>): Promise<Footprint> {
  const admin = await freePort();
  writeFileSync(join(folder, role), role);
  const env = {
    ...proxyEnvironment, POD_NAME: 'p', POD_NAMESPACE: 'shop', POD_IPS: '127.0.0.1', WEFT_CONTROLLER: `${serverName}:${controllerPort}`, WEFT_GATEWAY: 'edge', WEFT_TOKEN_FILE: join(folder, role),
    WEFT_CA_FILE: join(folder, 'ca.crt'), WEFT_STATE_DIR: mkdtempSync(join(folder, 'state-')), WEFT_ADMIN_PORT: String(admin), WEFT_OUTBOUND_PORT: '0', WEFT_INBOUND_PORT: '0',
  };
  const start = performance.now();
  const child = spawn(process.execPath, [...flags, join(folder, 'weft-proxy/weft', `${role}.js`)], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    while (!(await isReady(admin))) {
      if (child.exitCode !== null || performance.now() - start > 10_000) throw new Error(`the ${role} does not become ready`);
      await sleep(5);
    }
    const readyMs = performance.now() - start;
    const cpuMs = cpuMsOf(child.pid!);
    await work();
    return { readyMs, cpuMs, ...memoryOf(child.pid!) };
  } finally {
    await ended(child);
  }
}

function memoryOf(pid: number): Omit<Footprint, 'readyMs' | 'cpuMs'> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mib = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)![1]) / 1024;
  return { resident: mib('VmRSS'), anonymous: mib('RssAnon'), file: mib('RssFile') };
}

function cpuMsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]), 0) / 1e6;
}

function ended(child: ChildProcess): Promise<unknown> {
  const end = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  return child.exitCode === null ? end : Promise.resolve();
}

const median = (values: readonly number[]): string => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!.toFixed(0);

try {
  for (const one of bundles.filter(({ name }) => name === 'sidecar' || name === 'gateway')) await copyPackages(await bundle(one, folder), join(folder, 'weft-proxy/weft'));
  writeFileSync(join(folder, 'weft-proxy/weft/package.json'), '{"type":"module"}');
  const controller = await serveController();
  for (const role of ['sidecar', 'gateway'] as const) {
    const starts: Footprint[] = [];
    for (let round = 0; round < rounds; round++) starts.push(await measure(role, controller.port, async () => {}));
    const idle = await measure(role, controller.port, () => sleep(idleSeconds * 1000));
    console.log(`${role}: ready after ${median(starts.map(({ readyMs }) => readyMs))} ms (${starts.map(({ readyMs }) => readyMs.toFixed(0)).join(' ')}), ${median(starts.map(({ cpuMs }) => cpuMs))} ms of the processor; idle ${idle.resident.toFixed(1)} MiB, of it the process's own ${idle.anonymous.toFixed(1)}, of files ${idle.file.toFixed(1)}`);
  }
  await controller.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
