import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { eventually, get, kubectl, later } from '../cluster.ts';
import { system } from '../rig.ts';

/** Kills every Pod of the controller and keeps it away until `turn` is over. */
export async function withoutController(turn: () => Promise<void>): Promise<void> {
  const deployment = 'deployment/weft-controller';
  const { spec } = get('deployment', 'weft-controller', system) as { spec: { replicas: number } };
  try {
    kubectl(['scale', '-n', system, deployment, '--replicas=0']);
    kubectl(['delete', 'pod', '-n', system, '-l', 'app.kubernetes.io/component=controller', '--force', '--grace-period=0']);
    await turn();
  } finally {
    kubectl(['scale', '-n', system, deployment, `--replicas=${Math.max(1, spec.replicas)}`]);
    kubectl(['rollout', 'status', '-n', system, deployment, '--timeout=120s']);
  }
}

/** Restarts a Deployment and waits until the last of its old Pods is gone. */
export async function restart(namespace: string, name: string): Promise<void> {
  const old = podsOf(namespace, name).map(({ metadata }) => metadata.name);
  kubectl(['rollout', 'restart', '-n', namespace, `deployment/${name}`]);
  kubectl(['rollout', 'status', '-n', namespace, `deployment/${name}`, '--timeout=180s']);
  await eventually(() => podsOf(namespace, name).every(({ metadata }) => !old.includes(metadata.name)), 90_000);
}

/** Scales a Deployment and waits until it has exactly so many Pods, all ready. */
export async function scale(namespace: string, name: string, count: number): Promise<void> {
  kubectl(['scale', '-n', namespace, `deployment/${name}`, `--replicas=${count}`]);
  await eventually(() => {
    const pods = podsOf(namespace, name);
    return pods.length === count && pods.every(isReady);
  }, 120_000);
}

export interface PodState {
  readonly metadata: { readonly name: string };
  readonly status: {
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly ContainerState[];
    readonly initContainerStatuses?: readonly ContainerState[];
  };
}

interface ContainerState {
  readonly name: string;
  readonly restartCount: number;
  readonly ready: boolean;
}

export function podsOf(namespace: string, deployment: string): readonly PodState[] {
  const { spec } = get('deployment', deployment, namespace) as { spec: { selector: { matchLabels: Record<string, string> } } };
  const selector = Object.entries(spec.selector.matchLabels).map(([key, value]) => `${key}=${value}`).join(',');
  return (JSON.parse(kubectl(['get', 'pods', '-n', namespace, '-l', selector, '-o', 'json'])) as { items: readonly PodState[] }).items;
}

function isReady({ status }: PodState): boolean {
  return status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true;
}

/** Ends one container's process in an orderly way; the kubelet starts it anew, in the same Pod, and it is ready again. */
export async function restartContainer(namespace: string, pod: string, container: string): Promise<void> {
  const state = (): ContainerState | undefined => {
    const { status } = get('pod', pod, namespace) as PodState;
    return [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])].find(({ name }) => name === container);
  };
  const before = state()?.restartCount ?? 0;
  kubectl(['exec', '-n', namespace, pod, '-c', container, '--', '/usr/bin/node', '-e', "process.kill(1, 'SIGTERM')"]);
  await eventually(() => {
    const now = state();
    return now !== undefined && now.restartCount > before && now.ready;
  }, 60_000);
}

/** The API server's process where it runs on this machine, in this network namespace; undefined where there is none, or several. */
export function apiServerPid(): number | undefined {
  const here = readlinkSync('/proc/self/ns/net');
  const found = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const [program = ''] = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      return basename(program) === 'kube-apiserver' && readlinkSync(`/proc/${name}/ns/net`) === here;
    } catch {
      return false;
    }
  });
  return found.length === 1 ? Number(found[0]) : undefined;
}

/** Stops that process for so long: connections stay open and nobody answers. */
export async function pauseProcess(pid: number, ms: number): Promise<void> {
  const resume = (): void => void process.kill(pid, 'SIGCONT');
  process.once('exit', resume);
  try {
    process.kill(pid, 'SIGSTOP');
    await later(ms);
  } finally {
    resume();
    process.off('exit', resume);
  }
}
