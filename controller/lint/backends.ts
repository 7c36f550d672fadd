import type { ClusterState, KubernetesObject } from '#crds';
import { normalAddress, pathEscapes, type Endpoint, type Filter, type Pace, type Steps } from '#snapshot';
import type { Graph } from '../graph/graph.ts';
import { injectLabel } from '../injection.ts';
import { memoByMap } from '../memo.ts';
import { problem } from '../problems.ts';
import { gatewayNameLabel, labelValue } from '../provision/names.ts';
import { balancingAnnotation, renderEndpoints } from '../render/endpoints.ts';
import { escapesAnnotation, strangeEscapes } from '../render/escapes.ts';
import { mostTrustedHops, strangeTrustedHops, trustedHopsAnnotation } from '../render/trusted-hops.ts';
import type { Environment, Problem } from '../types.ts';

/** What backends lead to, as far as it is of use to nobody. */
interface Destination {
  readonly isEmpty: boolean;
  /** Ports of Gateways (`namespace/name|port`) of which an endpoint is a proxy. */
  readonly entrances: ReadonlySet<string>;
}

/** Backends that get requests and have nowhere to send them, or send them back to where they came in. */
export function* uselessBackends(state: ClusterState, { attachments, gateways }: Pick<Graph, 'attachments' | 'gateways'>, { portOffset }: Pick<Environment, 'portOffset'>, pace: Pace): Steps<readonly Problem[]> {
  const entrancesOf = entrances(state, gateways);
  const known = new Map<string, Destination>();
  const destination = (backend: string): Destination => {
    const before = known.get(backend);
    if (before !== undefined) return before;
    const endpoints = renderEndpoints(state, backend)?.endpoints;
    const found = { isEmpty: endpoints?.length === 0, entrances: new Set((endpoints ?? []).flatMap(entrancesOf)) };
    known.set(backend, found);
    return found;
  };
  const problems: Problem[] = [];
  for (const { route, built, to } of attachments) {
    if (pace.spend()) yield;
    if (to === undefined) continue;
    for (const { rule } of built.rules) {
      for (const { target, weight, index, filters } of rule.backends) {
        if (target.kind === 'invalid' || weight === 0) continue;
        const { isEmpty, entrances: back } = destination(target.backend);
        const { namespace, name } = target.ref;
        const path = ['spec', 'rules', rule.index, 'backendRefs', index];
        if (isEmpty) {
          const message = `Service ${namespace}/${name} has no ready endpoint for port ${target.port}: ${consequences[route.kind] ?? 'its requests get a 503'}`;
          problems.push(problem('warning', route, { reason: 'NoReadyEndpoints', path, message }));
        } else if (back.size > 0 && to.kind === 'gateway' && !isRewritten([...rule.filters, ...filters])) {
          const section = to.sections.find(({ listener: { gateway, listener } }) => listener.protocol !== 'HTTPS' && back.has(entrance(gateway, listener.port + portOffset)));
          if (section === undefined) continue;
          const { name: listener } = section.listener.listener;
          const message = `Service ${namespace}/${name} leads back to the Gateway, to the port of its listener ${listener}: ${roundTrips[route.kind] ?? 'its requests go round until they are refused with a 508'}`;
          problems.push(problem('warning', route, { reason: 'RoutingLoop', path, message }));
        }
      }
    }
  }
  return problems;
}

/** What comes in again is routed as it was before, unless a filter has changed what matches look at. */
function isRewritten(filters: readonly Filter[]): boolean {
  return filters.some(({ type }) => type === 'URLRewrite' || type === 'RequestHeaderModifier');
}

function entrance({ metadata: { namespace, name } }: KubernetesObject, port: number): string {
  return `${namespace}/${name}|${port}`;
}

/** The Gateways' ports at which an endpoint is: by the Gateway's address, or by the Pod that was made for it. */
function entrances(state: ClusterState, gateways: Graph['gateways']): (endpoint: Endpoint) => readonly string[] {
  const byAddress = new Map<string, KubernetesObject>();
  const byLabel = new Map<string, KubernetesObject>();
  for (const { gateway, addresses } of gateways.values()) {
    for (const address of addresses) byAddress.set(normalAddress(address), gateway);
    byLabel.set(`${gateway.metadata.namespace}/${labelValue(gateway.metadata.name)}`, gateway);
  }
  return ({ address, port, workload }) => {
    const pod = workload === undefined ? undefined : state.pods.get(workload);
    const made = pod?.metadata.labels?.[gatewayNameLabel];
    return [byAddress.get(address), made === undefined ? undefined : byLabel.get(`${pod!.metadata.namespace}/${made}`)].flatMap((gateway) => (gateway === undefined ? [] : [entrance(gateway, port)]));
  };
}

/** Of a backend that leads back, by the kind of the route. */
const roundTrips: Readonly<Record<string, string>> = {
  GRPCRoute: 'its calls go round until they get the status 9 (FAILED_PRECONDITION)',
  TLSRoute: 'its connections are reset',
  TCPRoute: 'its connections are reset',
  UDPRoute: 'its datagrams are dropped',
};

/** Of a backend without endpoints, by the kind of the route. */
const consequences: Readonly<Record<string, string>> = {
  GRPCRoute: 'its calls get the status 14 (UNAVAILABLE)',
  TLSRoute: 'its connections are closed',
  TCPRoute: 'its connections are closed',
  UDPRoute: 'its datagrams are dropped',
};

/** EndpointSlices of names: what they mean is not defined, and kube-proxy passes over them as well (EndpointSlice.addressType). */
export const slicesOfNames = memoByMap((slices: ClusterState['endpointSlices']): readonly Problem[] =>
  [...slices.values()].flatMap((slice): Problem[] => {
    if (slice.addressType !== 'FQDN') return [];
    const message = 'endpoints of type FQDN are not supported: requests go to none of them; write slices of type IPv4 or IPv6';
    return [problem('warning', slice, { reason: 'UnsupportedValue', path: ['addressType'], message })];
  }),
);

const balancings = ['least-request', 'round-robin'];

/** Values of our annotations and labels that mean nothing. */
export function strangeAnnotations({ cluster: { state } }: Graph): readonly Problem[] {
  return [...strangeBalancings(state.services), ...strangeInjections(state.namespaces), ...strangeHops(state.gateways), ...[state.gateways, state.listenerSets, state.services].flatMap((objects) => strangePaths(objects))];
}

/** What a namespace's label means when it is neither of its values: nothing (the webhook's selector is for the one). */
const strangeInjections = memoByMap((namespaces: ClusterState['namespaces']) =>
  [...namespaces.values()].flatMap((namespace): Problem[] => {
    const value = namespace.metadata.labels?.[injectLabel];
    if (value === undefined || value === 'enabled' || value === 'disabled') return [];
    return [problem('warning', namespace, { reason: 'UnsupportedValue', path: ['metadata', 'labels', injectLabel], message: `${value} means nothing: Pods get no sidecar; write enabled or disabled` })];
  }),
);

const strangeHops = memoByMap((gateways: ClusterState['gateways']) =>
  [...gateways.values()].flatMap((gateway): Problem[] => {
    const value = strangeTrustedHops(gateway);
    if (value === undefined) return [];
    const message = `${value === '' ? 'an empty value' : value} is no number from 0 to ${mostTrustedHops}: clients count as strangers, what they say of themselves is replaced`;
    return [problem('warning', gateway, { reason: 'UnsupportedValue', path: ['metadata', 'annotations', trustedHopsAnnotation], message })];
  }),
);

const strangePaths = memoByMap((objects: ReadonlyMap<string, KubernetesObject>): readonly Problem[] =>
  [...objects.values()].flatMap((object) =>
    strangeEscapes(object).map((word) => {
      const message = `${word === '' ? 'an empty word' : word} means nothing here; there are ${pathEscapes.join(', ')}`;
      return problem('warning', object, { reason: 'UnsupportedValue', path: ['metadata', 'annotations', escapesAnnotation], message });
    }),
  ),
);

const strangeBalancings = memoByMap((services: ClusterState['services']): readonly Problem[] => {
  return [...services.values()].flatMap((service): Problem[] => {
    const value = service.metadata.annotations?.[balancingAnnotation];
    if (value === undefined || balancings.includes(value)) return [];
    const message = `${value} is no way of balancing; there are ${balancings.join(' and ')}`;
    return [problem('warning', service, { reason: 'UnsupportedValue', path: ['metadata', 'annotations', balancingAnnotation], message })];
  });
});
