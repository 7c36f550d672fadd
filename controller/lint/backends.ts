import type { ClusterState, KubernetesObject } from '#crds';
import { pathEscapes, type Pace, type Steps } from '#snapshot';
import type { Attachment } from '../graph/routes/attachments.ts';
import type { Graph } from '../graph/graph.ts';
import { injectLabel } from '../injection.ts';
import { memoByMap } from '../memo.ts';
import { problem } from '../problems.ts';
import { balancingAnnotation, renderEndpoints } from '../render/endpoints.ts';
import { escapesAnnotation, strangeEscapes } from '../render/escapes.ts';
import type { Problem } from '../types.ts';

/** Backends that get requests and have nowhere to send them. */
export function* idleBackends(state: ClusterState, attachments: readonly Attachment[], pace: Pace): Steps<readonly Problem[]> {
  const empty = new Map<string, boolean>();
  const isEmpty = (backend: string): boolean => {
    const known = empty.get(backend) ?? renderEndpoints(state, backend)?.endpoints.length === 0;
    empty.set(backend, known);
    return known;
  };
  const problems: Problem[] = [];
  for (const { route, built, to } of attachments) {
    if (pace.spend()) yield;
    if (to === undefined) continue;
    for (const { rule } of built.rules) {
      for (const { target, weight, index } of rule.backends) {
        if (target.kind === 'invalid' || weight === 0 || !isEmpty(target.backend)) continue;
        const { namespace, name } = target.ref;
        const message = `Service ${namespace}/${name} has no ready endpoint for port ${target.port}: ${consequences[route.kind] ?? 'its requests get a 503'}`;
        problems.push(problem('warning', route, { reason: 'NoReadyEndpoints', path: ['spec', 'rules', rule.index, 'backendRefs', index], message }));
      }
    }
  }
  return problems;
}

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
  return [...strangeBalancings(state.services), ...strangeInjections(state.namespaces), ...[state.gateways, state.listenerSets, state.services].flatMap((objects) => strangePaths(objects))];
}

/** What a namespace's label means when it is neither of its values: nothing (the webhook's selector is for the one). */
const strangeInjections = memoByMap((namespaces: ClusterState['namespaces']) =>
  [...namespaces.values()].flatMap((namespace): Problem[] => {
    const value = namespace.metadata.labels?.[injectLabel];
    if (value === undefined || value === 'enabled' || value === 'disabled') return [];
    return [problem('warning', namespace, { reason: 'UnsupportedValue', path: ['metadata', 'labels', injectLabel], message: `${value} means nothing: Pods get no sidecar; write enabled or disabled` })];
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
