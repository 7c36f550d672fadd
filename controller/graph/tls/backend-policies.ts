import { isAddress, objectKey, type BackendTLSPolicy, type BackendTLSPolicyValidationSubjectAltName, type ClusterState, type Service, type ServicePort } from '#crds';
import { Pace, runSteps, type BackendTls, type Steps } from '#snapshot';
import { sortedByAge, type Cluster } from '../../cluster.ts';
import { Memo } from '../../memo.ts';
import { gatewayGroup, importGroup, importKind } from '../../names.ts';
import { no, verdictOf, yes, type Fault, type Verdict } from '../../problems.ts';
import { serviceName } from '../imports/expand.ts';
import { resolveAuthorities, type ResolvedAuthorities } from './authorities.ts';

/** A BackendTLSPolicy, and what can be said about it without routes and Services. */
export interface BackendTlsFacts {
  readonly policy: BackendTLSPolicy;
  /** How TLS is to be spoken. Undefined where it can't be as the policy has it: what goes to its targets then fails, and is never sent in plain text. */
  readonly tls?: BackendTls;
  readonly targets: readonly PolicyTargetFacts[];
  /** By itself; who takes precedence is in `targets`. */
  readonly accepted: Verdict;
  readonly resolved: Verdict;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

/** One `targetRefs` entry that names a Service or a ServiceImport. */
export interface PolicyTargetFacts {
  readonly index: number;
  /** For messages: `Service {namespace}/{name}`. */
  readonly title: string;
  /** Its key in `ClusterState.services`. */
  readonly service: string;
  /** Name of a port. */
  readonly section?: string;
  /** The policy that takes precedence there. */
  readonly lostTo?: BackendTLSPolicy;
}

/** Why a backend can't be used whose BackendTLSPolicy can't be carried out. Gateway API has no reason for it. */
export const unusablePolicy = 'InvalidBackendTLSPolicy';

/** `BackendTLSPolicy {namespace}/{name}`: for messages. */
export function nameOfPolicy(policy: BackendTLSPolicy): string {
  return `BackendTLSPolicy ${objectKey(policy)}`;
}

export interface BackendTlsIndex {
  /** In the order of precedence. */
  readonly all: readonly BackendTlsFacts[];
  /** The policy that holds for a port of a Service, whether or not it can be carried out: one for the port itself comes before one for the Service. */
  find(service: Service, port: ServicePort): BackendTlsFacts | undefined;
}

const known = new Memo<ClusterState['backendTLSPolicies'], BackendTlsIndex>();

/** The same object again while neither policies nor what they refer to have changed. */
export function backendTlsIndex(cluster: Cluster): BackendTlsIndex {
  const { backendTLSPolicies } = cluster.state;
  if (backendTLSPolicies.size === 0) return nothing;
  return known.get(backendTLSPolicies, inputsOf(cluster), () => runSteps(build(cluster, new Pace())));
}

/** `backendTlsIndex`, giving way; that has it at hand afterwards. */
export function* prepareBackendTls(cluster: Cluster, pace: Pace): Steps<void> {
  const { backendTLSPolicies } = cluster.state;
  if (backendTLSPolicies.size > 0) yield* known.getInSteps(backendTLSPolicies, inputsOf(cluster), () => build(cluster, pace));
}

/** What the index is made of, besides the policies. */
function inputsOf({ state: { configMaps, secrets, clusterTrustBundles } }: Cluster): readonly unknown[] {
  return [configMaps, secrets, clusterTrustBundles];
}

const nothing: BackendTlsIndex = { all: [], find: () => undefined };

function* build(cluster: Cluster, pace: Pace): Steps<BackendTlsIndex> {
  const winners = new Map<string, BackendTlsFacts>();
  const all: BackendTlsFacts[] = [];
  for (const policy of sortedByAge(cluster.state.backendTLSPolicies.values())) {
    const targets = targetsOf(policy).map((target) => {
      const winner = winners.get(placeOf(target));
      return winner === undefined ? target : { ...target, lostTo: winner.policy };
    });
    const facts = describe(policy, targets, cluster);
    // One that can't be carried out takes precedence all the same: to go on with a younger one would be to guess.
    for (const target of targets) if (target.lostTo === undefined) winners.set(placeOf(target), facts);
    all.push(facts);
    if (pace.spend(itemsPerPolicy)) yield;
  }
  const find = ({ metadata }: Service, port: ServicePort): BackendTlsFacts | undefined => {
    const service = `${metadata.namespace}/${metadata.name}`;
    return winners.get(placeOf({ service, section: port.name })) ?? winners.get(placeOf({ service }));
  };
  return { all, find };
}

/** What a policy counts, in items of a step. */
const itemsPerPolicy = 5;

function placeOf({ service, section = '' }: Pick<PolicyTargetFacts, 'service' | 'section'>): string {
  return `${service}:${section}`;
}

function targetsOf({ metadata, spec }: BackendTLSPolicy): readonly PolicyTargetFacts[] {
  const { namespace } = metadata;
  return spec.targetRefs.flatMap(({ group, kind, name, sectionName = '' }, index) =>
    isTarget(group, kind) ? [{ index, title: `${kind} ${namespace}/${name}`, service: `${namespace}/${serviceName(kind, name)}`, ...(sectionName === '' ? {} : { section: sectionName }) }] : [],
  );
}

function isTarget(group: string, kind: string): boolean {
  return (group === '' && kind === 'Service') || (group === importGroup && kind === importKind);
}

function describe(policy: BackendTLSPolicy, targets: readonly PolicyTargetFacts[], cluster: Cluster): BackendTlsFacts {
  const { hostname, subjectAltNames = [] } = policy.spec.validation;
  const trust = trustOf(policy, cluster);
  const invalid = [...trust.invalid, ...nameFaults(policy), ...optionFaults(policy)];
  const trustsNobody = trust.authorities === undefined && trust.faults.length > 0;
  return {
    policy,
    targets,
    accepted: trustsNobody ? no('NoValidCACertificate', verdictOf([...trust.faults, ...invalid], accepts).message) : verdictOf(invalid, accepts),
    resolved: verdictOf(trust.faults, yes('ResolvedRefs', 'All references are resolved')),
    faults: [...invalid, ...trust.faults],
    warnings: kindFaults(policy),
    ...(trustsNobody || invalid.length > 0 ? {} : { tls: tlsOf(hostname, trust, subjectAltNames) }),
  };
}

const accepts = yes('Accepted', 'Accepted');

function tlsOf(hostname: string, { authorities }: ResolvedAuthorities, names: readonly BackendTLSPolicyValidationSubjectAltName[]): BackendTls {
  return {
    hostname: hostname.toLowerCase(),
    ...(authorities === undefined ? {} : { authorities }),
    ...(names.length === 0 ? {} : { subjectAltNames: names.map(({ type, hostname: host = '', uri = '' }) => ({ type, value: type === 'URI' ? uri : host.toLowerCase() })) }),
  };
}

/** Whom the policy trusts: the machine's own authorities where there is nothing wrong and no `authorities`. */
interface Trust extends ResolvedAuthorities {
  readonly invalid: readonly Fault[];
}

function trustOf({ metadata, spec: { validation } }: BackendTLSPolicy, cluster: Cluster): Trust {
  const { caCertificateRefs = [], wellKnownCACertificates = '' } = validation;
  const path = ['spec', 'validation', 'caCertificateRefs'];
  if (caCertificateRefs.length > 0) {
    const from = { group: gatewayGroup, kind: 'BackendTLSPolicy', namespace: metadata.namespace };
    return { ...resolveAuthorities(caCertificateRefs, { from, path, unknownKind: 'InvalidKind' }, cluster), invalid: [] };
  }
  const none = { authorities: undefined, faults: [] };
  if (wellKnownCACertificates === 'System') return { ...none, invalid: [] };
  if (wellKnownCACertificates === '') return { ...none, invalid: [{ reason: 'Invalid', path: path.slice(0, 2), message: 'either caCertificateRefs or wellKnownCACertificates has to be there' }] };
  const message = `${wellKnownCACertificates} is not known; System is`;
  return { ...none, invalid: [{ reason: 'Invalid', path: ['spec', 'validation', 'wellKnownCACertificates'], message }] };
}

/** Unknown options could ask for anything, such as a TLS version; without them the policy is not carried out. */
/** PreciseHostname: no addresses. As a server name none may be sent (RFC 6066, 3), and as a name of a certificate none counts. */
function nameFaults({ spec: { validation } }: BackendTLSPolicy): readonly Fault[] {
  const path = ['spec', 'validation'];
  const names = [{ name: validation.hostname, path: [...path, 'hostname'] }, ...(validation.subjectAltNames ?? []).map(({ hostname = '' }, index) => ({ name: hostname, path: [...path, 'subjectAltNames', index, 'hostname'] }))];
  return names.flatMap(({ name, path: at }): Fault[] => (isAddress(name) ? [{ reason: 'Invalid', path: at, message: `${name} is an address; a name is needed` }] : []));
}

function optionFaults({ spec }: BackendTLSPolicy): readonly Fault[] {
  const options = Object.keys(spec.options ?? {});
  return options.length === 0 ? [] : [{ reason: 'Invalid', path: ['spec', 'options'], message: `TLS options are not supported yet: ${options.sort().join(', ')}` }];
}

function kindFaults({ spec }: BackendTLSPolicy): readonly Fault[] {
  return spec.targetRefs.flatMap(({ group, kind }, index): Fault[] => {
    if (isTarget(group, kind)) return [];
    return [{ reason: 'UnsupportedTarget', path: ['spec', 'targetRefs', index], message: `${kind}${group === '' ? '' : `.${group}`} is no target for TLS to backends, so the policy has no effect on it; Services (group "") and ServiceImports (group ${importGroup}) are` }];
  });
}
