import { fork, type ChildProcess } from 'node:child_process';
import type { Pod } from '#crds';
import type { Mesh } from '#mesh';
import { hostPort } from '#snapshot';

/** The processes of the sample, one for each Pod. */
export interface Applications {
  /** Ends them all; fulfils when they are gone. */
  stop(): Promise<void>;
}

const startTimeoutMs = 8000;
const stopTimeoutMs = 3000;

/** Starts `program` once for each Pod, listening at the Pod's address, with the Pod's sidecar as its way out; fulfils when all listen. */
export async function startApplications(program: string, pods: readonly Pod[], mesh: Mesh, told: (message: string) => void): Promise<Applications> {
  const children: ChildProcess[] = [];
  const applications: Applications = { stop: async () => void (await Promise.all(children.map(stopped))) };
  try {
    await Promise.all(
      pods.map((pod) => {
        const child = start(program, pod, mesh);
        children.push(child);
        return listening(child, pod, told);
      }),
    );
  } catch (error) {
    await applications.stop();
    throw error;
  }
  return applications;
}

function start(program: string, pod: Pod, mesh: Mesh): ChildProcess {
  const { namespace, name } = pod.metadata;
  const container = pod.spec.containers[0];
  const sidecar = mesh.sidecar(`${namespace}/${name}`);
  const version = pod.metadata.labels?.['version'] ?? 'v1';
  return fork(program, [pod.metadata.labels?.['app'] ?? name, version], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {
      HOST: pod.status?.podIP ?? '127.0.0.1',
      PORT: String(container?.ports?.[0]?.containerPort ?? 9080),
      ...(sidecar === undefined ? {} : { HTTP_PROXY: `http://${hostPort(sidecar.address, sidecar.port)}` }),
    },
  });
}

async function listening(child: ChildProcess, pod: Pod, told: (message: string) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const name = pod.metadata.name;
  const timer = setTimeout(() => reject(new Error(`${name} did not start within ${startTimeoutMs / 1000} s`)), startTimeoutMs);
  child.once('message', () => resolve());
  child.once('error', reject);
  child.once('exit', (status) => {
    reject(new Error(`${name} ended with status ${status} before it listened`));
    told(`${name} ended`);
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.removeAllListeners('exit');
  const { promise, resolve } = Promise.withResolvers<void>();
  child.once('exit', () => resolve());
  child.kill('SIGTERM');
  const forced = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
  await promise;
  clearTimeout(forced);
}
