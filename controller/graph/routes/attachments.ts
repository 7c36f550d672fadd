import type { Service } from '#crds';
import { intersectHostnames, type RouteHostname } from '#snapshot';
import type { Cluster } from '../../cluster.ts';
import { Memo } from '../../memo.ts';
import { experimentalGroup, gatewayGroup, importGroup, importKind } from '../../names.ts';
import { no, withPath, type Fault, type Verdict } from '../../problems.ts';
import { carriedBy, protocolRefusal } from '../ports.ts';
import { listenerSetsOf, type GatewayFacts } from '../listeners/gateways.ts';
import { parentKey, type ListenerSetFacts } from '../listeners/listener-sets.ts';
import { listenersMeeting } from '../listeners/by-hostname.ts';
import { allows, type ListenerFacts } from '../listeners/listeners.ts';
import { backendTlsIndex } from '../tls/backend-policies.ts';
import { buildRoute, type BuiltRoute } from './build.ts';
import { hostnamesOf, isRequestRoute, withArticle, type AnyRoute, type ParentRef } from './route.ts';

/** One of a route's parentRefs that is ours to answer, and the answer. */
export interface Attachment {
  readonly route: AnyRoute;
  readonly built: BuiltRoute;
  readonly index: number;
  readonly parentRef: ParentRef;
  readonly accepted: Verdict;
  /** Where the route is attached; undefined where it is not accepted. */
  readonly to?: AttachedTo;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

export type AttachedTo =
  | { readonly kind: 'gateway'; readonly sections: readonly AttachedSection[] }
  | { readonly kind: 'service'; readonly service: Service; readonly ports: readonly number[] };

export interface AttachedSection {
  readonly listener: ListenerFacts;
  readonly hostnames: readonly RouteHostname[];
}

export interface Parents {
  readonly cluster: Cluster;
  readonly gateways: ReadonlyMap<string, GatewayFacts>;
}

/** What became of a route's parentRefs; those of other controllers are left out. */
export interface RouteAttachments {
  readonly route: AnyRoute;
  readonly attachments: readonly Attachment[];
  /** About parentRefs that nobody answers. */
  readonly warnings: readonly Fault[];
}

export function attachRoute(route: AnyRoute, parents: Parents): RouteAttachments {
  const { state } = parents.cluster;
  const inputs = [parents.gateways, state.gateways, state.services, state.namespaces, state.listenerSets, state.referenceGrants, backendTlsIndex(parents.cluster)];
  return known.get(route, inputs, () => attach(route, parents));
}

const known = new Memo<AnyRoute, RouteAttachments>();

function attach(route: AnyRoute, parents: Parents): RouteAttachments {
  const attachments: Attachment[] = [];
  const warnings: Fault[] = [];
  for (const [index, parentRef] of (route.spec.parentRefs ?? []).entries()) {
    const path = ['spec', 'parentRefs', index];
    const parent = findParent(route, parentRef, path, parents);
    if ('warning' in parent) warnings.push(parent.warning);
    else if ('attach' in parent) attachments.push(parent.attach(index));
  }
  if (warnings.length === 0 && (route.spec.parentRefs ?? []).length === 0 && route.spec.useDefaultGateways !== 'All') {
    warnings.push({ reason: 'NoParents', path: ['spec'], message: 'the route has no parentRefs, so it has no effect' });
  }
  if (route.spec.useDefaultGateways === 'All') {
    warnings.push({ reason: 'UnsupportedValue', path: ['spec', 'useDefaultGateways'], message: 'default Gateways are not supported yet; name the Gateway in parentRefs' });
  }
  return { route, attachments, warnings };
}

type Found = { readonly attach: (index: number) => Attachment } | { readonly warning: Fault } | { readonly foreign: true };

function findParent(route: AnyRoute, ref: ParentRef, path: Fault['path'], { cluster, gateways }: Parents): Found {
  const namespace = ref.namespace ?? route.metadata.namespace;
  const key = `${namespace}/${ref.name}`;
  if (ref.group === gatewayGroup && ref.kind === 'Gateway') {
    const facts = gateways.get(key);
    if (facts !== undefined) return { attach: (index) => attachToListeners(route, ref, index, { parent: { name: `Gateway ${key}`, listeners: facts.listeners }, cluster }) };
    if (cluster.state.gateways.has(key)) return { foreign: true };
    return { warning: { reason: 'ParentNotFound', path, message: `Gateway ${key} not found; the route has no effect there` } };
  }
  if ((ref.group === '' && ref.kind === 'Service') || (ref.group === importGroup && ref.kind === importKind)) {
    return { attach: (index) => attachToService(route, ref, index, cluster) };
  }
  if (ref.group === gatewayGroup && ref.kind === 'ListenerSet') {
    const facts = listenerSetsOf(gateways).get(key);
    if (facts !== undefined) return { attach: (index) => attachToSet(route, ref, index, { facts, cluster }) };
    const set = cluster.state.listenerSets.get(key);
    if (set === undefined) return { warning: { reason: 'ParentNotFound', path, message: `ListenerSet ${key} not found; the route has no effect there` } };
    if (cluster.state.gateways.has(parentKey(set))) return { foreign: true };
    return { warning: { reason: 'ParentNotFound', path, message: `the parent of ListenerSet ${key} is not found; the route has no effect there` } };
  }
  if (ref.kind === 'Service') {
    return { warning: { reason: 'ParentNotFound', path: [...path, 'group'], message: `a parentRef to a Service needs group: "" (it says ${ref.group}); the route has no effect there` } };
  }
  if (ref.group === gatewayGroup || ref.group === experimentalGroup) {
    return { warning: { reason: 'ParentNotFound', path, message: `${ref.kind} can not be a parent of a route; a Gateway, a ListenerSet or a Service (group "") can` } };
  }
  return { foreign: true };
}

/** A ListenerSet that its Gateway does not let in has no listener that a route could be attached to. */
function attachToSet(route: AnyRoute, ref: ParentRef, index: number, { facts, cluster }: { readonly facts: ListenerSetFacts; readonly cluster: Cluster }): Attachment {
  const { namespace, name } = facts.set.metadata;
  const parent = { name: `ListenerSet ${namespace}/${name}`, listeners: facts.listeners };
  if (facts.accepted.reason !== 'NotAllowed') return attachToListeners(route, ref, index, { parent, cluster });
  const fault = { reason: 'NoMatchingParent', path: ['spec', 'parentRefs', index], message: `${parent.name} is not attached to its Gateway: ${facts.accepted.message}` };
  return refused({ route, built: buildRoute(route, 'gateway', cluster), index, parentRef: ref }, fault);
}

/** A Gateway or a ListenerSet, and the listeners that are its own: a route of the one has no part in the other's. */
interface ListenerParent {
  readonly name: string;
  readonly listeners: readonly ListenerFacts[];
}

function attachToListeners(route: AnyRoute, ref: ParentRef, index: number, { parent, cluster }: { readonly parent: ListenerParent; readonly cluster: Cluster }): Attachment {
  const built = buildRoute(route, 'gateway', cluster);
  const isMeant = ({ listener }: ListenerFacts): boolean => (ref.sectionName === undefined || listener.name === ref.sectionName) && (ref.port === undefined || listener.port === ref.port);
  const isOpen = (listener: ListenerFacts): boolean => allows(listener, route.kind, route.metadata.namespace, cluster);
  const sections = listenersMeeting(parent.listeners, takesHostnames(route) ? hostnamesOf(route) : []).flatMap((listener): AttachedSection[] => {
    const hostnames = !isMeant(listener) || !isOpen(listener) ? undefined : takesHostnames(route) ? intersectHostnames(listener.hostname, hostnamesOf(route)) : [];
    return hostnames === undefined ? [] : [{ listener, hostnames }];
  });
  if (sections.length === 0) return refused({ route, built, index, parentRef: ref }, whyNowhere(route, { ref, index }, { parent, isMeant, isOpen }));
  return {
    route, built, index, parentRef: ref, accepted: built.accepted, faults: [],
    ...(built.accepted.status === 'True' ? { to: { kind: 'gateway', sections } } : {}),
    warnings: unreachableHostnames(route, sections, parent.name),
  };
}

interface Choice {
  readonly parent: ListenerParent;
  isMeant(listener: ListenerFacts): boolean;
  isOpen(listener: ListenerFacts): boolean;
}

/** Why a route is attached to none of a parent's listeners. */
function whyNowhere(route: AnyRoute, { ref, index }: { readonly ref: ParentRef; readonly index: number }, { parent, isMeant, isOpen }: Choice): Fault {
  const path = ['spec', 'parentRefs', index];
  const candidates = parent.listeners.filter(isMeant);
  if (candidates.length === 0) {
    const wanted = [...(ref.sectionName === undefined ? [] : [`name ${ref.sectionName}`]), ...(ref.port === undefined ? [] : [`port ${ref.port}`])].join(' and ');
    return { reason: 'NoMatchingParent', path, message: `${parent.name} has no listener with ${wanted}; it has ${parent.listeners.map(({ listener }) => `${listener.name} (${listener.port})`).join(', ')}` };
  }
  const open = candidates.filter(isOpen);
  if (open.length === 0) {
    if (candidates.every(({ supportedKinds }) => !supportedKinds.some(({ kind }) => kind === route.kind))) {
      const taken = candidates.slice(0, 5).map(({ listener, supportedKinds }) => `${listener.name} (${listener.protocol}) takes ${supportedKinds.map(({ kind }) => kind).join(', ') || 'none'}`);
      return { reason: 'NotAllowedByListeners', path, message: `no listener of ${parent.name} takes ${withArticle(route.kind)}: ${taken.join('; ')}` };
    }
    return { reason: 'NotAllowedByListeners', path, message: `no listener of ${parent.name} allows ${withArticle(route.kind)} from namespace ${route.metadata.namespace}: see allowedRoutes of ${listenerNames(candidates)}` };
  }
  const theirs = [...new Set(open.map(({ hostname }) => hostname))].join(', ');
  return { reason: 'NoMatchingListenerHostname', path: ['spec', 'hostnames'], message: `no hostname of the route meets that of a listener of ${parent.name} (${theirs})` };
}

/** A TCPRoute on a listener that ends TLS gets every connection of the listener, whose hostname has chosen already. */
function takesHostnames(route: AnyRoute): boolean {
  return isRequestRoute(route) || route.kind === 'TLSRoute';
}

function listenerNames(listeners: readonly ListenerFacts[]): string {
  return listeners.map(({ listener }) => listener.name).join(', ');
}

/** Hostnames of the route that no listener it is attached to takes. */
function unreachableHostnames(route: AnyRoute, sections: readonly AttachedSection[], parent: string): readonly Fault[] {
  const reached = new Set(sections.flatMap(({ hostnames }) => hostnames.map(({ written }) => written)));
  return hostnamesOf(route).flatMap((hostname, index): Fault[] => {
    if (reached.has(hostname.toLowerCase())) return [];
    return [{ reason: 'UnreachableHostname', path: ['spec', 'hostnames', index], message: `no listener of ${parent} that the route is attached to takes hostname ${hostname}` }];
  });
}

/**
 * Joins a route to the frontend of a Service (GEP-1294). Headless Services and those of type ExternalName have no frontend
 * that requests pass through, so a route on them would have no effect; it is refused.
 */
function attachToService(route: AnyRoute, ref: ParentRef, index: number, cluster: Cluster): Attachment {
  const built = buildRoute(route, 'mesh', cluster);
  const key = `${ref.namespace ?? route.metadata.namespace}/${ref.name}`;
  const path = ['spec', 'parentRefs', index];
  const refuse = (reason: string, at: Fault['path'], message: string): Attachment => refused({ route, built, index, parentRef: ref }, { reason, path: at, message });
  const service = cluster.backend({ kind: ref.kind, namespace: ref.namespace ?? route.metadata.namespace, name: ref.name });
  if (service === undefined) return refuse('NoMatchingParent', path, `${ref.kind} ${key} not found`);
  // The mesh takes TCP over, and nothing else.
  if (route.kind === 'UDPRoute') return refuse('UnsupportedValue', path, `UDP to ${ref.kind} ${key} does not pass through the mesh, so a UDPRoute can't act on it; a Gateway can be its parent`);
  if (service.spec.type === 'ExternalName') return refuse('UnsupportedValue', path, `Service ${key} is of type ExternalName: no request passes through it, so a route can't act on it`);
  if (service.spec.clusterIP === 'None') return refuse('UnsupportedValue', path, `${ref.kind} ${key} is headless: clients talk to its pods' own addresses, so a route can't act on it`);
  const chosen = service.spec.ports.filter((port) => (ref.port === undefined || port.port === ref.port) && (ref.sectionName === undefined || port.name === ref.sectionName));
  if (chosen.length === 0) {
    const wanted = [...(ref.sectionName === undefined ? [] : [`name ${ref.sectionName}`]), ...(ref.port === undefined ? [] : [`number ${ref.port}`])].join(' and ');
    return refuse('NoMatchingParent', path, `${ref.kind} ${key} has no port${wanted === '' ? '' : ` with ${wanted}`}`);
  }
  const refusals = chosen.map((port) => protocolRefusal(service, port, carriedBy(route.kind)));
  const ports = chosen.filter((_, at) => refusals[at] === undefined).map((port) => port.port);
  if (ports.length === 0) return refuse('UnsupportedValue', path, refusals.flatMap((refusal) => refusal?.message ?? []).join('; '));
  return {
    route, built, index, parentRef: ref, accepted: built.accepted, faults: [],
    ...(built.accepted.status === 'True' ? { to: { kind: 'service', service, ports: [...new Set(ports)] } } : {}),
    warnings: meshHostnameWarnings(route),
  };
}

function meshHostnameWarnings(route: AnyRoute): readonly Fault[] {
  const onlyMesh = (route.spec.parentRefs ?? []).every((ref) => ref.kind === 'Service' || ref.kind === importKind);
  if (!onlyMesh || !isRequestRoute(route) || hostnamesOf(route).length === 0) return [];
  return [{ reason: 'HostnamesIgnored', path: ['spec', 'hostnames'], message: 'hostnames have no effect on a route whose parent is a Service (GEP-1294); match the Host header instead' }];
}

/** The same attachment refused. */
export function refused({ route, built, index, parentRef }: Pick<Attachment, 'route' | 'built' | 'index' | 'parentRef'>, fault: Fault): Attachment {
  // Told along with it, so that mending the one fault does not bring up the next.
  const besides = built.invalid.map((each) => `; besides, ${withPath(each)}`).join('');
  return { route, built, index, parentRef, accepted: no(fault.reason, fault.message + besides), faults: [fault], warnings: [] };
}
