import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import type { ProxyNode } from '#snapshot';
import { yaml } from '../component/mesh-rig.ts';
import { closedPort } from '../component/proxy-rig.ts';
import { endpointProcess, load, namespace, retryPolicy, service, sleep, type Launch, type LoadOptions, type Outcome, type Place, type Protocol } from './rig.ts';
import type { Pod } from './pod.ts';

/** A proxy and its controller, each the process that a cluster runs, with three endpoints; the last is there in every other version only. */
export interface Scene {
  readonly proxy: ChildProcess;
  /** The first time, the one that has started with the scene. */
  startController(): Promise<ChildProcess>;
  load(options: LoadOptions): Promise<readonly Outcome[]>;
  metrics(): Promise<string>;
  /** MiB. */
  memory(): number;
}

/** Where the parts of a scene are. */
interface Layout {
  readonly protocol: Protocol;
  readonly node: ProxyNode;
  readonly endpoints: readonly string[];
  readonly port: number;
  /** Of the Service's spec. */
  readonly serviceExtra?: string;
  readonly parent: string;
  readonly more: string;
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  readonly launch: { readonly controller: Launch; readonly proxy: Launch; readonly endpoint: Launch };
  readonly stream: number;
  readonly admin: number;
  load(options: LoadOptions): Promise<readonly Outcome[]>;
}

const startMs = 30_000;
/** Of the proxy, MiB: so that its memory is what it needs, not what the collector has left for later. A leak ends it. */
const maxHeap = 48;
const here: Launch = (command) => command;
const run = promisify(execFile);

function program(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

/** `at`: addresses of this machine's own, `base` + 1 to 3 for the endpoints. */
export async function gatewayScene(t: ExecutionContext, at: (last: number) => string, { base, protocol }: { readonly base: number; readonly protocol: Protocol }): Promise<Scene> {
  const [listener, stream, admin] = [await closedPort(), await closedPort(), await closedPort()];
  const place: Place = { address: '127.0.0.1', port: listener };
  return start(t, {
    protocol,
    node: { id: 'gateway/shop/g/p', role: 'gateway', namespace: 'shop', name: 'g' },
    endpoints: [1, 2, 3].map((each) => at(base + each)),
    port: 18_093,
    parent: '{ name: g }',
    more: yaml.gateway('g', [listener]),
    program: program('../../gateway/main.ts'),
    env: { POD_IP: '127.0.0.1', WEFT_GATEWAY: 'g', WEFT_DRAIN_DELAY_SECONDS: '0' },
    launch: { controller: here, proxy: here, endpoint: here },
    stream,
    admin,
    load: (options) => load(place, options),
  });
}

/** The client is in the Pod and dials the Service's address; the kernel takes it to the sidecar. */
export async function sidecarScene(t: ExecutionContext, pod: Pod, protocol: Protocol): Promise<Scene> {
  const clusterIP = '10.96.0.10';
  const first = protocol === 'http1' ? 11 : 21;
  return start(t, {
    protocol,
    node: { id: 'sidecar/shop/p', role: 'sidecar', namespace: 'shop', name: 'p' },
    endpoints: [0, 1, 2].map((each) => pod.world(first + each)),
    port: 8080,
    serviceExtra: `clusterIP: ${clusterIP}, clusterIPs: [${clusterIP}], `,
    parent: '{ group: "", kind: Service, name: web }',
    more: yaml.pod('p', 'client', pod.address),
    program: program('../../sidecar/main.ts'),
    env: { POD_IP: pod.address, WEFT_OUTBOUND_PORT: String(pod.ports.outbound), WEFT_INBOUND_PORT: String(pod.ports.inbound) },
    launch: { controller: pod.inside, proxy: pod.asSidecar, endpoint: pod.outside },
    stream: 15_010,
    admin: 15_020,
    load: async (options) => {
      const [program_, ...words] = pod.inside([process.execPath, program('load-process.ts'), JSON.stringify({ address: clusterIP, port: 80 }), JSON.stringify(options)]);
      const { stdout } = await run(program_!, words, { maxBuffer: 2 ** 27 });
      return JSON.parse(stdout) as readonly Outcome[];
    },
  });
}

async function start(t: ExecutionContext, layout: Layout): Promise<Scene> {
  const { launch, protocol, port, stream, admin } = layout;
  const folder = mkdtempSync(join(tmpdir(), 'weft-controller-'));
  // A sidecar has a user of its own.
  chmodSync(folder, 0o777);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const spawned = (command: readonly string[], env: NodeJS.ProcessEnv): ChildProcess => {
    const child = spawn(command[0]!, command.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'] });
    t.teardown(() => child.kill('SIGKILL'));
    return child;
  };
  for (const address of layout.endpoints) await endpointProcess(t, { address, port }, protocol, launch.endpoint);
  const files = manifests(layout).map((text, index) => {
    const file = join(folder, `${index}.yaml`);
    writeFileSync(file, text);
    return file;
  });
  const startController = async (): Promise<ChildProcess> => {
    const child = spawned(launch.controller([process.execPath, program('controller-process.ts'), folder, String(stream), JSON.stringify(layout.node), ...files]), process.env);
    child.stderr!.pipe(process.stderr);
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    return child;
  };
  const env = {
    PATH: process.env['PATH'], POD_NAME: 'p', POD_NAMESPACE: 'shop', WEFT_CONTROLLER: `localhost:${stream}`, WEFT_TOKEN_FILE: join(folder, 'token'),
    WEFT_CA_FILE: join(folder, 'ca.crt'), WEFT_STATE_DIR: folder, WEFT_ADMIN_PORT: String(admin), WEFT_DRAIN_SECONDS: '5', ...layout.env,
  };
  const started = await startController();
  const proxy = spawned(launch.proxy([process.execPath, `--max-old-space-size=${maxHeap}`, layout.program]), env);
  let told = '';
  for (const output of [proxy.stdout!, proxy.stderr!]) output.setEncoding('utf8').on('data', (part: string) => (told = (told + part).slice(-4000)));
  const page = async (path: string): Promise<string | undefined> => {
    const [first, ...words] = launch.controller(['curl', '--silent', '--fail', `http://127.0.0.1:${admin}${path}`]);
    return run(first!, words, { maxBuffer: 2 ** 24 }).then(({ stdout }) => stdout, () => undefined);
  };
  for (const end = performance.now() + startMs; (await page('/ready')) === undefined; await sleep(50)) if (performance.now() > end) throw new Error(`not ready: ${told}`);
  return {
    proxy,
    startController: async () => (started.exitCode === null && started.signalCode === null ? started : startController()),
    load: (options) => layout.load(options),
    metrics: async () => (await page('/metrics')) ?? '',
    memory: () => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${proxy.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024,
  };
}

/** Two versions of everything. */
function manifests({ endpoints, port, protocol, parent, more, serviceExtra }: Layout): readonly string[] {
  const version = (pods: readonly string[], weight: number): string =>
    yaml.join(namespace, more, yaml.route('r', parent, { web: weight }), service('web', port, protocol, serviceExtra), ...pods.map((address, index) => yaml.pod(`web-${index}`, 'web', address)), retryPolicy('maxRetries: 4, retryOn: { conditions: [connect-failure, reset, refused-stream, gateway-error] }, backoff: { base: 5ms, max: 50ms }'));
  return [version(endpoints.slice(0, 2), 1), version(endpoints, 7)];
}
