import { follow, type FollowOptions, type Proxy } from '#proxy';
import type { ControllerChannel, ProxyNode } from '#snapshot';
import { Bindings } from './bindings.ts';

export interface GatewayOptions {
  /** `id` is unique among connected proxies; namespace and name are the Gateway's. */
  readonly node: ProxyNode & { readonly role: 'gateway' };
  readonly proxy: Pick<Proxy, 'applyInSteps' | 'countRefused' | 'listen' | 'drain' | 'close'>;
  /** Opens a channel to the controller. */
  dial(): Promise<ControllerChannel> | ControllerChannel;
  /** As a Subscriber's. */
  readonly lastGood?: FollowOptions['lastGood'];
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  random(): number;
  /** To bind in place of the listeners' own addresses: in a cluster those are a Service's. */
  readonly address?: string;
  /** How long a listener that goes may finish what it has in flight. Milliseconds, 30,000 unless set. */
  readonly drainMs?: number;
  /** After each socket that was bound or closed, and each that could not be. */
  changed?(gateway: GatewayProxy): void;
}

export interface BoundSocket {
  readonly address: string;
  readonly port: number;
}

/** A running gateway: the proxy of one Gateway. */
export interface GatewayProxy {
  /** By listener name: `{namespace}/{gateway}/{port of the spec}`. */
  sockets(): ReadonlyMap<string, BoundSocket>;
  /** By listener name: why it can't be bound. The controller hears it too. */
  failures(): ReadonlyMap<string, string>;
  /** Listeners have come, and each is bound or has failed to be. */
  ready(): boolean;
  /** Takes no more connections, finishes what is in flight for at most `ms` milliseconds, then ends. */
  drain(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** Serves the listeners of one Gateway, as the controller gives them, until it is drained or closed. */
export function startGateway(options: GatewayOptions): GatewayProxy {
  const { proxy, node, now, random } = options;
  let failures: ReadonlyMap<string, string> = new Map();
  let arrived = false;
  const bindings = new Bindings({
    proxy,
    drainMs: options.drainMs ?? 30_000,
    failed: (current) => {
      failures = current;
      following.subscriber.report('Listener', current);
    },
    changed: () => options.changed?.(gateway),
  });
  const following = follow({
    proxy,
    node,
    now,
    random,
    dial: () => options.dial(),
    lastGood: (type, name) => options.lastGood?.(type, name),
    roots: ({ listeners, removedListeners }) => {
      arrived ||= listeners.length > 0;
      // First those that go: one that comes may want their port.
      for (const name of removedListeners) bindings.remove(name);
      for (const listener of listeners) bindings.set(options.address === undefined ? listener : { ...listener, address: options.address });
    },
  });
  const stop = (): void => {
    following.close();
    bindings.close();
  };
  const gateway: GatewayProxy = {
    sockets: () => new Map([...bindings.bound()].map(([name, { address, port }]) => [name, { address, port }])),
    failures: () => failures,
    ready: () => arrived && bindings.settled(),
    drain: async (ms) => {
      stop();
      await proxy.drain(ms);
      await proxy.close();
    },
    close: async () => {
      stop();
      await proxy.close();
    },
  };
  following.subscriber.want('Listener', '*');
  return gateway;
}
