import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';

/** Two network namespaces with a wire between them: the Pod's, with the rules of the injector, and the world's. Needs root and iptables. */

const [pod, world] = [`weft-pod-${process.pid}`, `weft-world-${process.pid}`];
const addresses = { pod: '10.213.7.2', world: '10.213.7.1', pod6: 'fd00:7::2', world6: 'fd00:7::1' };
const uid = 1371;
/** What the init container runs. */
const redirect = join(import.meta.dirname, '../../injector/redirect/main.ts');

function run(command: string): string {
  const [program = '', ...args] = command.split(' ');
  const env = { ...process.env, POD_IPS: `${addresses.pod},${addresses.pod6}` };
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 10_000, env });
}

function possible(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  try {
    run(`ip netns add ${pod}`);
    run(`ip netns exec ${pod} ${process.execPath} ${redirect} --uid=${uid} --outbound=15001 --inbound=15006`);
    run(`ip netns add ${world}`);
    run(`ip link add wp netns ${pod} type veth peer name ww netns ${world}`);
    return undefined;
  } catch (error) {
    removeNamespaces();
    return `no network namespace with iptables: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
  }
}

function removeNamespaces(): void {
  for (const namespace of [pod, world]) {
    try {
      run(`ip netns delete ${namespace}`);
    } catch {
      // It was not made.
    }
  }
}

/** With the interface on which somebody of the namespace reaches it. */
function linkAddress(namespace: string, link: string): string {
  return /inet6 (fe80:[0-9a-f:]+)/.exec(run(`ip -n ${namespace} -6 addr show dev ${link} scope link`))?.[1] ?? '';
}

const why = possible();
const children: ChildProcess[] = [];

function start(namespace: string, ...args: readonly string[]): Promise<string> {
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, join(import.meta.dirname, 'capture-process.ts'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return new Promise((resolve) => {
    let text = '';
    child.stdout?.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      if (text.includes('ready') || text.includes('closed')) resolve(text.replace(/\n?(closed|ready)\n$/, ''));
    });
  });
}

test.after.always(() => {
  for (const child of children) child.kill('SIGKILL');
  removeNamespaces();
});

const kernel = why === undefined ? test.serial : test.serial.skip;

kernel(`the kernel says where a redirected connection was going, for IPv4 and IPv6${why === undefined ? '' : ` (${why})`}`, async (t) => {
  t.timeout(60_000);
  for (const [namespace, link, side] of [[pod, 'wp', 'pod'], [world, 'ww', 'world']] as const) {
    run(`ip -n ${namespace} link set lo up`);
    run(`ip -n ${namespace} addr add ${addresses[side]}/24 dev ${link}`);
    run(`ip -n ${namespace} addr add ${addresses[`${side}6`]}/64 dev ${link} nodad`);
    run(`ip -n ${namespace} link set ${link} up`);
  }
  await Promise.all([
    start(pod, 'sidecar', String(uid), `${addresses.pod},${addresses.pod6}`),
    start(world, 'server', addresses.world, '8080'),
    start(world, 'server', addresses.world6, '8080'),
    start(pod, 'server', addresses.pod, '8080'),
    start(pod, 'server', addresses.pod6, '8080'),
  ]);
  const [out, out6, inside, inside6, itself, itself6] = await Promise.all([
    start(pod, 'client', addresses.world, '8080'),
    start(pod, 'client', addresses.world6, '8080'),
    start(world, 'client', addresses.pod, '8080'),
    start(world, 'client', addresses.pod6, '8080'),
    start(pod, 'client', addresses.pod, '15001'),
    start(pod, 'client', addresses.pod6, '15001'),
  ]);
  t.is(out, `${addresses.world}:8080 from ${addresses.pod}`);
  t.is(out6, `${addresses.world6}:8080 from ${addresses.pod6}`);
  // The sidecar has opened it: the application sees the Pod itself.
  t.is(inside, `${addresses.pod}:8080 from ${addresses.pod}`);
  t.is(inside6, `${addresses.pod6}:8080 from ${addresses.pod6}`);
  for (const answer of [itself, itself6]) t.false(answer.includes('from'), 'nobody answers on the sidecar\'s own port');
  // Addresses of the link pass the sidecar by, which could not dial them.
  await Promise.all([start(world, 'server', '::', '8082'), start(pod, 'server', '::', '8083')]);
  const [overLink, fromLink] = await Promise.all([start(pod, 'client', `${linkAddress(world, 'ww')}%wp`, '8082'), start(world, 'client', `${linkAddress(pod, 'wp')}%ww`, '8083')]);
  t.is(overLink, `${linkAddress(world, 'ww')}%ww:8082 from ${linkAddress(pod, 'wp')}%ww`);
  t.is(fromLink, `${linkAddress(pod, 'wp')}%wp:8083 from ${linkAddress(world, 'ww')}%wp`);
  // A port on which nothing listens: the sidecar took the connection, and resets it.
  t.false((await start(world, 'client', addresses.pod, '8081')).includes('from'));
});
