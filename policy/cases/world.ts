import type { XBackendTrafficPolicy } from '#crds';
import type { RetryFields, TimeoutFields } from '#snapshot';
import type { Carried } from '../settle/leaves.ts';
import { gatewayPath, meshPath } from '../settle/paths.ts';
import type { Lookup, Policy, PolicyPath, PolicySpec, PolicyTarget, TargetRef } from '../types.ts';

/**
 * The cluster in which the cases play: Gateways `g1` and `g2` in `infra`, route `foo` in `shop` with rule `pay`, Service `api` in `back`
 * with port `http`, its producer route `api`, and a consumer route `api` in `a`. Clients live in `a`, `c` and `back`. A TCPRoute and a UDPRoute of `back`,
 * both `db`, lead to the same Service.
 */
export type Place = keyof typeof places;

const gatewayGroup = 'gateway.networking.k8s.io';

export const places = {
  class: place('weft-system', gatewayGroup, 'GatewayClass', 'weft'),
  mesh: place('weft-system', 'gateway.networking.x-k8s.io', 'XMesh', 'weft'),
  'gateway-namespace': place('infra', '', 'Namespace', 'infra'),
  g1: place('infra', gatewayGroup, 'Gateway', 'g1'),
  'g1-https': place('infra', gatewayGroup, 'Gateway', 'g1', 'https'),
  'g1-tcp': place('infra', gatewayGroup, 'Gateway', 'g1', 'tcp'),
  g2: place('infra', gatewayGroup, 'Gateway', 'g2'),
  'listener-set': place('shop', gatewayGroup, 'ListenerSet', 'extra'),
  'route-namespace': place('shop', '', 'Namespace', 'shop'),
  route: place('shop', gatewayGroup, 'HTTPRoute', 'foo'),
  rule: place('shop', gatewayGroup, 'HTTPRoute', 'foo', 'pay'),
  'backend-namespace': place('back', '', 'Namespace', 'back'),
  'producer-route': place('back', gatewayGroup, 'HTTPRoute', 'api'),
  'tcp-route': place('back', gatewayGroup, 'TCPRoute', 'db'),
  'udp-route': place('back', gatewayGroup, 'UDPRoute', 'db'),
  service: place('back', '', 'Service', 'api'),
  port: place('back', '', 'Service', 'api', 'http'),
  'client-namespace': place('a', '', 'Namespace', 'a'),
  'consumer-route': place('a', gatewayGroup, 'HTTPRoute', 'api'),
  'other-service': place('back', '', 'Service', 'api-v2'),
} as const;

export type PathName = keyof typeof paths;

const foo = { ref: { kind: 'HTTPRoute', namespace: 'shop', name: 'foo' }, rule: 'pay' };
const api = { namespace: 'back', name: 'api', port: 'http' };
const g1 = { namespace: 'infra', name: 'g1' };
const producer = { ref: { kind: 'HTTPRoute', namespace: 'back', name: 'api' } };
const tcp = { ref: { kind: 'TCPRoute', namespace: 'back', name: 'db' } };
const udp = { ref: { kind: 'UDPRoute', namespace: 'back', name: 'db' } };
const consumer = { ref: { kind: 'HTTPRoute', namespace: 'a', name: 'api' } };

export const paths = {
  'g1 https': gatewayPath({ gatewayClass: 'weft', gateway: g1, listener: 'https', route: foo, backend: api }),
  'g1 http': gatewayPath({ gatewayClass: 'weft', gateway: g1, listener: 'http', route: foo, backend: api }),
  'g1 http, other rule': gatewayPath({ gatewayClass: 'weft', gateway: g1, listener: 'http', route: { ref: foo.ref }, backend: api }),
  'g1 http, other backend': gatewayPath({ gatewayClass: 'weft', gateway: g1, listener: 'http', route: foo, backend: { namespace: 'back', name: 'api-v2' } }),
  'g1 http, no backend': gatewayPath({ gatewayClass: 'weft', gateway: g1, listener: 'http', route: foo }),
  'g1 listener set': gatewayPath({ gatewayClass: 'weft', gateway: g1, listener: 'http', listenerSet: { namespace: 'shop', name: 'extra' }, route: foo, backend: api }),
  'g1, route and backend in back': gatewayPath({ gatewayClass: 'weft', gateway: g1, listener: 'http', route: producer, backend: api }),
  'g2 http': gatewayPath({ gatewayClass: 'weft', gateway: { namespace: 'infra', name: 'g2' }, listener: 'http', route: foo, backend: api }),
  'mesh from a': meshPath({ mesh: 'weft', clientNamespace: 'a', service: api }),
  'mesh from c': meshPath({ mesh: 'weft', clientNamespace: 'c', service: api }),
  'mesh from back': meshPath({ mesh: 'weft', clientNamespace: 'back', service: api }),
  'mesh from c, producer route': meshPath({ mesh: 'weft', clientNamespace: 'c', service: api, route: producer, backend: api }),
  'mesh from a, consumer route': meshPath({ mesh: 'weft', clientNamespace: 'a', service: api, route: consumer, backend: api }),
  'mesh from c, routed to api-v2': meshPath({ mesh: 'weft', clientNamespace: 'c', service: api, route: producer, backend: { namespace: 'back', name: 'api-v2' } }),
  'tcp g1': gatewayPath({ gatewayClass: 'weft', gateway: g1, listener: 'tcp', route: tcp, backend: api }),
  'udp g1': gatewayPath({ gatewayClass: 'weft', gateway: g1, listener: 'udp', route: udp, backend: api }),
  'tcp mesh from a': meshPath({ mesh: 'weft', clientNamespace: 'a', service: api, route: tcp, backend: api }),
} as const satisfies Record<string, PolicyPath>;

/** What goes along the path. */
export function carriedBy(path: PathName): Carried {
  return path.startsWith('tcp ') ? 'connections' : path.startsWith('udp ') ? 'datagrams' : 'requests';
}

/** A policy in the shorthand of a case: `retry` makes it a RetryPolicy. Without a name it has its place's. */
export interface PolicyRow {
  readonly on: Place | readonly Place[];
  readonly name?: string;
  /** RFC 3339; rows as in manifests have none. */
  readonly created?: string;
  readonly retry?: Stanzas<RetryFields>;
  readonly timeouts?: Stanzas<TimeoutFields>;
}

/** An XBackendTrafficPolicy on a Service of `back`. */
export interface TrafficRow {
  readonly traffic: 'api' | 'api-v2';
  readonly name?: string;
  readonly created?: string;
  readonly percent?: number;
  /** Of the cookie. */
  readonly session?: string;
}

export function trafficPolicyOf({ traffic, name = 'constraint', created, percent, session }: TrafficRow): XBackendTrafficPolicy {
  return {
    apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
    kind: 'XBackendTrafficPolicy',
    metadata: { name, namespace: 'back', generation: 1, ...(created === undefined ? {} : { creationTimestamp: created }) },
    spec: {
      targetRefs: [{ group: '', kind: 'Service', name: traffic }],
      ...(percent === undefined ? {} : { retryConstraint: { budget: { percent, interval: '10s' }, minRetryRate: { count: 30, interval: '1m' } } }),
      ...(session === undefined ? {} : { sessionPersistence: { type: 'Cookie', cookie: { name: session, path: '/', lifetimeType: 'Session' } } }),
    },
  };
}

type Stanzas<Fields> = Pick<PolicySpec<Fields>, 'override' | 'default'>;

/** As the API server would give it. Several places must be in one namespace. */
export function policyOf({ on, name, created, retry, timeouts }: PolicyRow): Policy {
  const chosen = (typeof on === 'string' ? [on] : on).map((each) => places[each]);
  const targets = chosen.length === 1 ? { targetRef: chosen[0]!.ref } : { targetRefs: chosen.map(({ ref }) => ref) };
  return {
    apiVersion: 'policy.weft-mesh.io/v1alpha1',
    kind: retry === undefined ? 'TimeoutPolicy' : 'RetryPolicy',
    metadata: { name: name ?? String(on), namespace: chosen[0]!.namespace, generation: 1, ...(created === undefined ? {} : { creationTimestamp: created }) },
    spec: { ...targets, ...retry, ...timeouts },
  } as Policy;
}

/** Knows every place, and `Service back/ghost` not. */
export const lookup: Lookup = (target: PolicyTarget) => {
  const same = Object.values(places).filter(({ namespace, ref }) => ref.kind === target.kind && ref.name === target.name && (target.namespace === '' || namespace === target.namespace));
  if (same.length === 0) return 'no-target';
  return target.section === undefined || same.some(({ ref }) => ref.sectionName === target.section) ? 'found' : { sections: same.flatMap(({ ref }) => ref.sectionName ?? []) };
};

function place(namespace: string, group: string, kind: string, name: string, sectionName?: string): { readonly namespace: string; readonly ref: TargetRef } {
  return { namespace, ref: { group, kind, name, ...(sectionName === undefined ? {} : { sectionName }) } };
}
