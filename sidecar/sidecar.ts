import { explainBindFailure, follow, type Bound, type Proxy } from '#proxy';
import type { ControllerChannel, ProxyNode } from '#snapshot';
import { Destinations } from './destinations.ts';

export interface SidecarOptions {
  /** Namespace and name are the Pod's; the namespace is the client's in consumer routes and policies. */
  readonly node: ProxyNode & { readonly role: 'sidecar' };
  readonly proxy: Proxy;
  /** Opens a channel to the controller. */
  dial(): Promise<ControllerChannel> | ControllerChannel;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  random(): number;
  /** Where the workload finds its HTTP proxy: the Pod's IP. */
  readonly address: string;
  /** 15001 unless set. */
  readonly port?: number;
  /** Names that stay subscribed, 1024 unless set. */
  readonly maxDestinations?: number;
  /** How long the first request to a name waits for the controller. Milliseconds, 5,000 unless set. */
  readonly resolveTimeoutMs?: number;
}

export interface Sidecar {
  readonly address: string;
  readonly port: number;
  /** Takes no more connections, finishes what is in flight for at most `ms` milliseconds, then ends. */
  drain(ms: number): Promise<void>;
  close(): Promise<void>;
}

export const outboundPort = 15_001;

/** The outbound side of one workload: an HTTP proxy that routes by the routes that the workload's namespace sees. Rejects where it can't bind. */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const { proxy, node, now, random } = options;
  const following = follow({
    proxy,
    node,
    now,
    random,
    dial: () => options.dial(),
    roots: (change) => destinations.arrived(change.destinations),
  });
  const destinations = new Destinations({
    subscriber: following.subscriber,
    now,
    maxNames: options.maxDestinations ?? 1024,
    timeoutMs: options.resolveTimeoutMs ?? 5000,
    refusalMs: 1000,
  });
  const stop = (): void => {
    following.close();
    destinations.close();
  };
  const place = { address: options.address, port: options.port ?? outboundPort };
  let bound: Bound;
  try {
    bound = await proxy.listenOutbound({ ...place, resolve: (host, port) => destinations.resolve(host, port) });
  } catch (error) {
    stop();
    await proxy.close();
    throw new Error(explainBindFailure(error, place), { cause: error });
  }
  return {
    address: bound.address,
    port: bound.port,
    drain: async (ms) => {
      // The stream stays up meanwhile: a request in flight may still have to resolve a name.
      await proxy.drain(ms);
      stop();
      await proxy.close();
    },
    close: async () => {
      stop();
      await proxy.close();
    },
  };
}
