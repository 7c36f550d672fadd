import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent as PlainAgent, request as plainRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { Publisher, runSteps, type Channel, type Listener, type Resource, type ResourceView } from '#snapshot';
import { createAuthority, issueServing, serveStream, type StreamServer } from '../../controller/serve/index.ts';
import { startGatewayProcess, startMs, type GatewayProcess } from './gateway-rig.ts';
import { answering, backendNamed, backendTo, closedPort, endpointsOf, ok, rawServer, tableOf } from './proxy-rig.ts';
import { certificateFor, eventually } from './streams-rig.ts';

/**
 * A gateway of three processes and its controller, with clients that never stop asking: configurations come, the stream breaks, processes are told to
 * end or killed, and at last all of it ends. No request fails but those that a process was killed with; what every process has acknowledged is served.
 */

const name = 'one.example';
const processes = 3;
const drainDelayMs = 1000;
/** Others have heard after so long that it goes. */
const heardMs = 400;

const step = fc.record({
  does: fc.constantFrom('configure', 'configure', 'break the stream', 'controller away', 'end a worker', 'kill a worker', 'draw breath'),
  which: fc.nat(processes - 2),
  /** Until the next one. */
  pauseMs: fc.constantFrom(0, 0, 5, 60, 300, 900),
});
type Step = typeof step extends fc.Arbitrary<infer Made> ? Made : never;

/** What stands for the controller. */
class Controller {
  version = 1;
  /** All processes serve at least this one. */
  acknowledged = 0;
  isAway = false;
  readonly #resources: (version: number) => readonly Resource[];
  readonly #channels = new Map<string, { readonly channel: Channel; readonly publisher: Publisher }>();
  #server: StreamServer | undefined;

  constructor(resources: (version: number) => readonly Resource[]) {
    this.#resources = resources;
  }

  async start(folder: string, port: number): Promise<void> {
    const authority = await createAuthority(Date.now());
    writeFileSync(join(folder, 'ca.crt'), authority.bundle);
    writeFileSync(join(folder, 'token'), 'good');
    this.#server = await serveStream({
      address: '127.0.0.1', port, certificate: await issueServing(authority, ['localhost'], Date.now()), now: () => performance.now(), random: Math.random,
      admit: async (_token, instance = '0') => (this.isAway ? { ok: false, reason: 'away' } : { ok: true, node: { id: instance, role: 'gateway', namespace: 'shop', name: 'gw' } }),
      accept: (channel, { id }) => this.#accept(channel, id),
    });
  }

  configure(): void {
    this.version++;
    for (const { publisher } of this.#channels.values()) runSteps(publisher.refresh());
  }

  break(): void {
    for (const { channel } of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  /** Of as many processes as there are now. */
  look(count: number): void {
    const all = [...this.#channels.values()];
    if (all.length === count && all.every(({ publisher }) => publisher.isCurrent('RouteTable') && publisher.isCurrent('Listener') && [...publisher.subscribed('RouteTable')].length > 0)) this.acknowledged = this.version;
  }

  close(): Promise<void> {
    return this.#server?.close() ?? Promise.resolve();
  }

  #accept(channel: Channel, id: string): void {
    const view: ResourceView = {
      own: (type) => (type === 'Listener' ? this.#resources(0).flatMap((one) => (one.kind === 'Listener' ? [one.name] : [])) : []),
      find: (type, wanted) => {
        const resource = this.#resources(this.version).find((one) => one.kind === type && one.name === wanted);
        if (resource === undefined) return undefined;
        const version = type === 'RouteTable' ? String(this.version) : '1';
        return { version, encoded: JSON.stringify({ name: wanted, version, resource }) };
      },
    };
    const publisher = new Publisher({ send: (message) => channel.send(message), open: () => view });
    this.#channels.set(id, { channel, publisher });
    channel.onMessage((message) => void (runSteps(publisher.receive(message)) === undefined || channel.close()));
    channel.onClose(() => {
      if (this.#channels.get(id)?.channel === channel) this.#channels.delete(id);
    });
  }
}

interface Told {
  readonly kind: string;
  readonly from: number;
  readonly to: number;
  /** That all had acknowledged when it began. */
  readonly least: number;
  /** Why it failed. */
  readonly failure?: string;
  readonly version?: number;
}

type Ask = (retried: boolean) => ClientRequest;

/** One request; a connection that was used before may have been ended meanwhile, and then it is sent again (RFC 9110, 9.2.2). */
function response(ask: Ask, retried = false): Promise<string> {
  return new Promise((resolve) => {
    const call = ask(retried);
    call.setTimeout(10_000, () => call.destroy(new Error('late')));
    call.on('error', (error: NodeJS.ErrnoException) => {
      if (call.reusedSocket && !retried) resolve(response(ask, true));
      else resolve(`failed: ${error.code ?? error.message}`);
    });
    call.on('response', (message: IncomingMessage) => {
      let body = '';
      message.setEncoding('utf8').on('data', (part: string) => (body += part));
      message.on('end', () => resolve(message.statusCode === 200 && body === 'hello' ? String(message.headers['x-version']) : `failed: ${message.statusCode} ${body}`));
      message.on('error', () => resolve('failed: cut'));
    });
    call.end();
  });
}

class Clients {
  readonly told: Told[] = [];
  readonly #controller: Controller;
  readonly #loops: Promise<void>[] = [];
  #isOver = false;

  constructor(controller: Controller) {
    this.#controller = controller;
  }

  start(http: number, https: number): void {
    const plain = { host: '127.0.0.1', port: http, headers: { host: name } };
    const secure = { host: '127.0.0.1', port: https, servername: name, rejectUnauthorized: false, headers: { host: name } };
    const [kept, keptSecure] = [new PlainAgent({ keepAlive: true, maxSockets: 3 }), new SecureAgent({ keepAlive: true, maxSockets: 3 })];
    const kinds: Readonly<Record<string, Ask>> = {
      fresh: () => plainRequest({ ...plain, agent: false }),
      'fresh, TLS': () => secureRequest({ ...secure, agent: false }),
      kept: (retried) => plainRequest({ ...plain, agent: retried ? false : kept }),
      'kept, TLS': (retried) => secureRequest({ ...secure, agent: retried ? false : keptSecure }),
    };
    for (const [kind, ask] of Object.entries(kinds)) for (let lane = 0; lane < 2; lane++) this.#loops.push(this.#loop(kind, ask));
    void Promise.all(this.#loops).then(() => {
      kept.destroy();
      keptSecure.destroy();
    });
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
  }

  async #loop(kind: string, ask: Ask): Promise<void> {
    while (!this.#isOver) {
      const [from, least] = [performance.now(), this.#controller.acknowledged];
      const text = await response(ask);
      this.told.push({ kind, from, to: performance.now(), least, ...(text.startsWith('failed') ? { failure: text } : { version: Number(text) }) });
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
  }
}

interface Workers {
  readonly pid?: number;
  readonly ready: boolean;
}

async function workersOf(running: GatewayProcess): Promise<readonly Workers[]> {
  return (JSON.parse((await running.admin('/config')).body) as { workers: Workers[] }).workers;
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Returns what should not have been. */
async function live(t: ExecutionContext, history: readonly Step[]): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-'));
  const server = await rawServer(answering(ok('hello')));
  const [http, https, stream, admin] = [await closedPort(), await closedPort(), await closedPort(), await closedPort()];
  const controller = new Controller((version) => {
    const listener = (port: number, section: Listener['sections'][number]): Listener => ({ kind: 'Listener', name: `shop/gw/${port}`, gateway: { kind: 'Gateway', namespace: 'shop', name: 'gw' }, address: '127.0.0.1', port, sections: [section] });
    const routes = 'listener/shop/gw/web';
    const filter = { type: 'ResponseHeaderModifier', set: [{ name: 'x-version', value: String(version) }], add: [], remove: [] } as const;
    return [
      listener(http, { name: 'http', hostname: '', protocol: 'HTTP', routes }),
      listener(https, { name: 'https', hostname: '', protocol: 'HTTPS', certificates: ['one'], routes }),
      { ...tableOf([{ backends: [backendTo('a')], filters: [filter] }], [{ origins: {} }]), name: routes },
      { kind: 'Certificate', name: 'one', ...certificateFor(name) },
      backendNamed('a'),
      { kind: 'Endpoints', name: 'a', endpoints: endpointsOf([server.port]) },
    ];
  });
  await controller.start(folder, stream);
  const running = startGatewayProcess(t, folder, admin, { workers: processes, controller: stream, drainDelayMs });
  const clients = new Clients(controller);
  const wrong: string[] = [];
  const begun = performance.now();
  const marks: string[] = [];
  const killed: { readonly from: number; readonly to: number }[] = [];
  const looking = setInterval(() => controller.look(processes), 5);
  try {
    await eventually(async () => (await running.admin('/ready')).status === 200, startMs).catch(() => Promise.reject(new Error(running.output())));
    clients.start(http, https);
    for (const { does, which, pauseMs } of history) {
      const { pid } = (await workersOf(running))[which]!;
      marks.push(`${does} ${pid ?? ''} at ${((performance.now() - begun) / 1000).toFixed(2)}`);
      if (does === 'configure') controller.configure();
      else if (does === 'break the stream') controller.break();
      else if (does === 'controller away') {
        controller.isAway = !controller.isAway;
        if (controller.isAway) controller.break();
      } else if (pid !== undefined && does === 'end a worker') process.kill(pid, 'SIGTERM');
      else if (pid !== undefined && does === 'kill a worker') {
        const from = performance.now();
        process.kill(pid, 'SIGKILL');
        while (isThere(pid)) await new Promise((resolve) => setTimeout(resolve, 2));
        killed.push({ from, to: performance.now() });
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    const exited = new Promise((resolve) => running.child.once('exit', (code, signal) => resolve(signal ?? code)));
    marks.push(`the end at ${((performance.now() - begun) / 1000).toFixed(2)}`);
    running.child.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, heardMs));
    await clients.end();
    const how = await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 20_000, 'still there'))]);
    if (how !== 0) wrong.push(`it ended with ${String(how)}`);
  } finally {
    clearInterval(looking);
    running.child.kill('SIGKILL');
    await controller.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
  for (const { kind, from, to, failure, version, least } of clients.told) {
    const wasKilled = killed.some((time) => from <= time.to && to >= time.from);
    if (failure !== undefined && !wasKilled) wrong.push(`${kind}: ${failure} ${((from - begun) / 1000).toFixed(2)} to ${((to - begun) / 1000).toFixed(2)} s; ${marks.join(', ')}`);
    if (version !== undefined && version < least) wrong.push(`${kind}: version ${version} after all had acknowledged ${least}`);
  }
  if (clients.told.length < 20) wrong.push(`no more than ${clients.told.length} requests`);
  for (const line of running.output().split('\n')) if (line.includes('"internal error"')) wrong.push(line);
  return wrong;
}

/** What has just been acknowledged is not on any disk yet. */
const replacedAtOnce: readonly Step[] = [
  { does: 'draw breath', which: 0, pauseMs: 900 },
  { does: 'configure', which: 0, pauseMs: 60 },
  { does: 'controller away', which: 0, pauseMs: 0 },
  { does: 'kill a worker', which: 0, pauseMs: 900 },
  { does: 'draw breath', which: 0, pauseMs: 900 },
];

test('property: whatever the processes of a gateway go through, no request fails and nothing old is served', async (t) => {
  t.timeout(240_000);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), async (history) => {
      const wrong = await live(t, history);
      if (wrong.length > 0) throw new Error([...new Set(wrong)].slice(0, 8).join('\n'));
    }),
    { numRuns: Number(process.env['WEFT_LIVES'] ?? 3), examples: [[[...replacedAtOnce]]], endOnFailure: true, includeErrorInReport: true },
  );
  t.pass();
});
