import { connectionPolicy, gatewayPath, type Attachments, type GatewayPathParts } from '#policy';
import type { Certificate, Listener, ListenerSection, Pace, Steps } from '#snapshot';
import { createdAt, type Cluster } from '../cluster.ts';
import type { Attachment } from '../graph/routes/attachments.ts';
import { allListeners, type GatewayFacts } from '../graph/listeners/gateways.ts';
import { endsTls, isStream, sectionOf, type ListenerFacts } from '../graph/listeners/listeners.ts';
import { rulesAt } from '../graph/tls/own.ts';
import { refOf } from '../problems.ts';
import type { Environment } from '../types.ts';
import { allowedEscapes } from './escapes.ts';
import { isEmpty } from './table.ts';
import { trustedHops } from './trusted-hops.ts';
import { pathEnd, type PathContext, type TableRoute, type TableWay } from './way.ts';

/** A listener of a Gateway or of a ListenerSet with its routes, ready to render. */
export interface ListenerTable {
  readonly listener: ListenerFacts;
  readonly routes: readonly TableRoute[];
  readonly way: TableWay;
}

/** One table per listener, also for listeners that are not served: `weft policy` may still ask about them. */
export function listenerTables(facts: GatewayFacts, routes: ReadonlyMap<ListenerFacts, readonly TableRoute[]>, context: PathContext): readonly ListenerTable[] {
  return allListeners(facts).map((listener) => ({ listener, routes: routes.get(listener) ?? [], way: listenerWay(facts, listener, context) }));
}

/** The routes of each listener, each route once, with its rules as the listener carries them out. */
export function* routesByListener(all: Iterable<Attachment>, cluster: Cluster, pace: Pace): Steps<ReadonlyMap<ListenerFacts, readonly TableRoute[]>> {
  const byListener = new Map<ListenerFacts, Map<Attachment['route'], TableRoute>>();
  for (const { route, built, to } of all) {
    if (pace.spend()) yield;
    if (to?.kind !== 'gateway') continue;
    for (const { listener, hostnames } of to.sections) {
      const routes = byListener.get(listener) ?? new Map<Attachment['route'], TableRoute>();
      byListener.set(listener, routes.set(route, { ref: refOf(route), createdAt: createdAt(route), hostnames, rules: rulesAt(built.rules, listener, cluster) }));
    }
  }
  return new Map([...byListener].map(([listener, routes]) => [listener, [...routes.values()]]));
}

function listenerWay(facts: GatewayFacts, listener: ListenerFacts, { cluster, attachments }: PathContext): TableWay {
  const gateway = refOf(facts.gateway);
  const section = sectionOf(listener);
  const start = pathStart(facts, listener);
  return {
    name: tableName(gateway, section),
    owner: listener.listener,
    via: { kind: 'gateway', gateway, listener: section, ...(listener.set === undefined ? {} : { listenerSet: refOf(listener.set) }) },
    escapes: allowedEscapes(listener.set ?? facts.gateway),
    carries: isStream(listener) ? (listener.listener.protocol === 'UDP' ? 'datagrams' : 'connections') : 'requests',
    attachments,
    pathOf: (end) => gatewayPath({ ...start, ...pathEnd(end, cluster) }),
  };
}

/** The part of a policy path that all routes of the listener have in common. */
function pathStart({ gateway, className }: GatewayFacts, { listener, set }: ListenerFacts): GatewayPathParts {
  return { gatewayClass: className, gateway: refOf(gateway), listener: listener.name, ...(set === undefined ? {} : { listenerSet: refOf(set) }) };
}

function tableName(gateway: { readonly namespace: string; readonly name: string }, section: string): string {
  return `listener/${gateway.namespace}/${gateway.name}/${section}`;
}

/**
 * The sockets of a Gateway: one per address, transport and port that has a section to serve. The first address gives `{gateway}/{port}`,
 * each further one `{gateway}/{port}/{address}`; for UDP it is `{gateway}/{port}/udp`, then `{gateway}/{port}/udp/{address}`.
 */
export function* renderListeners(facts: GatewayFacts, environment: Environment, attachments: Attachments, pace: Pace): Steps<readonly Listener[]> {
  if (facts.accepted.status === 'False') return [];
  const sockets: { readonly socket: string; readonly port: number; readonly sections: ListenerSection[] }[] = [];
  for (const [socket, served] of Map.groupBy(allListeners(facts).filter(isServed), ({ listener }) => `${listener.port}${listener.protocol === 'UDP' ? '/udp' : ''}`)) {
    const sections: ListenerSection[] = [];
    for (const section of served) {
      sections.push(renderSection(facts, section, attachments));
      if (pace.spend(itemsPerSection)) yield;
    }
    sockets.push({ socket, port: served[0]!.listener.port + environment.portOffset, sections });
  }
  const gateway = refOf(facts.gateway);
  const hops = trustedHops(facts.gateway);
  const addresses = environment.bind === 'any' ? ['0.0.0.0'] : facts.addresses;
  return addresses.flatMap((address, index) =>
    sockets.map(({ socket, port, sections }): Listener => {
      const name = `${gateway.namespace}/${gateway.name}/${socket}${index === 0 ? '' : `/${address}`}`;
      const transport = socket.endsWith('/udp') ? ({ transport: 'udp' } as const) : {};
      return { kind: 'Listener', name, ...transport, gateway, address, port, sections, ...(hops === undefined ? {} : { trustedHops: hops }) };
    }),
  );
}

/** What a section counts, in items of a step. */
const itemsPerSection = 3;

/** Those that wait for nothing but an address as well: where a Service stands before the gateway, the gateway is there first. */
function isServed({ programmed }: ListenerFacts): boolean {
  return programmed.status === 'True' || programmed.reason === 'Pending';
}

function renderSection(facts: GatewayFacts, section: ListenerFacts, attachments: Attachments): ListenerSection {
  const { listener, hostname, certificates, clientValidation } = section;
  const name = sectionOf(section);
  // What passes as it is goes by the policies of its table.
  const policy = isStream(section) ? undefined : connectionPolicy(gatewayPath(pathStart(facts, section)), attachments).policy;
  return {
    name,
    hostname,
    // No other protocol is served.
    protocol: listener.protocol as ListenerSection['protocol'],
    ...(listener.protocol === 'TLS' ? { mode: listener.tls?.mode ?? 'Terminate' } : {}),
    ...(endsTls(listener) ? { certificates: certificates.map(({ name }) => name) } : {}),
    ...(clientValidation === undefined ? {} : { clientValidation }),
    routes: tableName(refOf(facts.gateway), name),
    ...(policy === undefined || isEmpty(policy) ? {} : { policy }),
  };
}

/** By Gateway: the name of the certificate that it shows to backends. */
export function shownToBackends(gateways: ReadonlyMap<string, GatewayFacts>): ReadonlyMap<string, string> {
  return new Map([...gateways].flatMap(([key, { accepted, clientCertificate }]) => (accepted.status === 'False' || clientCertificate === undefined ? [] : [[key, clientCertificate.name]])));
}

/** Certificates of listeners that are served, and those that Gateways show to backends; no other Secret leaves the control plane. */
export function servedCertificates(gateways: Iterable<GatewayFacts>): ReadonlyMap<string, Certificate> {
  const certificates = new Map<string, Certificate>();
  for (const facts of gateways) {
    if (facts.accepted.status === 'False') continue;
    if (facts.clientCertificate !== undefined) certificates.set(facts.clientCertificate.name, facts.clientCertificate);
    for (const listener of allListeners(facts)) {
      if (isServed(listener)) for (const certificate of listener.certificates) certificates.set(certificate.name, certificate);
    }
  }
  return certificates;
}

