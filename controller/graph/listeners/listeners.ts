import type { Gateway, GatewayListener, ListenerSet } from '#crds';
import type { Certificate, ClientValidation } from '#snapshot';
import type { Cluster } from '../../cluster.ts';
import { gatewayGroup, listenerSectionName } from '../../names.ts';
import { no, verdictOf, yes, type Fault, type Verdict } from '../../problems.ts';
import type { Environment } from '../../types.ts';
import { resolveCertificates, type CertificateName } from './certificates.ts';
import { selects } from '../selectors.ts';
import { frontendValidation, undemanding } from '../tls/frontend.ts';

/** Whose listeners they are: the Gateway's own, or those of a ListenerSet that is attached to it. */
export interface ListenerOwner {
  readonly gateway: Gateway;
  readonly set?: ListenerSet;
}

/** A listener and every question about it that can be answered without routes. */
export interface ListenerFacts extends ListenerOwner {
  readonly listener: GatewayListener;
  readonly index: number;
  /** Lower case; empty for all hosts. */
  readonly hostname: string;
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[];
  readonly certificates: readonly Certificate[];
  /** DNS names of the certificates. */
  readonly certificateNames: readonly CertificateName[];
  /** Clients have to show a certificate. */
  readonly clientValidation?: ClientValidation;
  readonly accepted: Verdict;
  readonly conflicted: Verdict;
  readonly resolved: Verdict;
  readonly programmed: Verdict;
  readonly overlapping?: Verdict;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

/** Protocols that are served, and the kinds of routes each takes. */
const kindsByProtocol: Readonly<Record<string, readonly string[]>> = {
  HTTP: ['HTTPRoute', 'GRPCRoute'],
  HTTPS: ['HTTPRoute', 'GRPCRoute'],
  TLS: ['TLSRoute', 'TCPRoute'],
  TCP: ['TCPRoute'],
  UDP: ['UDPRoute'],
};

export function isServedProtocol(protocol: string): boolean {
  return Object.hasOwn(kindsByProtocol, protocol);
}

/** A TCPRoute has no server name to look for, so it is of no use where TLS passes through unopened. */
function kindsOf({ protocol, tls }: GatewayListener): readonly string[] {
  if (!isServedProtocol(protocol)) return [];
  return protocol === 'TLS' && tls?.mode === 'Passthrough' ? ['TLSRoute'] : kindsByProtocol[protocol]!;
}

/** Whether whole connections or datagrams are routed, not requests. */
export function isStream({ listener: { protocol } }: ListenerFacts): boolean {
  return protocol !== 'HTTP' && protocol !== 'HTTPS';
}

/** Whether the gateway ends TLS on the listener, with a certificate of its own. */
export function endsTls({ protocol, tls }: GatewayListener): boolean {
  return protocol === 'HTTPS' || (protocol === 'TLS' && tls?.mode !== 'Passthrough');
}

/** The object that a listener stands in. */
export function objectOf({ gateway, set }: ListenerOwner): Gateway | ListenerSet {
  return set ?? gateway;
}

/** What the listener is called among all that the Gateway has. */
export function sectionOf({ set, listener }: ListenerFacts): string {
  return set === undefined ? listener.name : listenerSectionName(set.metadata, listener.name);
}

export interface ListenerPlace extends ListenerOwner {
  readonly index: number;
  /** What other listeners have that this one would need. */
  readonly conflicts: readonly Fault[];
}

export function describeListener(place: ListenerPlace, cluster: Cluster, environment: Environment): ListenerFacts {
  const { gateway, set, index, conflicts } = place;
  const listener = objectOf(place).spec.listeners[index]!;
  const path = ['spec', 'listeners', index];
  const kinds = supportedKinds(listener, [...path, 'allowedRoutes', 'kinds']);
  const tls = endsTls(listener) ? resolveCertificates(objectOf(place), listener, path, cluster) : { certificates: [], names: [], faults: [] };
  const clients = endsTls(listener) ? frontendValidation(gateway, listener, cluster, set === undefined ? undefined : path) : undemanding;
  const own = [...listenerFaults(listener, path, environment), ...clients.refusals];
  // Another listener's port says more than a protocol that is not served.
  const accepted = verdictOf([...conflicts, ...own], yes('Accepted', 'Accepted'));
  const references = [...kinds.faults, ...tls.faults, ...clients.references];
  const usable = accepted.status === 'True' && kinds.kinds.length > 0 && (!endsTls(listener) || tls.certificates.length > 0);
  // The reason is the official tests' for ListenerSets; for Gateways the specification has Invalid.
  const reason = set === undefined ? 'Invalid' : (conflicts[0]?.reason ?? 'Invalid');
  return {
    gateway,
    ...(set === undefined ? {} : { set }),
    listener,
    index,
    hostname: listener.protocol === 'TCP' || listener.protocol === 'UDP' ? '' : (listener.hostname ?? '').toLowerCase(),
    supportedKinds: kinds.kinds,
    certificates: tls.certificates,
    certificateNames: tls.names,
    ...(clients.validation === undefined ? {} : { clientValidation: clients.validation }),
    accepted,
    conflicted: conflicts[0] === undefined ? no('NoConflicts', 'No conflicts') : { ...verdictOf(conflicts, accepted), status: 'True' },
    resolved: verdictOf(references, yes('ResolvedRefs', 'All references are resolved')),
    programmed: usable ? yes('Programmed', 'Programmed') : no(reason, accepted.status === 'False' ? accepted.message : verdictOf(references, accepted).message),
    faults: [...conflicts, ...own, ...references],
    warnings: listenerWarnings(listener, path),
  };
}

/** What has no effect, by the specification (ListenerTLSConfig.certificateRefs, Listener.hostname). */
function listenerWarnings({ protocol, tls, hostname }: GatewayListener, path: Fault['path']): readonly Fault[] {
  const ignored = (field: readonly string[], message: string): Fault => ({ reason: 'UnsupportedValue', path: [...path, ...field], message });
  return [
    ...(protocol === 'TLS' && tls?.mode === 'Passthrough' && (tls.certificateRefs ?? []).length > 0 ? [ignored(['tls', 'certificateRefs'], 'certificates have no effect where TLS passes through')] : []),
    ...((protocol === 'TCP' || protocol === 'UDP') && (hostname ?? '') !== '' ? [ignored(['hostname'], `a hostname has no effect on a listener of protocol ${protocol}`)] : []),
  ];
}

/** What is wrong with, or not supported in, a listener by itself. */
function listenerFaults(listener: GatewayListener, path: Fault['path'], environment: Environment): readonly Fault[] {
  const faults: Fault[] = [];
  const unsupported = (field: string, message: string): unknown => faults.push({ reason: 'UnsupportedValue', path: [...path, ...field.split('.')], message });
  if (!isServedProtocol(listener.protocol)) {
    const message = `protocol ${listener.protocol} is not supported; supported are ${Object.keys(kindsByProtocol).join(', ')}`;
    return [{ reason: 'UnsupportedProtocol', path: [...path, 'protocol'], message }];
  }
  const bound = listener.port + environment.portOffset;
  if (bound > 65_535) {
    faults.push({ reason: 'PortUnavailable', path: [...path, 'port'], message: `port ${listener.port} with the offset ${environment.portOffset} is beyond 65535` });
  }
  if (listener.protocol === 'HTTPS' && listener.tls?.mode === 'Passthrough') unsupported('tls.mode', 'HTTPS needs tls.mode Terminate');
  if (listener.protocol === 'HTTP' && listener.tls !== undefined) unsupported('tls', 'protocol HTTP can not have tls; use HTTPS');
  if ((listener.protocol === 'TCP' || listener.protocol === 'UDP') && listener.tls !== undefined) unsupported('tls', `protocol ${listener.protocol} can not have tls${listener.protocol === 'TCP' ? '; use TLS' : ''}`);
  if (listener.protocol === 'TLS' && listener.tls === undefined) unsupported('tls', 'protocol TLS needs tls');
  const options = Object.keys(listener.tls?.options ?? {});
  if (options.length > 0) unsupported('tls.options', `TLS options are not supported yet: ${options.sort().join(', ')}`);
  if ((listener.filters?.requests ?? []).length > 0) unsupported('filters', 'filters on a listener are not supported yet');
  return faults;
}

function supportedKinds(listener: GatewayListener, path: Fault['path']): { readonly kinds: ListenerFacts['supportedKinds']; readonly faults: readonly Fault[] } {
  const possible = kindsOf(listener);
  const asked = listener.allowedRoutes.kinds ?? [];
  if (asked.length === 0) return { kinds: possible.map((kind) => ({ group: gatewayGroup, kind })), faults: [] };
  const good = asked.filter(({ group, kind }) => group === gatewayGroup && possible.includes(kind));
  const faults = asked.flatMap((each, index): Fault[] => {
    if (good.includes(each)) return [];
    const mode = listener.protocol === 'TLS' ? ` and mode ${listener.tls?.mode ?? 'Terminate'}` : '';
    const message = `routes of kind ${each.kind} (group ${each.group}) can not be attached to a listener of protocol ${listener.protocol}${mode}; ${possible.join(' and ')} can`;
    return [{ reason: 'InvalidRouteKinds', path: [...path, index], message }];
  });
  return { kinds: good.map(({ group, kind }) => ({ group, kind })), faults };
}

/** Whether routes of that kind and namespace may attach (Listener.allowedRoutes). */
export function allows(facts: ListenerFacts, kind: string, namespace: string, cluster: Cluster): boolean {
  const { listener, supportedKinds } = facts;
  if (!supportedKinds.some((each) => each.group === gatewayGroup && each.kind === kind)) return false;
  const { from, selector } = listener.allowedRoutes.namespaces;
  switch (from) {
    case 'All':
      return true;
    case 'Selector':
      // Without a selector nothing is selected: a forgotten field must not open the listener to everybody.
      return selector !== undefined && selects(selector, cluster.namespaceLabels(namespace));
    default:
      return namespace === objectOf(facts).metadata.namespace;
  }
}
