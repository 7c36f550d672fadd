import test, { type ExecutionContext } from 'ava';
import { eventually, later } from './cluster.ts';
import { makeSpace, podIp, policy, route, soon, system } from './rig.ts';
import { isReplaced, replaceAuthority, signingAuthority } from './load/authority.ts';
import { gatewayDeployment, gatewayReplicas, mainRoute, makeBed, replicas, underLoad, type Bed } from './load/bed.ts';
import { applyNow, connect, removeNow } from './load/changes.ts';
import { apiServerPid, pauseProcess, podsOf, restart, restartContainer, scale, withoutController } from './load/cluster-faults.ts';
import { faultsOf, Remote } from './load/remote.ts';
import { proxiesOf } from './weft.ts';

/**
 * What may go wrong in a cluster must not fail a request, from an injected Pod through both sidecars and from outside through the Gateway.
 * Nobody sends a request twice but the proxies. docs/cluster-reliability.md has the figures of a run.
 */

/** Rate: per second and way. Times in milliseconds. */
const form = { rate: 200, awayMs: 30_000, changes: 300, pausedMs: 20_000, scales: [10, 2, 8, replicas] } as const;
const space = makeSpace('faults', 'in the mesh');
let bed: Bed;

test.before(async () => {
  bed = await makeBed(space);
});

test.after.always(() => {
  bed?.close();
  space.drop();
});

async function noneFails(t: ExecutionContext, fault: () => Promise<void>): Promise<void> {
  const reports = await underLoad(bed, form.rate, fault);
  for (const [way, report] of Object.entries(reports)) {
    t.log(`${way}: ${report.sent} requests in ${report.seconds} s, ${report.failed} failed; median ${report.latency.median} ms, p99 ${report.latency.p99} ms, max ${report.latency.max} ms; Pods ${Object.keys(report.pods).length}`);
    t.is(faultsOf(way, report), '');
    t.true(report.answered > form.rate, 'there was load');
  }
}

const marked = async (mark: string): Promise<boolean> => (await fetch(bed.outsideUrl)).headers.get('x-mark') === mark;

test.serial('the controller killed and away: all goes on, and a proxy that restarts meanwhile serves what it last had', async (t) => {
  const { name } = bed.space;
  const other = new Remote(`http://${podIp(name, 'restarted')}:8080`);
  const short = async (): Promise<void> => {
    await other.start({ url: bed.insideUrl, rate: 50 });
    await later(1500);
    t.is(faultsOf('restarted', await other.stop()), '');
  };
  await short();
  // Kept soon after it has come, not at once.
  await later(1000);
  await noneFails(t, () =>
    withoutController(async () => {
      const until = performance.now() + form.awayMs;
      await restartContainer(name, 'restarted', 'weft-proxy');
      await short();
      const gateway = podsOf(name, gatewayDeployment)[0]!;
      await restartContainer(name, gateway.metadata.name, 'gateway');
      const answer = await fetch(`http://${gateway.status.podIP}/`);
      t.is(answer.status, 200);
      t.is(answer.headers.get('x-mark'), 'weft');
      await later(Math.max(0, until - performance.now()));
    }),
  );
});

test.serial('a rolling restart of the controller', (t) => noneFails(t, () => restart(system, 'weft-controller')));

test.serial('the authority of the stream is replaced: every proxy comes back to the new one, and hears of changes', async (t) => {
  const { name } = bed.space;
  await noneFails(t, async () => {
    const before = signingAuthority();
    await replaceAuthority(name);
    const replacedAt = Date.now();
    t.not(signingAuthority(), before);
    t.true(isReplaced());
    // Their connections are of before; with the replicas they go.
    await restart(system, 'weft-controller');
    await eventually(() => {
      const proxies = proxiesOf(name);
      const behind = proxies.filter(({ state, connectedAt }) => state !== 'current' || !(Date.parse(connectedAt ?? '') > replacedAt));
      if (behind.length > 0) throw new Error(behind.map(({ id, state, connectedAt }) => `${id} ${state} ${connectedAt}`).join(', '));
      // Servers, the gateway's, the sender, and the Pod that the first test restarted.
      return proxies.length === replicas + gatewayReplicas + 2;
      // As long as a kubelet may take that missed the moment.
    }, 150_000);
    await applyNow(connect(), mainRoute(name, 'replaced'));
    await soon(() => marked('replaced'), 5000);
  });
});

test.serial('a rolling restart of the workloads', (t) => noneFails(t, () => restart(bed.space.name, 'server')));

test.serial('a rolling restart of the gateway', (t) => noneFails(t, () => restart(bed.space.name, gatewayDeployment)));

test.serial('endpoints scaled up and down', (t) =>
  noneFails(t, async () => {
    for (const count of form.scales) await scale(bed.space.name, 'server', count);
  }));

test.serial('changes of routes and policies', async (t) => {
  const api = connect();
  const { name } = bed.space;
  const ref = (kind: string, target: string): object => ({ group: kind === 'Service' ? '' : 'gateway.networking.k8s.io', kind, name: target });
  const retry = (turn: number): string => policy('RetryPolicy', name, 'changing', { targetRefs: [ref('HTTPRoute', 'server')], default: { maxRetries: (turn % 3) + 1 } });
  const timeout = (turn: number): string => policy('TimeoutPolicy', name, 'changing', { targetRefs: [ref('Service', 'server')], default: { request: `${10 + (turn % 5)}s` } });
  const extra = (turn: number): string =>
    route(name, 'extra', { parentRefs: [{ name: 'edge' }, ref('Service', 'server')], rules: [{ matches: [{ path: { value: `/extra/${turn}` } }], backendRefs: [{ name: 'server', port: 80 }] }] });
  const steps = [
    (turn: number) => applyNow(api, mainRoute(name, `turn-${turn}`)),
    (turn: number) => applyNow(api, retry(turn)),
    (turn: number) => applyNow(api, timeout(turn)),
    (turn: number) => applyNow(api, extra(turn)),
    (turn: number) => (turn % 2 === 0 ? removeNow(api, retry(turn)) : removeNow(api, timeout(turn))),
    (turn: number) => removeNow(api, extra(turn)),
  ];
  await noneFails(t, async () => {
    for (let turn = 0; turn < form.changes; turn++) {
      await steps[turn % steps.length]!(turn);
      await later(100);
    }
    await applyNow(api, mainRoute(name, 'last'));
    await soon(() => marked('last'), 5000);
  });
});

test.serial('the API server stops answering', async (t) => {
  const pid = apiServerPid();
  if (pid === undefined) {
    t.log('left out: the API server is not a process of this machine');
    t.pass();
    return;
  }
  await noneFails(t, async () => {
    await pauseProcess(pid, form.pausedMs);
    // It works again, and what is changed then arrives.
    const api = connect();
    await soon(async () => (await applyNow(api, mainRoute(bed.space.name, 'back')), true), 20_000);
    await soon(() => marked('back'), 20_000);
  });
});
