/**
 * How long the controller keeps its event loop, and how long until a change is sent, with a large configuration and a proxy of its Gateway that follows:
 * `node test/bench/turns.ts [routes] [world]`, of those in `worlds.ts`. The proxy acknowledges at once and reads nothing, so the turns are the controller's alone.
 */
import { applyObject, type ClusterState, type HTTPRoute } from '#crds';
import { createController, translateInSteps } from '#controller';
import { channelPair, type DeltaRequest, type ResourceKind } from '#snapshot';
import { worlds } from './worlds.ts';

const [routes = '10000', world = 'routes'] = process.argv.slice(2);
const rounds = 7;

/** The same route, with another header to add. */
function edited(route: HTTPRoute, edition: number): HTTPRoute {
  const filters = [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-edition', value: String(edition) }], add: [], remove: [] } }] as unknown as NonNullable<HTTPRoute['spec']['rules'][number]['filters']>;
  return { ...route, spec: { ...route.spec, rules: route.spec.rules.map((rule) => ({ ...rule, filters })) } };
}

/** Asks for everything, acknowledges everything. */
class Follower {
  bytes = 0;
  #told: () => void = () => {};
  readonly #channel;

  constructor() {
    const [mine, theirs] = channelPair();
    this.#channel = mine;
    controller.accept(theirs);
    mine.onMessage((text) => {
      this.bytes += text.length;
      const [, type, nonce = ''] = /^\{"type":"(\w+)","nonce":"(\d+)"/.exec(text)!;
      this.#send({ type: type as ResourceKind, subscribe: [], unsubscribe: [], nonce });
      if (type === 'RouteTable') this.#told();
    });
    this.#send({ node: { id: 'gateway/shop/edge/1', role: 'gateway', namespace: 'shop', name: 'edge' }, type: 'Listener', subscribe: ['*'], unsubscribe: [] });
    this.#send({ type: 'RouteTable', subscribe: ['listener/shop/edge/http'], unsubscribe: [] });
    const backends = [...state.services.values()].map(({ metadata }) => `${metadata.namespace}/${metadata.name}:80`);
    for (const type of ['Backend', 'Endpoints'] as const) this.#send({ type, subscribe: backends, unsubscribe: [] });
  }

  /** Until the table has come again: where the Gateway's own listener has none of the routes, it does not. */
  next(): Promise<void> {
    return new Promise((resolve) => (this.#told = resolve));
  }

  #send(request: DeltaRequest): void {
    this.#channel.send(JSON.stringify(request));
  }
}

let reported: () => void = () => {};
const controller = createController({ translate: translateInSteps, addresses: { first: '127.0.0.1' }, portOffset: 0, changed: () => reported(), monotonic: () => performance.now(), failed: (message) => console.error(message) });
let state = worlds[world]!(Number(routes));
const sendsTable = world !== 'listeners';
const follower = new Follower();

/** Turns are seen from setImmediate to setImmediate. */
async function watch(change: () => ClusterState): Promise<{ readonly longest: number; readonly total: number; readonly bytes: number }> {
  await new Promise((resolve) => setTimeout(resolve, 300));
  const next = change();
  const { bytes } = follower;
  const done = Promise.all([sendsTable ? follower.next() : undefined, new Promise<void>((resolve) => (reported = resolve))]);
  let over = false;
  const start = performance.now();
  let end = start;
  void done.then(() => {
    over = true;
    end = performance.now();
  });
  controller.setState(next);
  let longest = 0;
  for (let last = start, after = 0; after < 20; after += over ? 1 : 0) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  return { longest, total: end - start, bytes: follower.bytes - bytes };
}

async function measure(name: string, change: (edition: number) => ClusterState): Promise<void> {
  const seen: Awaited<ReturnType<typeof watch>>[] = [];
  for (let round = 0; round < rounds; round++) seen.push(await watch(() => (state = change(round))));
  const median = (of: (each: (typeof seen)[number]) => number): number => seen.map(of).toSorted((a, b) => a - b)[Math.floor(rounds / 2)]!;
  console.log(`${name}: longest turn ${median((each) => each.longest).toFixed(1)} ms (worst ${Math.max(...seen.map(({ longest }) => longest)).toFixed(1)}), sent and told after ${median(({ total }) => total).toFixed(0)} ms, ${median(({ bytes }) => bytes)} characters sent`);
}

console.log(`${routes} HTTPRoutes at one Gateway (${world})`);
await measure('all routes change', (edition) => ({ ...state, httpRoutes: new Map([...state.httpRoutes].map(([key, route]) => [key, edited(route, edition)])) }));
await measure('one route changes', (edition) => applyObject(state, edited([...state.httpRoutes.values()][edition * 7]!, 100 + edition)));
process.exit();
