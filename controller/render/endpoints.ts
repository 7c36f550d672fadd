import type { ClusterState, EndpointSlice, Pod, Service, ServicePort } from '#crds';
import { familyOf, normalAddress, type Backend, type Endpoint, type Endpoints, type Family } from '#snapshot';
import { compareText, labelKey, podsByLabel } from '../cluster.ts';
import { sourceOf } from '../derived.ts';
import { derivedName } from '../graph/imports/expand.ts';
import { portByName } from '../graph/ports.ts';
import type { TlsOf } from '../graph/tls/spoken.ts';
import { readTlsVariant } from '../graph/tls/variants.ts';
import { matchesLabels } from '../graph/selectors.ts';
import { isBehindSidecar } from '../injection.ts';
import { memoByMap } from '../memo.ts';
import { refOf } from '../problems.ts';

/** A Service's annotation: `least-request` (as without it) or `round-robin`. */
export const balancingAnnotation = 'weft-mesh.io/balancing';

export function renderBackend(state: ClusterState, name: string, tlsOf: TlsOf): Backend | undefined {
  const found = portByName(state.services, name);
  const spoken = tlsOf(name);
  if (found === undefined || found.service.spec.type === 'ExternalName' || (spoken === undefined && readTlsVariant(name) !== undefined)) return undefined;
  const roundRobin = found.service.metadata.annotations?.[balancingAnnotation] === 'round-robin';
  return {
    kind: 'Backend',
    name,
    ref: refOf(found.service),
    port: found.port.port,
    protocol: found.protocol,
    balancing: roundRobin ? 'round-robin' : 'least-request',
    ...(spoken === undefined ? {} : { tls: spoken.tls }),
  };
}

/**
 * The endpoints of a Backend, by its name; undefined where there is no such Service and port. Needs nothing
 * of the graph, so a change of endpoints alone goes this way only. EndpointSlices count where there are any for the Service,
 * else the Pods that its selector picks. A Pod with addresses of both families, and a Service of both, gives two endpoints: which of them a
 * proxy can reach, it knows itself (`endpointsFor`).
 */
export function renderEndpoints(state: ClusterState, name: string): Endpoints | undefined {
  const found = portByName(state.services, name);
  if (found === undefined || found.service.spec.type === 'ExternalName') return undefined;
  const { service, port } = found;
  const slices = slicesByService(state.endpointSlices).get(`${service.metadata.namespace}/${service.metadata.name}`);
  const endpoints = slices === undefined ? fromPods(state, service, port) : fromSlices(slices, { pods: state.pods, service, port });
  return sameAgain(service, { kind: 'Endpoints', name, endpoints: sorted(endpoints, firstFamily(service)) });
}

const before = new WeakMap<Service, Map<string, Endpoints>>();

/** The object that was made last time, where it is equal: whoever compares by identity sees that nothing changed. */
function sameAgain(service: Service, made: Endpoints): Endpoints {
  const byName = before.get(service) ?? new Map<string, Endpoints>();
  before.set(service, byName);
  const old = byName.get(made.name);
  if (old !== undefined && JSON.stringify(old.endpoints) === JSON.stringify(made.endpoints)) return old;
  byName.set(made.name, made);
  return made;
}

const slicesByService = memoByMap((slices: ReadonlyMap<string, EndpointSlice>) => {
  const byService = new Map<string, EndpointSlice[]>();
  for (const slice of slices.values()) {
    const { 'kubernetes.io/service-name': own, 'multicluster.kubernetes.io/service-name': imported } = slice.metadata.labels ?? {};
    for (const service of [own, imported === undefined ? undefined : derivedName(imported)]) {
      if (service === undefined) continue;
      const key = `${slice.metadata.namespace}/${service}`;
      const group = byService.get(key);
      if (group === undefined) byService.set(key, [slice]);
      else group.push(slice);
    }
  }
  // In the order of their names: of two that have one address the later counts.
  for (const group of byService.values()) group.sort((a, b) => compareText(a.metadata.name, b.metadata.name));
  return byService;
});

function fromSlices(slices: readonly EndpointSlice[], { pods, service, port }: { readonly pods: ClusterState['pods']; readonly service: Service; readonly port: ServicePort }): readonly Endpoint[] {
  const isImported = sourceOf(service) !== undefined;
  return slices.flatMap((slice) => {
    if (slice.addressType === 'FQDN') return [];
    const number = slice.ports.find((each) => each.name === port.name && each.protocol === port.protocol)?.port;
    if (number === undefined) return [];
    return slice.endpoints.flatMap(({ addresses, conditions, targetRef }): Endpoint[] => {
      const [address] = addresses;
      if (address === undefined || !(conditions.ready || service.spec.publishNotReadyAddresses)) return [];
      const workload = targetRef?.kind === 'Pod' && targetRef.name !== undefined ? `${targetRef.namespace ?? slice.metadata.namespace}/${targetRef.name}` : undefined;
      // A Pod of another cluster may be called as one of this.
      const isHere = workload !== undefined && (!isImported || pods.get(workload)?.status.podIPs.some(({ ip }) => normalAddress(ip) === normalAddress(address)) === true);
      return [{ address: normalAddress(address), port: number, ...(isHere ? { workload, ...sidecarOf(pods.get(workload)) } : {}) }];
    });
  });
}

function fromPods(state: ClusterState, service: Service, port: ServicePort): readonly Endpoint[] {
  const { namespace } = service.metadata;
  return selectedPods(state, service).flatMap((pod): Endpoint[] => {
    if (!isReady(pod, service)) return [];
    const number = containerPort(pod, port);
    if (number === undefined) return [];
    return addressesOf(pod, service).map((address) => ({ address, port: number, workload: `${namespace}/${pod.metadata.name}`, ...sidecarOf(pod) }));
  });
}

/** Of the Service's families, as a cluster would write them into EndpointSlices. Where a manifest names none, the Pod's first address stands for the cluster's. */
function addressesOf({ status: { podIP, podIPs } }: Pod, { spec: { ipFamilies, ipFamilyPolicy } }: Service): readonly string[] {
  const all = podIPs.map(({ ip }) => normalAddress(ip));
  if (ipFamilies.length > 1 || ipFamilyPolicy === 'PreferDualStack' || ipFamilyPolicy === 'RequireDualStack') return all;
  if (ipFamilies[0] !== undefined) return all.filter((address) => familyOf(address) === ipFamilies[0]);
  return podIP === undefined ? [] : [normalAddress(podIP)];
}

/** The one that a client takes first: that of `clusterIP`. */
function firstFamily({ spec: { ipFamilies, clusterIP = '' } }: Service): Family {
  return ipFamilies[0] ?? familyOf(clusterIP);
}

/** In the order of their names: of two with one address the later counts. */
function selectedPods({ pods }: ClusterState, { metadata: { namespace }, spec: { selector = {} } }: Service): readonly Pod[] {
  const byLabel = podsByLabel(pods);
  let fewest: readonly Pod[] | undefined;
  for (const [label, value] of Object.entries(selector)) {
    const group = byLabel.get(labelKey(namespace, label, value)) ?? [];
    if (fewest === undefined || group.length < fewest.length) fewest = group;
  }
  return (fewest ?? []).filter(({ metadata }) => matchesLabels(selector, metadata.labels ?? {})).sort((a, b) => compareText(a.metadata.name, b.metadata.name));
}

function sidecarOf(pod: Pod | undefined): { readonly sidecar?: true } {
  return pod !== undefined && isBehindSidecar(pod) ? { sidecar: true } : {};
}

/** Ready unless its status says otherwise: a manifest has no kubelet that writes one. */
function isReady(pod: Pod, service: Service): boolean {
  const { phase, conditions } = pod.status;
  if (phase === 'Succeeded' || phase === 'Failed') return false;
  if (service.spec.publishNotReadyAddresses) return true;
  if (pod.metadata.deletionTimestamp !== undefined || phase === 'Pending' || phase === 'Unknown') return false;
  return conditions.every(({ type, status }) => type !== 'Ready' || status === 'True');
}

/** A named targetPort is looked up in each Pod: two Pods of one Service may have it on different numbers. */
function containerPort(pod: Pod, { targetPort, protocol }: ServicePort): number | undefined {
  if (typeof targetPort === 'number') return targetPort;
  const containers = [...pod.spec.containers, ...pod.spec.initContainers];
  return containers.flatMap(({ ports }) => ports).find((port) => port.name === targetPort && port.protocol === protocol)?.containerPort;
}

/** In one order whatever the order of the input, and each address once. */
function sorted(endpoints: readonly Endpoint[], first: Family): readonly Endpoint[] {
  const distinct = new Map(endpoints.map((endpoint) => [`${familyOf(endpoint.address) === first ? 0 : 1} ${endpoint.address} ${endpoint.port}`, endpoint]));
  return [...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}
