import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * Two network namespaces with a wire between them: a Pod's, where TCP is redirected to the sidecar by the injector's own program, and the rest of
 * the world. Needs root and iptables.
 */

type Command = readonly string[];

export interface Pod {
  readonly address: string;
  readonly uid: number;
  readonly ports: { readonly outbound: number; readonly inbound: number };
  /** An address of the world, 10 to 99. */
  world(last: number): string;
  /** The same command, run in the Pod. */
  inside(command: Command): Command;
  /** The same, as the sidecar, whose own connections are not redirected. */
  asSidecar(command: Command): Command;
  outside(command: Command): Command;
  remove(): void;
}

const redirect = join(import.meta.dirname, '../../injector/redirect/main.ts');
const ports = { outbound: 15_001, inbound: 15_006 };
const uid = 1371;
const network = '10.213.8';

function run(command: string): void {
  const [program = '', ...args] = command.split(' ');
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 10_000, env: { ...process.env, POD_IPS: `${network}.2` } });
}

/** Or why there can't be one. */
export function createPod(): Pod | string {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  const [pod, world] = [`weft-fault-pod-${process.pid}`, `weft-fault-world-${process.pid}`];
  const inside = (command: Command): Command => ['ip', 'netns', 'exec', pod, ...command];
  const remove = (): void => {
    for (const namespace of [pod, world]) {
      try {
        run(`ip netns delete ${namespace}`);
      } catch {
        // It was not made.
      }
    }
  };
  try {
    run(`ip netns add ${pod}`);
    run(`ip netns exec ${pod} ${process.execPath} ${redirect} --uid=${uid} --outbound=${ports.outbound} --inbound=${ports.inbound}`);
    run(`ip netns add ${world}`);
    run(`ip link add wp netns ${pod} type veth peer name ww netns ${world}`);
    for (const namespace of [pod, world]) run(`ip -n ${namespace} link set lo up`);
    run(`ip -n ${pod} addr add ${network}.2/24 dev wp`);
    for (let last = 10; last < 100; last++) run(`ip -n ${world} addr add ${network}.${last}/24 dev ww`);
    run(`ip -n ${pod} link set wp up`);
    run(`ip -n ${world} link set ww up`);
    run(`ip -n ${pod} route add default via ${network}.10`);
  } catch (error) {
    remove();
    return `no network namespace with iptables: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
  }
  return {
    address: `${network}.2`,
    uid,
    ports,
    world: (last) => `${network}.${last}`,
    inside,
    asSidecar: (command) => inside(['setpriv', `--reuid=${uid}`, '--clear-groups', ...command]),
    outside: (command) => ['ip', 'netns', 'exec', world, ...command],
    remove,
  };
}
