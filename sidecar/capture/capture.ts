import { explainBindFailure, follow, type FollowOptions, type Intake, type Metrics, type Proxy } from '#proxy';
import { hostPort, type ControllerChannel, type Destination, type ProxyNode } from '#snapshot';
import { Destinations, RefusedDestination } from '../destinations.ts';
import type { Way } from './connection.ts';
import { open, openEndpoint, uncounted } from './dial.ts';
import { CaptureListener } from './listener.ts';
import type { Address, OriginalDestination } from './original-destination.ts';

export interface CaptureOptions {
  /** Namespace and name are the Pod's. */
  readonly node: ProxyNode & { readonly role: 'sidecar' };
  readonly proxy: Proxy;
  readonly metrics: Metrics;
  /** Opens a channel to the controller. */
  dial(): Promise<ControllerChannel> | ControllerChannel;
  /** As a Subscriber's. */
  readonly lastGood?: FollowOptions['lastGood'];
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  random(): number;
  readonly original: OriginalDestination;
  /** To bind: `0.0.0.0`, or `::` where the Pod has IPv6. */
  readonly address: string;
  /** Of the Pod, as `normalAddress` has them. */
  readonly podAddresses: readonly string[];
  readonly outboundPort: number;
  readonly inboundPort: number;
  /** Open connections per direction, 20,000 unless set. */
  readonly maxConnections?: number;
  /** Places that stay subscribed, 4096 unless set. */
  readonly maxDestinations?: number;
  /** How long a connection to a new place waits for the controller before it passes as it is. Milliseconds, 2,000 unless set. */
  readonly resolveTimeoutMs?: number;
}

export interface Capture {
  readonly outboundPort: number;
  readonly inboundPort: number;
  /** Whether the controller, or the last good snapshot in its place, answers. */
  connected(): boolean;
  /** Takes no more connections, finishes what is in flight for at most `ms` milliseconds, then ends. */
  drain(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** Detection: as long as a client that speaks first needs, which is no time at all unless it is busy. Milliseconds. */
const silenceMs = { outbound: 50, inbound: 10 } as const;

/** Both sides of one Pod, for connections that iptables redirects. Rejects where it can't bind. */
export async function startCapture(options: CaptureOptions): Promise<Capture> {
  const { proxy, node, now, random, metrics, original, address } = options;
  const following = follow({ proxy, node, now, random, dial: () => options.dial(), lastGood: (type, name) => options.lastGood?.(type, name), roots: (change) => destinations.arrived(change.destinations) });
  const destinations = new Destinations({
    subscriber: following.subscriber,
    now,
    maxNames: options.maxDestinations ?? 4096,
    timeoutMs: options.resolveTimeoutMs ?? 2000,
    refusalMs: 1000,
  });
  const outbound = proxy.intake({ source: `mesh/${node.namespace}`, resolve: (host, port) => destinations.resolve(host, port) });
  const inbound = proxy.intake({ source: `inbound/${node.namespace}`, resolve: untouched });
  const own = new Set(options.podAddresses);
  const isOwn = ({ host, port }: Address): boolean => (port === options.outboundPort || port === options.inboundPort) && (own.has(host) || host.startsWith('127.') || host === '::1');
  const shared = { metrics, original, address, isOwn, maxConnections: options.maxConnections ?? 20_000 };
  const wayOut = (to: Address): Way | Promise<Way> => {
    const found = destinations.resolve(to.host, to.port);
    if (!(found instanceof Promise)) return wayOf(found, to);
    // Nobody knows at present: the network does, as it would without us.
    return found.then((destination) => wayOf(destination, to), (error: unknown) => (error instanceof RefusedDestination ? nowhere(error) : through(to)));
  };
  const wayOf = ({ target }: Destination, to: Address): Way => {
    if (target.kind === 'passthrough') return through(to);
    const { streams, protocol = 'http' } = target;
    const http2 = protocol !== 'tcp' && protocol !== 'tls' && outbound.servesHttp2(target.routes);
    if (streams !== undefined) return routed(outbound, streams, { protocol, http2 });
    const backend = target.backend ?? `${target.service.namespace}/${target.service.name}:${target.port}`;
    return { protocol: protocol === 'tls' ? 'tcp' : protocol, http2, byServerName: false, open: ({ signal }) => openEndpoint((tried) => outbound.pick(backend, tried), to, signal) };
  };
  const wayIn = (to: Address): Way => ({ ...through(to), protocol: 'detect' });
  const listeners = [
    new CaptureListener({ ...shared, port: options.outboundPort, intake: outbound, silenceMs: silenceMs.outbound, wayTo: wayOut }),
    new CaptureListener({ ...shared, port: options.inboundPort, intake: inbound, silenceMs: silenceMs.inbound, wayTo: wayIn }),
  ] as const;
  const end = async (ms: number): Promise<void> => {
    const began = now();
    proxy.retire();
    // What is not HTTP may take all of the time; who waits for nothing is told to go before.
    for (const each of [outbound, inbound]) each.retire();
    // The stream stays up meanwhile: a request in flight may still have to resolve a place. And the proxy: what is not known yet may become HTTP.
    await Promise.all(listeners.map((listener) => listener.close(ms)));
    await proxy.drain(Math.max(0, ms - (now() - began)));
    following.close();
    destinations.close();
    await proxy.close();
  };
  for (const [index, listener] of listeners.entries()) {
    try {
      await listener.bind();
    } catch (error) {
      await end(0);
      throw new Error(explainBindFailure(error, { address, port: index === 0 ? options.outboundPort : options.inboundPort }), { cause: error });
    }
  }
  return {
    outboundPort: listeners[0].port,
    inboundPort: listeners[1].port,
    connected: () => following.connected(),
    drain: end,
    close: () => end(0),
  };
}

function untouched(host: string, port: number): Destination {
  return { kind: 'Destination', name: hostPort(host, port), target: { kind: 'passthrough' } };
}

/** To where it was going, bytes as they are. */
function through(to: Address): Way {
  return { protocol: 'tcp', http2: false, byServerName: false, open: async ({ signal }) => uncounted(await open(to, 0, signal)) };
}

/** HTTP is answered with an error, all else is reset. */
function nowhere(why: Error): Way {
  return { protocol: 'detect', http2: false, byServerName: false, open: () => Promise.reject(why) };
}

/** By the routes that its Service has for what is not HTTP. */
function routed(intake: Intake, streams: string, { protocol, http2 }: { readonly protocol: Way['protocol']; readonly http2: boolean }): Way {
  return {
    // Where every route wants a server name, there is nobody to hear before the client has said one.
    protocol: protocol === 'detect' && !intake.servesNameless(streams) ? 'http' : protocol,
    http2,
    byServerName: protocol !== 'tcp',
    open: ({ signal, serverName, client }) => intake.open({ streams, protocol: serverName === undefined ? 'tcp' : 'tls', serverName: serverName ?? '', client }, signal),
  };
}
