import { get, kubectl } from '../cluster.ts';
import { appContainer, appService, applyAll, image, podIp, route, soon, waitReady, type Space } from '../rig.ts';
import { Remote, startBeside } from './remote.ts';
import type { LoadReport } from './generator.ts';

export const replicas = 4;
export const gatewayReplicas = 2;

/** A namespace with a Service of several injected Pods, a Gateway, one HTTPRoute for both, and a load generator on either way. */
export interface Bed {
  readonly space: Space;
  /** From an injected Pod, through both sidecars. */
  readonly inside: Remote;
  /** From outside, through the Gateway. */
  readonly outside: Remote;
  readonly insideUrl: string;
  readonly outsideUrl: string;
  close(): void;
}

/** In a namespace of the caller's, who drops it. */
export async function makeBed(space: Space): Promise<Bed> {
  const { name } = space;
  applyAll(
    deployment(name),
    appService(name, 'server', { app: 'server' }),
    // Without a request a container gets next to nothing of a busy node's processors; with much more than a proxy's, it takes that of the proxies.
    loadPod(name, 'load', { resources: { requests: { cpu: '50m' } } }),
    loadPod(name, 'restarted'),
    gateway(name),
    mainRoute(name),
  );
  kubectl(['rollout', 'status', '-n', name, 'deployment/server', '--timeout=120s']);
  waitReady(name, 'load', 'restarted');
  await soon(() => Promise.resolve(addressOf(name) !== undefined), 60_000);
  kubectl(['scale', '-n', name, `deployment/${gatewayDeployment}`, `--replicas=${gatewayReplicas}`]);
  kubectl(['rollout', 'status', '-n', name, `deployment/${gatewayDeployment}`, '--timeout=120s']);
  const outsideUrl = `http://${addressOf(name)}/`;
  await soon(async () => (await fetch(outsideUrl)).status === 200, 30_000);
  const inside = new Remote(`http://${podIp(name, 'load')}:8080`);
  const outside = await startBeside();
  return { space, inside, outside, insideUrl: 'http://server/', outsideUrl, close: () => outside.close() };
}

export const gatewayDeployment = 'edge-weft';

function addressOf(namespace: string): string | undefined {
  return (get('gateway', 'edge', namespace) as { status?: { addresses?: readonly { readonly value: string }[] } }).status?.addresses?.[0]?.value;
}

/** An application that ends at once on SIGTERM and has no preStop: the injector sees to it that it stays for a moment after the Service has let go of it. */
function deployment(namespace: string): string {
  const labels = { app: 'server' };
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name: 'server' },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 20, containers: [appContainer('v1', { resources: { requests: { cpu: '20m' } } })] } },
    },
  });
}

export function loadPod(namespace: string, name: string, more: object = {}): string {
  const container = { name: 'load', image, imagePullPolicy: 'Never', command: ['/usr/bin/node', '/app/test-cluster-load.js'], readinessProbe: { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 1 }, ...more };
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name }, spec: { terminationGracePeriodSeconds: 2, containers: [container] } });
}

function gateway(namespace: string): string {
  return JSON.stringify({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { namespace, name: 'edge' }, spec: { gatewayClassName: 'weft', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] } });
}

/** The same for both ways; the header shows that it acts. */
export function mainRoute(namespace: string, mark = 'weft'): string {
  const filter = { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-mark', value: mark }] } };
  return route(namespace, 'server', { parentRefs: [{ name: 'edge' }, { group: '', kind: 'Service', name: 'server' }], rules: [{ filters: [filter], backendRefs: [{ name: 'server', port: 80 }] }] });
}

export interface Reports {
  readonly inside: LoadReport;
  readonly outside: LoadReport;
}

/** Keeps both ways under load while something goes wrong, with a quiet second before and after it. */
export async function underLoad(bed: Bed, rate: number, fault: () => Promise<void>): Promise<Reports> {
  // So many that none waits for its turn before its time is over (10 s).
  const maxInFlight = 11 * rate;
  await bed.inside.start({ url: bed.insideUrl, rate, maxInFlight });
  await bed.outside.start({ url: bed.outsideUrl, rate, maxInFlight });
  let reports: Reports;
  try {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await fault();
    await new Promise((resolve) => setTimeout(resolve, 1000));
  } finally {
    const [inside, outside] = await Promise.all([bed.inside.stop(), bed.outside.stop()]);
    reports = { inside, outside };
  }
  return reports;
}
