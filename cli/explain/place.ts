import { objectKey, type ClusterState, type Pod } from '#crds';
import { injectLabel, isInjected, type Translation } from '#controller';
import { proxyContainer } from '#injector';
import { hostnameMatches, mostSpecific, type Listener, type ListenerSection, type ObjectRef } from '#snapshot';
import type { Loaded } from '../load.ts';
import { known, some } from '../table.ts';
import type { Answer, ExplainedRequest } from './answer.ts';

/** Where a request enters: the table that decides it, or why there is none. */
export type Place =
  | { readonly kind: 'listener'; readonly listener: NonNullable<Answer['listener']>; readonly routes: string; readonly passedOver: readonly PassedOver[]; readonly notes: readonly string[] }
  | { readonly kind: 'service'; readonly clientNamespace: string; readonly service: ObjectRef & { readonly port: number }; readonly routes: string; readonly passedOver: readonly PassedOver[]; readonly notes: readonly string[] }
  | { readonly kind: 'no-listener'; readonly reason: string; readonly notes: readonly string[] }
  | { readonly kind: 'passthrough'; readonly notes: readonly string[] };

/** A table whose routes one may expect to count here, and why they don't. */
export interface PassedOver {
  readonly routes: string;
  readonly reason: string;
}

/** The user asked about something that is not there; the message says what is. */
export class UsageError extends Error {}

/** The Gateway listener that a request to `url` reaches: its port, then the most specific hostname (Gateway API, Listener.hostname). */
export function placeAtGateway(translation: Translation, gateway: string, request: ExplainedRequest): Place {
  const listeners = servedListeners(translation, gateway);
  const protocol = request.url.protocol === 'https:' ? 'HTTPS' : 'HTTP';
  const sections = sectionsFor(gateway, listeners, request.url, protocol);
  const host = requestHost(request);
  const best = mostSpecific(sections, host);
  if (best === undefined) return { kind: 'no-listener', reason: `no listener of ${gateway} is for the host ${host}; there are ${sections.map(({ section }) => `${section.name} (${section.hostname})`).join(', ')}`, notes: [] };
  const { listener, section } = best;
  const port = listenerPort(listener);
  const passedOver = sections
    .filter((other) => other.listener === listener && other.section !== section && hostnameMatches(other.hostname, host))
    .map((other) => ({ routes: other.section.routes, reason: `attached to listener ${other.section.name}; for this host listener ${section.name} (${section.hostname}) is more specific` }));
  return { kind: 'listener', listener: { gateway: listener.gateway, name: section.name, hostname: section.hostname, port }, routes: section.routes, passedOver, notes: [] };
}

/** Throws a UsageError where the Gateway serves nothing. */
export function servedListeners(translation: Translation, gateway: string): readonly Listener[] {
  const listeners = translation.snapshots.listeners.get(gateway);
  if (listeners !== undefined && listeners.length > 0) return listeners;
  const known = [...translation.snapshots.listeners].filter(([, bound]) => bound.length > 0).map(([name]) => name);
  throw new UsageError(`no Gateway ${gateway} that serves; there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ') || 'none'}. 'weft analyze' says what is wrong with the others`);
}

/** The port in the Gateway's spec (Listener.name). */
export function listenerPort({ name }: Listener): number {
  return Number(name.split('/')[2]);
}

interface BoundSection {
  readonly hostname: string;
  readonly listener: Listener;
  readonly section: ListenerSection;
}

/** Those on the URL's port. A URL without a port means the scheme's own, or, where the Gateway has no such listener, all of that protocol. */
function sectionsFor(gateway: string, listeners: readonly Listener[], url: URL, protocol: 'HTTP' | 'HTTPS'): readonly BoundSection[] {
  const all = listeners.flatMap((listener) => listener.sections.map((section) => ({ hostname: section.hostname, listener, section }))).filter(({ section }) => section.protocol === protocol);
  const onPort = (port: string): BoundSection[] => all.filter(({ listener }) => String(listenerPort(listener)) === port);
  const found = url.port === '' ? [onPort(protocol === 'HTTPS' ? '443' : '80'), all].find((some) => some.length > 0) : onPort(url.port);
  if (found !== undefined && found.length > 0) return found;
  const known = listeners.flatMap((listener) => listener.sections.map((section) => `${section.name} (${section.protocol} ${listenerPort(listener)})`));
  throw new UsageError(`Gateway ${gateway} has no ${protocol} listener${url.port === '' ? '' : ` on port ${url.port}`}; it has ${known.join(', ')}`);
}

function requestHost(request: ExplainedRequest): string {
  return (request.headers.get('host') ?? request.url.hostname).toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
}

/** What a client in `namespace` reaches when it dials the URL's host and port. */
export function placeInMesh({ state, translation }: Pick<Loaded, 'state' | 'translation'>, namespace: string, request: ExplainedRequest, notes: readonly string[]): Place {
  const port = request.url.port === '' ? (request.url.protocol === 'https:' ? 443 : 80) : Number(request.url.port);
  const { target } = translation.snapshots.destination(namespace, request.url.hostname, port);
  if (target.kind === 'passthrough') return { kind: 'passthrough', notes: [...notes, ...slips(state, namespace, { host: request.url.hostname, port })] };
  const { namespace: home, name } = target.service;
  // What clients of the Service's own namespace meet: its producer routes (GEP-1294).
  const producers = translation.snapshots.destination(home, `${name}.${home}.svc`, target.port).target;
  const passedOver = producers.kind === 'passthrough' || producers.routes === target.routes ? [] : [{ routes: producers.routes, reason: `a producer route; for clients in ${namespace} the consumer routes there take its place` }];
  return { kind: 'service', clientNamespace: namespace, service: { ...target.service, port: target.port }, routes: target.routes, passedOver, notes };
}

/** What is likely meant by a host that is a Service's by half: another port of it, or another Service of its namespace. */
export function slips(state: ClusterState, clientNamespace: string, { host, port }: { readonly host: string; readonly port: number }): readonly string[] {
  const [, name = '', namespace = clientNamespace] = /^([^.]+)(?:\.([^.]+))?(?:\.svc(?:\.cluster\.local)?)?\.?$/.exec(host) ?? [];
  if (name === '' || name.includes(':')) return [];
  const service = state.services.get(`${namespace}/${name}`);
  if (service !== undefined) return [`Service ${namespace}/${name} has no port ${port}; it has ${service.spec.ports.map((each) => each.port).join(', ') || 'none'}`];
  const neighbours = [...state.services.values()].filter(({ metadata }) => metadata.namespace === namespace).map(({ metadata }) => metadata.name);
  return neighbours.length === 0 ? [] : [`namespace ${namespace} has no Service ${name}; it has ${some(neighbours, 10)}`];
}

/** A namespace that no object is in may be a slip; that is not to be told from one that is empty as yet. */
function namespaceNotes(state: ClusterState, namespace: string): readonly string[] {
  if (state.namespaces.has(namespace)) return [];
  const named = [...state.pods.values(), ...state.services.values(), ...state.httpRoutes.values()].map(({ metadata }) => metadata.namespace);
  if (named.includes(namespace)) return [];
  return [`no object is in a namespace ${namespace}; ${known([...state.namespaces.keys(), ...named].toSorted())}`];
}

/** Who asks: a workload of that name, or any one of a namespace. */
export function callerOf(state: ClusterState, { from, fromNamespace }: { readonly from?: string; readonly fromNamespace?: string }): Caller {
  return fromNamespace === undefined ? clientOf(state, from!) : { namespace: fromNamespace, notes: namespaceNotes(state, fromNamespace) };
}

interface Caller {
  readonly namespace: string;
  readonly notes: readonly string[];
}

/** The client namespace of `--from NS/NAME`; the notes say which Pod was taken, and when no sidecar stands beside it. */
function clientOf(state: ClusterState, name: string): Caller {
  const { pod, notes } = podOf(state, name);
  const { namespace } = pod.metadata;
  return { namespace, notes: [...notes, ...sidecarNotes(state, pod)] };
}

/** The Pod of that name, else one of the workload's: by the label `app`, or by the names that Deployments, Jobs and the like give. */
function podOf(state: ClusterState, name: string): { readonly pod: Pod; readonly notes: readonly string[] } {
  const exact = state.pods.get(name);
  if (exact !== undefined) return { pod: exact, notes: [] };
  const slash = name.indexOf('/');
  if (slash === -1) throw new UsageError(`"${name}" names no Pod; write NAMESPACE/NAME`);
  const [namespace, workload] = [name.slice(0, slash), name.slice(slash + 1)];
  const neighbours = [...state.pods.values()].filter(({ metadata }) => metadata.namespace === namespace);
  const own = neighbours.filter(({ metadata }) => metadata.name.startsWith(`${workload}-`) || ['app', 'app.kubernetes.io/name'].some((label) => metadata.labels?.[label] === workload));
  const running = own.filter(({ status }) => status.phase === undefined || status.phase === 'Running');
  const pod = (running.length > 0 ? running : own).toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))[0];
  if (pod !== undefined) return { pod, notes: [`${name} is taken for Pod ${objectKey(pod)}${own.length === 1 ? '' : `, one of ${own.length}`}`] };
  const pods = (neighbours.length > 0 ? neighbours : [...state.pods.values()]).map(objectKey);
  const hint = neighbours.length === 0 && state.namespaces.has(namespace) ? `. Namespace ${namespace} has no Pods (yet): 'kubectl get events -n ${namespace}' says why none is made; --from-namespace ${namespace} needs none` : '';
  throw new UsageError(`no Pod or workload ${name}; ${known(pods)}${hint}`);
}

function sidecarNotes(state: ClusterState, pod: Pod): readonly string[] {
  const name = objectKey(pod);
  if (!isInjected(state, pod)) return [`${name} has no sidecar (neither it nor its namespace has the label ${injectLabel}: enabled); this is what it would meet with one`];
  // A manifest is what somebody wrote; in a cluster the sidecar is there to be seen.
  if (pod.source !== undefined || pod.spec.initContainers.some((container) => container.name === proxyContainer)) return [];
  return [`${name} has no sidecar, though it should: it was made before the label was set, or while the injector was away. Make it anew; this is what it would meet then`];
}
