import { randomUUID } from 'node:crypto';
import type { CallOrder, CallResult, Echo, TcpOrder, TcpResult } from './app/main.ts';
import type { GrpcOrder, GrpcResult } from './app/protocols.ts';
import { apply, eventually, get, kubectl } from './cluster.ts';

export const image = 'weft-test/app:dev';
export const system = process.env['WEFT_NAMESPACE'] ?? 'weft-system';

/** A namespace of its own for a test file, gone afterwards: `drop` in `test.after.always`. */
export interface Space {
  readonly name: string;
  drop(): void;
}

export function makeSpace(prefix: string, mesh: 'in the mesh' | 'outside'): Space {
  const name = `weft-${prefix}-${randomUUID().slice(0, 6)}`;
  const labels = mesh === 'in the mesh' ? { 'weft-mesh.io/inject': 'enabled' } : {};
  apply(JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }));
  return { name, drop: () => void kubectl(['delete', 'namespace', name, '--wait=false']) };
}

export interface PodOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: object;
  readonly container?: object;
}

/** A Pod of the test application. */
export function appPod(namespace: string, name: string, { labels = {}, annotations = {}, spec = {}, container = {} }: PodOptions = {}): string {
  const [app, version = 'v1'] = name.split('-');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { app, version, ...labels }, annotations },
    spec: {
      terminationGracePeriodSeconds: 2,
      containers: [appContainer(version, container)],
      ...spec,
    },
  });
}

export function appContainer(version: string, more: object = {}): object {
  return {
    name: 'app',
    image,
    imagePullPolicy: 'Never',
    args: ['serve'],
    env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }, { name: 'VERSION', value: version }],
    ports: [{ containerPort: 8080 }, { containerPort: 9090 }],
    readinessProbe: { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 1 },
    ...more,
  };
}

/** A Service of the Pods with these labels: HTTP at 80, the greeter at 9090. */
export function appService(namespace: string, name: string, selector: Readonly<Record<string, string>>): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: { selector, ports: [{ name: 'http', port: 80, targetPort: 8080, appProtocol: 'http' }, { name: 'greet', port: 9090, targetPort: 9090 }] },
  });
}

export function applyAll(...manifests: readonly string[]): void {
  apply(manifests.join('\n---\n'));
}

/** Waits until every Pod given is ready. */
export function waitReady(namespace: string, ...pods: readonly string[]): void {
  kubectl(['wait', '-n', namespace, '--for=condition=Ready', '--timeout=90s', ...pods.map((name) => `pod/${name}`)]);
}

export function podIp(namespace: string, name: string): string {
  return (get('pod', name, namespace) as { status: { podIP: string } }).status.podIP;
}

/** A Pod that calls on behalf of the test. */
export class Client {
  readonly namespace: string;
  readonly name: string;
  readonly #ip: string;

  constructor(namespace: string, name: string) {
    this.namespace = namespace;
    this.name = name;
    this.#ip = podIp(namespace, name);
  }

  async calls(order: CallOrder): Promise<readonly CallResult[]> {
    return (await this.#ask('/-/call', order)) as readonly CallResult[];
  }

  async call(url: string, more: Omit<CallOrder, 'url'> = {}): Promise<CallResult> {
    return (await this.calls({ url, ...more }))[0]!;
  }

  /** What the application that answered saw. */
  async echo(url: string, more: Omit<CallOrder, 'url'> = {}): Promise<Echo> {
    return echoOf(await this.call(url, more));
  }

  async tcp(order: TcpOrder): Promise<TcpResult> {
    return (await this.#ask('/-/tcp', order)) as TcpResult;
  }

  async grpc(order: GrpcOrder): Promise<GrpcResult> {
    return (await this.#ask('/-/grpc', order)) as GrpcResult;
  }

  async #ask(path: string, order: object): Promise<unknown> {
    const answer = await fetch(`http://${this.#ip}:8080${path}`, { method: 'POST', body: JSON.stringify(order), signal: AbortSignal.timeout(120_000) });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${this.namespace}/${this.name}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }
}

export function echoOf({ status, body }: CallResult): Echo {
  if (status !== 200) throw new Error(`${status}: ${body}`);
  return JSON.parse(body) as Echo;
}

/** Asks until it is as wanted: a change needs a moment to reach the proxies. */
export async function soon(turn: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
  const until = performance.now() + withinMs;
  let last: unknown = 'never so';
  for (;;) {
    try {
      if (await turn()) return;
    } catch (error) {
      last = error;
    }
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${last instanceof Error ? last.message : String(last)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
}

/** `Accepted=True/Accepted`, of a route's parent by its name; of a policy's first ancestor. */
export function conditionsOf(kind: string, namespace: string, name: string, parent?: string): readonly string[] {
  const { status } = get(kind, name, namespace) as {
    status?: { conditions?: readonly Condition[]; parents?: readonly { readonly parentRef: { readonly name: string }; readonly conditions: readonly Condition[] }[]; ancestors?: readonly { readonly conditions: readonly Condition[] }[] };
  };
  const conditions = status?.conditions ?? status?.ancestors?.[0]?.conditions ?? status?.parents?.find(({ parentRef }) => parent === undefined || parentRef.name === parent)?.conditions ?? [];
  return conditions.map(({ type, status: value, reason }) => `${type}=${value}/${reason}`).toSorted();
}

export async function waitCondition(kind: string, namespace: string, name: string, condition: string): Promise<void> {
  await eventually(() => conditionsOf(kind, namespace, name).includes(condition), 15_000);
}

export function route(namespace: string, name: string, spec: object): string {
  return routeOf('HTTPRoute', namespace, name, spec);
}

export function routeOf(kind: 'HTTPRoute' | 'GRPCRoute' | 'TLSRoute' | 'TCPRoute' | 'UDPRoute', namespace: string, name: string, spec: object): string {
  return JSON.stringify({ apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { namespace, name }, spec });
}

export function policy(kind: 'RetryPolicy' | 'TimeoutPolicy', namespace: string, name: string, spec: object): string {
  return JSON.stringify({ apiVersion: 'policy.weft-mesh.io/v1alpha1', kind, metadata: { namespace, name }, spec });
}
