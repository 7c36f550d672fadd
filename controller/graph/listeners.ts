import type { Gateway, GatewayListener } from '#crds';
import type { Certificate } from '#snapshot';
import type { Cluster } from '../cluster.ts';
import { gatewayGroup } from '../names.ts';
import { no, verdictOf, yes, type Fault, type Verdict } from '../problems.ts';
import type { Environment } from '../types.ts';
import { resolveCertificates, type CertificateName } from './certificates.ts';
import { selects } from './selectors.ts';

/** A Gateway listener and every question about it that can be answered without routes. */
export interface ListenerFacts {
  readonly gateway: Gateway;
  readonly listener: GatewayListener;
  readonly index: number;
  /** Lower case; empty for all hosts. */
  readonly hostname: string;
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[];
  readonly certificates: readonly Certificate[];
  /** DNS names of the certificates. */
  readonly certificateNames: readonly CertificateName[];
  readonly accepted: Verdict;
  readonly conflicted: Verdict;
  readonly resolved: Verdict;
  readonly programmed: Verdict;
  readonly overlapping?: Verdict;
  readonly faults: readonly Fault[];
}

/** Protocols that are served, and the kinds of routes each takes. */
const kindsOf: Readonly<Record<string, readonly string[]>> = { HTTP: ['HTTPRoute'], HTTPS: ['HTTPRoute'] };

export function describeListeners(gateway: Gateway, cluster: Cluster, environment: Environment): readonly ListenerFacts[] {
  const all = gateway.spec.listeners.map((listener, index) => describe(gateway, listener, index, cluster, environment));
  return all.map((facts) => {
    const overlapping = overlap(facts, all);
    return overlapping === undefined ? facts : { ...facts, overlapping };
  });
}

function describe(gateway: Gateway, listener: GatewayListener, index: number, cluster: Cluster, environment: Environment): ListenerFacts {
  const path = ['spec', 'listeners', index];
  const own = listenerFaults(gateway, listener, path, environment);
  const conflicts = conflictFaults(gateway.spec.listeners, index, path);
  const kinds = supportedKinds(listener, [...path, 'allowedRoutes', 'kinds']);
  const served = kindsOf[listener.protocol] !== undefined;
  const tls = served && listener.protocol === 'HTTPS' ? resolveCertificates(gateway, listener, path, cluster) : { certificates: [], names: [], faults: [] };
  const accepted = verdictOf([...own, ...conflicts], yes('Accepted', 'Accepted'));
  const references = [...kinds.faults, ...tls.faults];
  const usable = accepted.status === 'True' && kinds.kinds.length > 0 && (listener.protocol !== 'HTTPS' || tls.certificates.length > 0);
  return {
    gateway,
    listener,
    index,
    hostname: (listener.hostname ?? '').toLowerCase(),
    supportedKinds: kinds.kinds,
    certificates: tls.certificates,
    certificateNames: tls.names,
    accepted,
    conflicted: conflicts[0] === undefined ? no('NoConflicts', 'No conflicts') : { ...verdictOf(conflicts, accepted), status: 'True' },
    resolved: verdictOf(references, yes('ResolvedRefs', 'All references are resolved')),
    programmed: usable ? yes('Programmed', 'Programmed') : no('Invalid', accepted.status === 'False' ? accepted.message : verdictOf(references, accepted).message),
    faults: [...own, ...conflicts, ...references],
  };
}

/** What is wrong with, or not supported in, a listener by itself. */
function listenerFaults(gateway: Gateway, listener: GatewayListener, path: Fault['path'], environment: Environment): readonly Fault[] {
  const faults: Fault[] = [];
  const unsupported = (field: string, message: string): unknown => faults.push({ reason: 'UnsupportedValue', path: [...path, ...field.split('.')], message });
  if (kindsOf[listener.protocol] === undefined) {
    const message = `protocol ${listener.protocol} is not supported yet; supported are HTTP and HTTPS`;
    return [{ reason: 'UnsupportedProtocol', path: [...path, 'protocol'], message }];
  }
  const bound = listener.port + environment.portOffset;
  if (bound > 65_535) {
    faults.push({ reason: 'PortUnavailable', path: [...path, 'port'], message: `port ${listener.port} with the offset ${environment.portOffset} is beyond 65535` });
  }
  if (listener.protocol === 'HTTPS' && listener.tls?.mode === 'Passthrough') unsupported('tls.mode', 'HTTPS needs tls.mode Terminate');
  if (listener.protocol === 'HTTP' && listener.tls !== undefined) unsupported('tls', 'protocol HTTP can not have tls; use HTTPS');
  const options = Object.keys(listener.tls?.options ?? {});
  if (options.length > 0) unsupported('tls.options', `TLS options are not supported yet: ${options.sort().join(', ')}`);
  if ((listener.filters?.requests ?? []).length > 0) unsupported('filters', 'filters on a listener are not supported yet');
  const { frontend } = gateway.spec.tls ?? {};
  if (listener.protocol === 'HTTPS' && frontend !== undefined) {
    const perPort = frontend.perPort?.find((entry) => entry.port === listener.port);
    // To serve the listener without the check of client certificates would open what its owner closed.
    if ((perPort?.tls ?? frontend.default).validation !== undefined) {
      const message = 'validation of client certificates (spec.tls.frontend of the Gateway) is not supported yet';
      faults.push({ reason: 'UnsupportedValue', path: ['spec', 'tls', 'frontend'], message });
    }
  }
  return faults;
}

/**
 * Listeners that no request can tell apart (GatewaySpec.listeners, "Distinct Listeners"): all of them are refused, none wins.
 * Listeners of protocols that are not served do not count.
 */
function conflictFaults(listeners: readonly GatewayListener[], index: number, path: Fault['path']): readonly Fault[] {
  const own = listeners[index];
  if (own === undefined || kindsOf[own.protocol] === undefined) return [];
  const rivals = listeners.filter((other, at) => at !== index && other.port === own.port && kindsOf[other.protocol] !== undefined);
  const protocol = rivals.filter((other) => other.protocol !== own.protocol);
  if (protocol.length > 0) {
    const message = `port ${own.port} is also used with another protocol, by listener ${names(protocol)}`;
    return [{ reason: 'ProtocolConflict', path: [...path, 'protocol'], message }];
  }
  const same = rivals.filter((other) => (other.hostname ?? '').toLowerCase() === (own.hostname ?? '').toLowerCase());
  if (same.length === 0) return [];
  return [{ reason: 'HostnameConflict', path: [...path, 'hostname'], message: `port and hostname are also those of listener ${names(same)}` }];
}

function names(listeners: readonly GatewayListener[]): string {
  return listeners.map((listener) => listener.name).join(', ');
}

function supportedKinds(listener: GatewayListener, path: Fault['path']): { readonly kinds: ListenerFacts['supportedKinds']; readonly faults: readonly Fault[] } {
  const possible = kindsOf[listener.protocol] ?? [];
  const asked = listener.allowedRoutes.kinds ?? [];
  if (asked.length === 0) return { kinds: possible.map((kind) => ({ group: gatewayGroup, kind })), faults: [] };
  const good = asked.filter(({ group, kind }) => group === gatewayGroup && possible.includes(kind));
  const faults = asked.flatMap((each, index): Fault[] => {
    if (good.includes(each)) return [];
    const message = `routes of kind ${each.kind} (group ${each.group}) can not be attached to a listener of protocol ${listener.protocol}, or are not supported yet`;
    return [{ reason: 'InvalidRouteKinds', path: [...path, index], message }];
  });
  return { kinds: good.map(({ group, kind }) => ({ group, kind })), faults };
}

/**
 * HTTPS listeners of one port whose hostnames overlap, or distinct certificates of which one also fits the other's names: a client
 * may use a connection made for the one for the other (ListenerConditionOverlappingTLSConfig). Certificates are the graver reason.
 */
function overlap(own: ListenerFacts, all: readonly ListenerFacts[]): Verdict | undefined {
  if (own.listener.protocol !== 'HTTPS') return undefined;
  const others = all.filter((other) => other !== own && other.listener.protocol === 'HTTPS' && other.listener.port === own.listener.port);
  const byHostname = others.filter(({ hostname }) => covers(hostname, own.hostname));
  const byCertificate = others.filter(({ certificateNames }) => certificateNames.some((theirs) => own.certificateNames.some((ours) => ours.of !== theirs.of && covers(theirs.dns, ours.dns))));
  const [reason, found] = byCertificate.length > 0 ? (['OverlappingCertificates', byCertificate] as const) : (['OverlappingHostnames', byHostname] as const);
  if (found.length === 0) return undefined;
  const what = reason === 'OverlappingCertificates' ? 'A certificate overlaps with one' : 'The hostname overlaps with that';
  const message = `${what} of listener ${names(found.map(({ listener }) => listener))}; a request for it on a connection made for this listener is answered with 421`;
  return { status: 'True', reason, message };
}

function covers(a: string, b: string): boolean {
  return covered(a, b) || covered(b, a);
}

function covered(wide: string, narrow: string): boolean {
  return wide === '' || wide === narrow || (wide.startsWith('*.') && narrow.endsWith(wide.slice(1)));
}

/** Whether routes of that kind and namespace may attach (Listener.allowedRoutes). */
export function allows({ gateway, listener, supportedKinds }: ListenerFacts, kind: string, namespace: string, cluster: Cluster): boolean {
  if (!supportedKinds.some((each) => each.group === gatewayGroup && each.kind === kind)) return false;
  const { from, selector } = listener.allowedRoutes.namespaces;
  switch (from) {
    case 'All':
      return true;
    case 'Selector':
      // Without a selector nothing is selected: a forgotten field must not open the listener to everybody.
      return selector !== undefined && selects(selector, cluster.namespaceLabels(namespace));
    default:
      return namespace === gateway.metadata.namespace;
  }
}
