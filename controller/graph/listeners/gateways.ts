import { isAddress, objectKey, type Gateway, type GatewayClass } from '#crds';
import { hostPort, normalAddress, type Certificate, type Pace, type Steps } from '#snapshot';
import { sortedByAge, type Cluster } from '../../cluster.ts';
import { Memo, memoByMap } from '../../memo.ts';
import { isReserved } from '../../infrastructure.ts';
import { controllerName } from '../../names.ts';
import { no, verdictOf, withPath, yes, type Fault, type Verdict } from '../../problems.ts';
import type { Environment } from '../../types.ts';
import { conflictsAmong } from './conflicts.ts';
import { beneath, describeSets, setsByGateway, type ListenerSetFacts } from './listener-sets.ts';
import { describeListener, endsTls, type ListenerFacts } from './listeners.ts';
import { overlapsAmong } from './overlaps.ts';
import { clientCertificateOf, type ClientCertificate } from '../tls/client-certificate.ts';
import { frontendWarnings } from '../tls/frontend.ts';

/** One of our Gateways and all that can be said about it without routes. */
export interface GatewayFacts {
  readonly gateway: Gateway;
  readonly className: string;
  /** Its own; those of ListenerSets are in `sets`. */
  readonly listeners: readonly ListenerFacts[];
  /** Every ListenerSet that names it, by precedence, whether or not it lets it in. */
  readonly sets: readonly ListenerSetFacts[];
  readonly accepted: Verdict;
  readonly programmed: Verdict;
  readonly resolved: Verdict;
  readonly addressesAssigned: Verdict;
  /** What the Gateway shows to backends that it speaks TLS to. */
  readonly clientCertificate?: Certificate;
  /** Present while the Gateway takes clients whose certificate was not verified. */
  readonly insecure?: Verdict;
  /** Addresses that the Gateway asked for (or did not refuse) and got. */
  readonly addresses: readonly string[];
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

export function isOurs(gatewayClass: GatewayClass | undefined): boolean {
  return gatewayClass?.spec.controllerName === controllerName;
}

/** All listeners that the Gateway serves or would serve: its own, then those of ListenerSets. */
export function allListeners({ listeners, sets }: Pick<GatewayFacts, 'listeners' | 'sets'>): readonly ListenerFacts[] {
  return sets.length === 0 ? listeners : [...listeners, ...sets.flatMap((set) => set.listeners)];
}

/** The ListenerSets of our Gateways by `{namespace}/{name}`. */
export const listenerSetsOf = memoByMap(
  (gateways: ReadonlyMap<string, GatewayFacts>): ReadonlyMap<string, ListenerSetFacts> => new Map([...gateways.values()].flatMap(({ sets }) => sets.map((facts) => [objectKey(facts.set), facts] as const))),
);

/** Our Gateways by `{namespace}/{name}`. The same object again while nothing that they depend on has changed. */
export function* describeGateways(cluster: Cluster, environment: Environment, pace: Pace): Steps<ReadonlyMap<string, GatewayFacts>> {
  const { gateways, gatewayClasses, secrets, configMaps, clusterTrustBundles, referenceGrants, listenerSets, namespaces } = cluster.state;
  const addresses = JSON.stringify([...environment.gatewayAddresses].sort());
  const inputs = [gatewayClasses, secrets, configMaps, clusterTrustBundles, referenceGrants, addresses, environment.portOffset, listenerSets, listenerSets.size === 0 ? undefined : namespaces];
  return yield* described.getInSteps(gateways, inputs, () => describeAll(cluster, environment, pace));
}

const described = new Memo<ReadonlyMap<string, Gateway>, ReadonlyMap<string, GatewayFacts>>();

function* describeAll(cluster: Cluster, environment: Environment, pace: Pace): Steps<ReadonlyMap<string, GatewayFacts>> {
  const taken = new Map<string, string>();
  const drafts: Draft[] = [];
  // All Gateways have their ports before the first ListenerSet gets one.
  for (const gateway of gatewaysByAge(cluster.state.gateways)) {
    const gatewayClass = cluster.state.gatewayClasses.get(gateway.spec.gatewayClassName);
    if (gatewayClass !== undefined && isOurs(gatewayClass)) drafts.push(yield* draftOf(gateway, gatewayClass, { cluster, environment, taken, key: objectKey(gateway), pace }));
  }
  const facts = new Map<string, GatewayFacts>();
  for (const draft of drafts) facts.set(draft.context.key, yield* describe(draft));
  return facts;
}

const gatewaysByAge = memoByMap((gateways: ReadonlyMap<string, Gateway>) => sortedByAge(gateways.values()));

interface Context {
  readonly cluster: Cluster;
  readonly environment: Environment;
  /** `{transport}/{address}:{port}` → the Gateway that has it. */
  readonly taken: Map<string, string>;
  readonly key: string;
  readonly pace: Pace;
}

/** What a listener counts, in items of a step. */
const itemsPerListener = 2;

/** A Gateway without its ListenerSets. */
interface Draft {
  readonly gateway: Gateway;
  readonly className: string;
  readonly own: readonly Fault[];
  readonly addresses: Addresses;
  /** What stands in the way of all its listeners. */
  readonly obstacle: Verdict | undefined;
  readonly listeners: readonly ListenerFacts[];
  readonly accepted: Verdict;
  readonly context: Context;
}

function* draftOf(gateway: Gateway, gatewayClass: GatewayClass, context: Context): Steps<Draft> {
  const { cluster, environment } = context;
  const addresses = chooseAddresses(gateway, environment.gatewayAddresses.get(context.key) ?? []);
  const own = gatewayFaults(gateway, gatewayClass);
  const obstacle = own.length > 0 ? no('Invalid', 'The Gateway is not accepted') : addresses.usable.length === 0 ? no('Pending', 'The Gateway has no address') : undefined;
  const listeners: ListenerFacts[] = [];
  for (const [index, conflicts] of conflictsAmong(gateway.spec.listeners).entries()) {
    const facts = describeListener({ gateway, index, conflicts }, cluster, environment);
    listeners.push(obstacle === undefined ? reservePort(facts, addresses.usable, context) : notProgrammed(facts, obstacle));
    if (context.pace.spend(itemsPerListener)) yield;
  }
  const bad = listeners.filter(({ accepted }) => accepted.status === 'False');
  return { gateway, className: gatewayClass.metadata.name, own, addresses, obstacle, listeners, accepted: acceptedVerdict(own, listeners, bad), context };
}

function* describe({ gateway, className, own, addresses, obstacle, listeners, accepted, context }: Draft): Steps<GatewayFacts> {
  const { cluster, environment, key, pace } = context;
  const client = clientCertificateOf(gateway, cluster);
  const place = (facts: ListenerFacts): ListenerFacts => (obstacle === undefined && accepted.status === 'True' ? reservePort(facts, addresses.usable, context) : facts);
  const alone = yield* describeSets(setsByGateway(cluster.state.listenerSets).get(key) ?? [], { gateway, accepted, pace, place }, cluster, environment);
  const programmed = programmedVerdict(accepted, addresses, allListeners({ listeners, sets: alone }));
  const blocked = obstacle ?? (accepted.status === 'True' ? undefined : no('Invalid', 'The Gateway is not accepted'));
  const served = yield* withOverlaps({ listeners, sets: alone.map((set) => beneath(set, programmed, blocked)) }, pace);
  return {
    gateway,
    className,
    ...served,
    accepted,
    programmed,
    resolved: resolvedVerdict(client, listeners),
    ...(client.certificate === undefined ? {} : { clientCertificate: client.certificate }),
    addressesAssigned: addresses.assigned,
    ...insecureVerdict(gateway),
    addresses: accepted.status === 'True' ? addresses.usable : [],
    faults: [...own, ...(client.fault === undefined ? [] : [client.fault]), ...addresses.faults, ...listeners.flatMap(({ faults }) => faults)],
    warnings: [...gatewayWarnings(gateway), ...frontendWarnings(gateway, securedPorts(served)), ...listeners.flatMap((each) => each.warnings)],
  };
}

function* withOverlaps(all: Pick<GatewayFacts, 'listeners' | 'sets'>, pace: Pace): Steps<Pick<GatewayFacts, 'listeners' | 'sets'>> {
  const overlaps = yield* overlapsAmong(allListeners(all), pace);
  if (overlaps.size === 0) return all;
  const add = (facts: ListenerFacts): ListenerFacts => {
    const overlapping = overlaps.get(facts);
    return overlapping === undefined ? facts : { ...facts, overlapping };
  };
  return { listeners: all.listeners.map(add), sets: all.sets.map((set) => ({ ...set, listeners: set.listeners.map(add) })) };
}

/** What is not supported in a Gateway as a whole. It is refused rather than served without what its owner asked for. */
function gatewayFaults(gateway: Gateway, gatewayClass: GatewayClass): readonly Fault[] {
  const { spec } = gateway;
  const faults: Fault[] = [];
  const fault = (reason: string, path: Fault['path'], message: string): unknown => faults.push({ reason, path: ['spec', ...path], message });
  if (gatewayClass.spec.parametersRef !== undefined) {
    fault('InvalidParameters', ['gatewayClassName'], `GatewayClass ${gatewayClass.metadata.name} is not accepted: its parametersRef is not supported yet`);
  }
  if (spec.infrastructure?.parametersRef !== undefined) fault('InvalidParameters', ['infrastructure', 'parametersRef'], 'parametersRef is not supported yet');
  if (spec.defaultScope === 'All') fault('Invalid', ['defaultScope'], 'default Gateways are not supported yet; routes have to name this Gateway in parentRefs');
  for (const [index, address] of (spec.addresses ?? []).entries()) {
    if (address.type !== 'IPAddress') {
      fault('UnsupportedAddress', ['addresses', index, 'type'], `addresses of type ${address.type} are not supported; only IPAddress is`);
    } else if ((address.routability ?? '') !== '') {
      fault('UnsupportedAddress', ['addresses', index, 'routability'], `routability ${address.routability} is not supported yet`);
    }
  }
  return faults;
}

function gatewayWarnings({ spec }: Gateway): readonly Fault[] {
  return (['labels', 'annotations'] as const).flatMap((field) =>
    Object.keys(spec.infrastructure?.[field] ?? {})
      .filter(isReserved)
      .map((key) => ({ reason: 'UnsupportedValue', path: ['spec', 'infrastructure', field, key], message: `${key} is reserved; it has no effect` })),
  );
}

function acceptedVerdict(own: readonly Fault[], listeners: readonly ListenerFacts[], bad: readonly ListenerFacts[]): Verdict {
  if (own.length > 0) return verdictOf(own, yes('Accepted', 'Accepted'));
  const message = bad.map(({ listener, accepted }) => `listener ${listener.name}: ${accepted.message}`).join('; ');
  if (bad.length > 0 && bad.length === listeners.length) return no('ListenersNotValid', `No listener is valid: ${message}`);
  return bad.length > 0 ? yes('ListenersNotValid', `Served without the listeners that are not valid: ${message}`) : yes('Accepted', 'Accepted');
}

interface Addresses {
  readonly assigned: Verdict;
  readonly usable: readonly string[];
  readonly faults: readonly Fault[];
}

/** What the environment gave, as far as the Gateway's spec is content with it. */
function chooseAddresses(gateway: Gateway, given: readonly string[]): Addresses {
  const asked = (gateway.spec.addresses ?? []).flatMap((address, index) => (address.type === 'IPAddress' && (address.value ?? '') !== '' ? [{ value: normalAddress(address.value ?? ''), index }] : []));
  if (asked.length === 0) return { assigned: assignedVerdict(given.length, 1), usable: given, faults: [] };
  const usable = asked.filter(({ value }) => isAddress(value) && given.includes(value)).map(({ value }) => value);
  return {
    assigned: assignedVerdict(usable.length, asked.length),
    // One that was asked for in two ways is bound once.
    usable: [...new Set(usable)],
    faults: asked
      .filter(({ value }) => !usable.includes(value))
      .map(({ value, index }) => ({
        reason: 'AddressNotUsable',
        path: ['spec', 'addresses', index, 'value'],
        message: isAddress(value) ? `address ${value} can not be used here${given.length === 0 ? '' : `; usable: ${given.join(', ')}`}` : `${value} is no IP address`,
      })),
  };
}

function assignedVerdict(got: number, wanted: number): Verdict {
  if (got === 0) return no('NotAssigned', 'No address is assigned');
  return got < wanted ? yes('PartiallyAssigned', `${got} of ${wanted} addresses are assigned`) : yes('AddressesAssigned', 'All addresses are assigned');
}

function securedPorts(served: Pick<GatewayFacts, 'listeners' | 'sets'>): ReadonlySet<number> {
  return new Set(allListeners(served).flatMap(({ listener }) => (endsTls(listener) ? [listener.port] : [])));
}

/** The owner is told for as long as it is so, whether or not a listener has that port (GatewayConditionInsecureFrontendValidationMode). */
function insecureVerdict({ spec }: Gateway): { readonly insecure?: Verdict } {
  const { frontend } = spec.tls ?? {};
  const modes = [frontend?.default, ...(frontend?.perPort ?? []).map(({ tls }) => tls)].map((config) => config?.validation?.mode);
  if (!modes.includes('AllowInsecureFallback')) return {};
  return { insecure: yes('ConfigurationChanged', 'spec.tls.frontend lets clients in whose certificate can not be verified') };
}

function programmedVerdict(accepted: Verdict, addresses: Addresses, listeners: readonly ListenerFacts[]): Verdict {
  if (accepted.status === 'False') return no('Invalid', `Not accepted: ${accepted.message}`);
  const [unusable] = addresses.faults;
  if (unusable !== undefined) return no('AddressNotUsable', addresses.faults.map((fault) => withPath(fault)).join('; '));
  if (addresses.usable.length === 0) return no('AddressNotAssigned', 'No address has been assigned to the Gateway yet');
  if (!listeners.some(({ programmed }) => programmed.status === 'True')) return no('Invalid', 'No listener is programmed');
  return yes('Programmed', 'Programmed');
}

/** The Gateway's own references first, then a summary of the listeners' (GatewayConditionResolvedRefs). */
function resolvedVerdict({ fault }: ClientCertificate, listeners: readonly ListenerFacts[]): Verdict {
  const bad = listeners.filter(({ resolved }) => resolved.status === 'False');
  const messages = bad.map(({ listener, resolved }) => `listener ${listener.name}: ${resolved.message}`);
  if (fault !== undefined) return no(fault.reason, [withPath(fault), ...messages].join('; '));
  return bad.length === 0 ? yes('ResolvedRefs', 'All references are resolved') : no('ListenersNotResolved', messages.join('; '));
}

/** A listener is no better off than its Gateway; what is wrong with itself comes first. */
function notProgrammed(facts: ListenerFacts, because: Verdict): ListenerFacts {
  return facts.programmed.status === 'False' ? facts : { ...facts, programmed: because };
}

/** Two Gateways on one address can't share a port: the older one has it. */
function reservePort(facts: ListenerFacts, addresses: readonly string[], { taken, key }: Context): ListenerFacts {
  if (facts.accepted.status === 'False') return facts;
  const { port, protocol } = facts.listener;
  const place = (address: string): string => `${protocol === 'UDP' ? 'udp' : 'tcp'}/${hostPort(address, port)}`;
  for (const address of addresses) {
    const owner = taken.get(place(address));
    if (owner === undefined || owner === key) continue;
    const fault = { reason: 'PortUnavailable', path: ['spec', 'listeners', facts.index, 'port'], message: `port ${port} of address ${address} belongs to Gateway ${owner}` };
    const accepted = no('PortUnavailable', withPath(fault));
    return { ...facts, accepted, programmed: no('Invalid', accepted.message), faults: [...facts.faults, fault] };
  }
  for (const address of addresses) taken.set(place(address), key);
  return facts;
}
