import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs kubectl on the cluster that KUBECONFIG names; its output. Throws what it says where it fails. */
export function kubectl(args: readonly string[], input?: string): string {
  const { status, stdout, stderr } = spawnSync('kubectl', args, { encoding: 'utf8', ...(input === undefined ? {} : { input }) });
  if (status !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

export function apply(manifest: string): void {
  kubectl(['apply', '-f', '-'], manifest);
}

/** The object as the API server has it. */
// oxlint-disable-next-line typescript/no-explicit-any -- tests look into objects of any kind
export function get(kind: string, name: string, namespace?: string): any {
  return JSON.parse(kubectl(['get', kind, name, ...(namespace === undefined ? [] : ['-n', namespace]), '-o', 'json']));
}

export interface Replica {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status: { readonly podIP: string };
}

/** Pods of a part of the control plane that run, but for those on their way out: they run still, and may be gone before they are asked. */
export function replicasOf(component: 'controller' | 'injector', namespace: string): readonly Replica[] {
  const { items } = JSON.parse(kubectl(['get', 'pods', '-n', namespace, '-l', `app.kubernetes.io/component=${component}`, '--field-selector=status.phase=Running', '-o', 'json'])) as { items: readonly Replica[] };
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** Waits until the value is there (the turn does not throw and gives no undefined or false); tells the last fault where it is not. */
export async function eventually<T>(turn: () => T | undefined | false, withinMs = 15_000): Promise<T> {
  const until = performance.now() + withinMs;
  for (;;) {
    let fault: unknown = 'nothing came';
    try {
      const value = turn();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      fault = error;
    }
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${fault instanceof Error ? fault.message : String(fault)}`, { cause: fault });
    await later(100);
  }
}

export function later(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

export interface RunningController {
  readonly child: ChildProcess;
  readonly lines: { readonly message: string; readonly [field: string]: unknown }[];
  streamPort(): Promise<number>;
  healthPort(): Promise<number>;
  /** Resolves with the exit status. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

/** The controller as a process of this machine, on ports that are free. */
export function startController(identity: string, args: readonly string[] = []): RunningController {
  const child = spawn(process.execPath, ['controller/main.ts', '--identity', identity, '--stream-port', '0', '--health-port', '0', '--address', '127.0.0.1', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: RunningController['lines'] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) lines.push(JSON.parse(part));
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const field = (message: string, name: string): Promise<number> => eventually(() => lines.find((line) => line.message === message)?.[name] as number | undefined, 30_000);
  return {
    child,
    lines,
    streamPort: () => field('ready', 'streamPort'),
    healthPort: () => field('started', 'healthPort'),
    end: (signal) => {
      child.kill(signal);
      return exited;
    },
  };
}

/** A way to the API server that can be cut. `kubeconfig` leads through it. */
export interface Line {
  readonly kubeconfig: string;
  /** Ends every connection and takes no more. */
  cut(): void;
  mend(): Promise<void>;
  close(): void;
}

export async function lineToServer(): Promise<Line> {
  const text = readFileSync(process.env['KUBECONFIG'] ?? '', 'utf8');
  const [, host = '', port = ''] = /server: "?https:\/\/([^:"]+):(\d+)/.exec(text) ?? [];
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  const listen = (on: number): Promise<number> =>
    new Promise((resolve, reject) => {
      server = createServer((client) => {
        const upstream = connect(Number(port), host);
        for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
          sockets.add(from);
          from.on('error', () => to.destroy());
          from.on('close', () => {
            sockets.delete(from);
            to.destroy();
          });
          from.pipe(to);
        }
      });
      server.once('error', reject);
      server.listen(on, '127.0.0.1', () => resolve(portOf(server)));
    });
  const own = await listen(0);
  const kubeconfig = join(mkdtempSync(join(tmpdir(), 'weft-line-')), 'kubeconfig');
  writeFileSync(kubeconfig, text.replace(`https://${host}:${port}`, `https://127.0.0.1:${own}`));
  const cut = (): void => {
    server?.close();
    for (const socket of sockets) socket.destroy();
  };
  return { kubeconfig, cut, mend: async () => void (await listen(own)), close: cut };
}

function portOf(server: Server | undefined): number {
  const address = server?.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
