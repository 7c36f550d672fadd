import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { hostPort, type Resource } from '#snapshot';

/** On a machine that is busy with other tests. */
export const startMs = 50_000;
const program = join(import.meta.dirname, '..', '..', 'gateway', 'main.ts');

/** What a gateway of before held, so that these need no controller. */
export function writeSnapshot(folder: string, resources: readonly Resource[]): void {
  const byKind = Object.groupBy(resources.map((resource) => ({ kind: resource.kind, name: resource.name, version: '1', resource })), ({ kind }) => kind);
  const entries = Object.entries(byKind).map(([kind, list]) => [kind, list!.map(({ name, version, resource }) => ({ name, version, resource }))]);
  writeFileSync(join(folder, 'snapshot.json'), JSON.stringify({ format: 1, resources: Object.fromEntries(entries) }));
}

export interface GatewayProcess {
  readonly child: ChildProcess;
  readonly adminPort: number;
  readonly output: () => string;
  admin(path: string): Promise<{ status: number; body: string }>;
}

export interface GatewayProcessOptions {
  readonly workers?: number;
  /** 127.0.0.1 unless set. */
  readonly podIP?: string;
  /** The text of a module that is run before it. */
  readonly before?: string;
  /** A descriptor in place of the pipe that is read here. */
  readonly stdout?: number;
  /** Port of its controller on this machine; there is none unless set. */
  readonly controller?: number;
  /** 0 unless set. */
  readonly drainDelayMs?: number;
}

export function startGatewayProcess(t: ExecutionContext, folder: string, adminPort: number, { workers = 1, podIP = '127.0.0.1', before, stdout, controller = 1, drainDelayMs = 0 }: GatewayProcessOptions): GatewayProcess {
  const env = {
    PATH: process.env['PATH'], POD_NAME: 'p', POD_NAMESPACE: 'shop', POD_IP: podIP, WEFT_GATEWAY: 'gw', WEFT_CONTROLLER: `localhost:${controller}`, WEFT_TOKEN_FILE: join(folder, 'token'),
    WEFT_CA_FILE: join(folder, 'ca.crt'), WEFT_STATE_DIR: folder, WEFT_ADMIN_PORT: String(adminPort), WEFT_WORKERS: String(workers), WEFT_DRAIN_SECONDS: String(2 + drainDelayMs / 1000), WEFT_DRAIN_DELAY_SECONDS: String(drainDelayMs / 1000),
  };
  const child = spawn(process.execPath, [...(before === undefined ? [] : ['--import', `data:text/javascript,${encodeURIComponent(before)}`]), program], { env, stdio: ['ignore', stdout ?? 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes) => (output += String(bytes)));
  t.teardown(() => child.kill('SIGKILL'));
  const admin = async (path: string) => {
    const response = await fetch(`http://${hostPort(podIP, adminPort)}${path}`).catch(() => undefined);
    return { status: response?.status ?? 0, body: (await response?.text()) ?? '' };
  };
  return { child, adminPort, output: () => output, admin };
}
