import { spawn, type ChildProcess } from 'node:child_process';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';

export interface Place {
  readonly address: string;
  readonly port: number;
}

export interface Outcome {
  /** 0: no response, or not a whole one. */
  readonly status: number;
  readonly body: string;
  readonly ms: number;
}

/** One GET; never rejects. */
export function get(agent: Agent, place: Place, path = '/'): Promise<Outcome> {
  const start = performance.now();
  const outcome = (status: number, body: string): Outcome => ({ status, body, ms: performance.now() - start });
  return new Promise((resolve) => {
    const call = request({ agent, host: place.address, port: place.port, path }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => (body += part));
      response.on('end', () => resolve(outcome(response.complete ? (response.statusCode ?? 0) : 0, body || String(response.headers['x-endpoint'] ?? ''))));
      response.on('error', (error) => resolve(outcome(0, error.message)));
    });
    call.on('error', (error) => resolve(outcome(0, error.message)));
    call.end();
  });
}

export interface LoadOptions {
  readonly total: number;
  readonly lanes: number;
  /** The requests are spread evenly over this long, or take as long as they take. */
  readonly overMs: number;
}

/** So many GETs at an even pace over kept-alive connections. */
export async function load(place: Place, { total, lanes, overMs }: LoadOptions): Promise<readonly Outcome[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: lanes });
  const outcomes: Outcome[] = [];
  const start = performance.now();
  const lane = async (first: number): Promise<void> => {
    for (let index = first; index < total; index += lanes) {
      const wait = start + (index / total) * overMs - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      outcomes.push(await get(agent, place));
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)));
  agent.destroy();
  return outcomes;
}

/** What went wrong, a few of each kind. */
export function failed(outcomes: readonly Outcome[]): readonly string[] {
  const bad = Map.groupBy(outcomes.filter(({ status }) => status !== 200), ({ status, body }) => `${status} ${body.slice(0, 80)}`);
  return [...bad].map(([kind, all]) => `${all.length} × ${kind}`);
}

/** The time within which such a share of the requests was answered, in milliseconds. */
export function percentile(outcomes: readonly Outcome[], share: number): number {
  const times = outcomes.map(({ ms }) => ms).toSorted((one, other) => one - other);
  return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
}

export function figures(outcomes: readonly Outcome[]): string {
  return `${outcomes.length} requests, ${outcomes.filter(({ status }) => status !== 200).length} failed; p50 ${percentile(outcomes, 0.5).toFixed(1)} ms, p99 ${percentile(outcomes, 0.99).toFixed(1)} ms, worst ${percentile(outcomes, 1).toFixed(0)} ms`;
}

/** What endpoints speak. */
export type Protocol = 'http1' | 'http2';

/** WEFT_LONG=1: 300,000 requests for each fault, in place of 20,000. */
export const long = process.env['WEFT_LONG'] === '1';
export const total = long ? 300_000 : 20_000;
/** An even pace that leaves half of a core to each of client and proxy, on a machine with two. */
export const overMs = total / 2.5;

/** A command line, made to run elsewhere. */
export type Launch = (command: readonly string[]) => readonly string[];

/** An HTTP server in a process of its own, so that it can be killed and stopped. */
export async function endpointProcess(t: ExecutionContext, place: Place, protocol: Protocol = 'http1', launch: Launch = (command) => command): Promise<ChildProcess> {
  const [program, ...words] = launch([process.execPath, fileURLToPath(new URL('endpoint.ts', import.meta.url)), place.address, String(place.port), protocol]);
  const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the endpoint ended with ${code}`)));
  });
  return child;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** RetryPolicy for a namespace, in flow style; `extra` adds to its fields. */
export function retryPolicy(extra: string): string {
  return `apiVersion: policy.weft-mesh.io/v1alpha1\nkind: RetryPolicy\nmetadata: { name: retries, namespace: shop }\nspec: { targetRef: { group: "", kind: Namespace, name: shop }, default: { ${extra} } }\n`;
}

export function timeoutPolicy(fields: string): string {
  return `apiVersion: policy.weft-mesh.io/v1alpha1\nkind: TimeoutPolicy\nmetadata: { name: timeouts, namespace: shop }\nspec: { targetRef: { group: "", kind: Namespace, name: shop }, default: { ${fields} } }\n`;
}

/** A Service whose port says what is spoken behind it; `extra` adds to its spec. */
export function service(name: string, targetPort: number, protocol: Protocol, extra = ''): string {
  return `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\nspec: { ${extra}selector: { app: ${name} }, ports: [{ port: 80, targetPort: ${targetPort}${protocol === 'http2' ? ', appProtocol: kubernetes.io/h2c' : ''} }] }\n`;
}

export const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }\n';
