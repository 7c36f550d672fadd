import test from 'ava';
import { createController, knownKinds, translateInSteps } from '#controller';
import { readManifests, stateOf, type ClusterState } from '#crds';
import { channelPair, type ResourceKind } from '#snapshot';
import { Watch } from '../../proxy/control/remote/testing.ts';

/** What the controller does in one turn of the event loop must not grow with the number of routes (as proxy/control/remote/turns.test.ts). */

const gateway = 'gateway.networking.k8s.io/v1';
const metadata = (name: string): object => ({ name, namespace: 'shop' });

function world(routes: number, edition: string): ClusterState {
  const objects = [
    { apiVersion: gateway, kind: 'Gateway', metadata: metadata('edge'), spec: { gatewayClassName: 'weft', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] } },
    { apiVersion: 'v1', kind: 'Service', metadata: metadata('web'), spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80 }] } },
    { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata('web-1'), labels: { app: 'web' } }, spec: { containers: [{ name: 'c' }] }, status: { podIP: '127.0.1.1', phase: 'Running' } },
    ...Array.from({ length: routes }, (_, index) => ({
      apiVersion: gateway, kind: 'HTTPRoute', metadata: metadata(`r${(index * 7919) % 10_007}`),
      spec: { parentRefs: [{ name: 'edge' }, { group: '', kind: 'Service', name: 'web' }], hostnames: [`h${index % 50}.example`], rules: [{ matches: [{ path: { value: `/${index}/${edition}` } }], backendRefs: [{ name: 'web', port: 80 }] }] },
    })),
  ];
  const { objects: read, problems } = readManifests([{ file: 'turns.json', text: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }) }], knownKinds);
  if (problems.length > 0) throw new Error(problems[0]?.message);
  return stateOf(read);
}

/** A proxy comes, and then all routes change. */
async function run(routes: number): Promise<{ readonly blocks: ReadonlyMap<string, number>; readonly turns: number }> {
  let [tables, reports] = [0, 0];
  const controller = createController({ translate: translateInSteps, addresses: { first: '127.0.0.1' }, portOffset: 0, changed: () => (reports += 1), failed: (message) => { throw new Error(message); } });
  const states = [world(routes, 'a'), world(routes, 'b')];
  controller.setState(states[0]!);
  while (reports === 0) await new Promise((resolve) => setImmediate(resolve));
  const [ours, theirs] = channelPair();
  controller.accept(theirs);
  const send = (type: ResourceKind, more: object): void => ours.send(JSON.stringify({ type, subscribe: [], unsubscribe: [], ...more }));
  ours.onMessage((message) => {
    const [, type, nonce] = /^\{"type":"(\w+)","nonce":"(\d+)"/.exec(message)!;
    if (type === 'RouteTable') tables += 1;
    send(type as ResourceKind, { nonce });
  });
  send('Listener', { node: { id: 'gateway/shop/edge/1', role: 'gateway', namespace: 'shop', name: 'edge' }, subscribe: ['*'] });
  send('RouteTable', { subscribe: ['listener/shop/edge/http'] });
  const watch = new Watch(/\/(controller|policy|snapshot)\//);
  while (tables < 1) await watch.turn();
  controller.setState(states[1]!);
  let turns = 0;
  for (; tables < 2 && turns < 100_000; turns++) await watch.turn();
  controller.close();
  return { blocks: watch.most, turns };
}

const [short, long] = [200, 1000];
const [slack, few] = [2, 200];

test('no turn of the controller does more for many routes than for few', async (t) => {
  t.timeout(120_000);
  const after = await run(long);
  const before = await run(short);
  // Names into a Set: a millisecond for ten thousand.
  const cheap = /^namespacesOf /;
  const grown = [...after.blocks].filter(([block, count]) => !cheap.test(block) && count > few && count > slack * (before.blocks.get(block) ?? 0));
  t.deepEqual(grown.map(([block, count]) => `${before.blocks.get(block) ?? 0} → ${count} × ${block}`), []);
  t.true(after.turns > 3 * before.turns, `${before.turns} turns, then ${after.turns}`);
});
