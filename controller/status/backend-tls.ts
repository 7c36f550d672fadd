import { groupOf, objectKey, type KubernetesObject, type Service } from '#crds';
import type { Pace, Steps } from '#snapshot';
import { compareText, type Cluster } from '../cluster.ts';
import { isWritten, sourceOf } from '../derived.ts';
import type { Graph } from '../graph/graph.ts';
import { endsTls } from '../graph/listeners/listeners.ts';
import { serviceName } from '../graph/imports/expand.ts';
import { backendTlsIndex, nameOfPolicy, type BackendTlsFacts, type PolicyTargetFacts } from '../graph/tls/backend-policies.ts';
import { targetsOf } from '../graph/tls/own.ts';
import { controllerName, importKind } from '../names.ts';
import { condition, no, problem, refOf, withPath, type Fault, type Verdict } from '../problems.ts';
import type { ObjectStatus, Problem } from '../types.ts';
import type { Reported } from './classes.ts';
import { statusOf } from './conditions.ts';

/** The status of BackendTLSPolicies at the Gateways that send to their targets, and what is wrong with them. */
export function* reportBackendTls(graph: Pick<Graph, 'cluster' | 'attachments' | 'gateways'>, pace: Pace): Steps<Reported> {
  const { all } = backendTlsIndex(graph.cluster);
  const statuses: ObjectStatus[] = [];
  const problems: Problem[] = [];
  if (all.length === 0) return { statuses, problems };
  const uses = yield* usesOf(graph, pace);
  for (const facts of all) {
    const report = reportOf(facts, uses, graph);
    statuses.push(...report.statuses);
    problems.push(...report.problems);
    if (pace.spend(itemsPerPolicy)) yield;
  }
  return { statuses, problems };
}

/** What a policy counts, in items of a step. */
const itemsPerPolicy = 5;

/** Who sends to a Service: the Gateways that would speak TLS to it, with the ports, and whether anything else does that would not. */
interface Use {
  /** By kind and name; the Ingress where the Gateway is one that nobody wrote. */
  readonly gateways: Map<string, { readonly sender: KubernetesObject; readonly ports: Set<number> }>;
  /** `the mesh`, `Gateway infra/edge, listener tcp`: those that pass on what clients send as it is. */
  readonly untouched: Set<string>;
}

function* usesOf({ attachments }: Pick<Graph, 'attachments'>, pace: Pace): Steps<ReadonlyMap<string, Use>> {
  const uses = new Map<string, Use>();
  const useOf = (service: string): Use => {
    const use = uses.get(service) ?? { gateways: new Map(), untouched: new Set() };
    uses.set(service, use);
    return use;
  };
  for (const { to, built, route } of attachments) {
    if (pace.spend()) yield;
    const targets = built.rules.flatMap(({ rule }) => targetsOf(rule)).filter(({ ref }) => ref.kind === 'Service' || ref.kind === importKind);
    for (const { ref, port = 0 } of to === undefined ? [] : targets) {
      const use = useOf(`${ref.namespace}/${serviceName(ref.kind, ref.name)}`);
      if (to?.kind !== 'gateway') use.untouched.add('the mesh');
      else {
        for (const { listener: { gateway, listener } } of to.sections) {
          const sender = isWritten(gateway) ? gateway : (sourceOf(route)?.object ?? gateway);
          const key = `${sender.kind}/${objectKey(sender)}`;
          const known = use.gateways.get(key) ?? { sender, ports: new Set() };
          if (listener.protocol === 'HTTP' || endsTls(listener)) use.gateways.set(key, { sender, ports: known.ports.add(port) });
          else use.untouched.add(`listener ${listener.name} of Gateway ${objectKey(gateway)}`);
        }
      }
    }
    if (to?.kind === 'service') useOf(objectKey(to.service)).untouched.add('the mesh');
  }
  return uses;
}

/** A policy's status holds at most 16 ancestors (PolicyStatus.ancestors). */
const maxAncestors = 16;

function reportOf(facts: BackendTlsFacts, uses: ReadonlyMap<string, Use>, { cluster, gateways }: Pick<Graph, 'cluster' | 'gateways'>): Reported {
  const { policy } = facts;
  const ancestors = ancestorsOf(facts, uses, cluster);
  // A policy that only Gateways of others have to do with is theirs to judge.
  const ours = ancestors.length > 0 || gateways.size === cluster.state.gateways.size;
  const problems = ours ? problemsOf(facts, { uses, ancestors }, cluster) : [];
  if (ancestors.length === 0) return { statuses: [], problems };
  const entries = ancestors.slice(0, maxAncestors).map(({ sender, targets }) => ({
    ancestorRef: { group: groupOf(sender.apiVersion), ...refOf(sender) },
    controllerName,
    conditions: [condition('Accepted', acceptedBy(facts, targets, cluster), policy), condition('ResolvedRefs', facts.resolved, policy)],
  }));
  const crowd: readonly Problem[] =
    ancestors.length > maxAncestors ? [problem('warning', policy, { reason: 'TooManyAncestors', path: ['spec', 'targetRefs'], message: `${ancestors.length} Gateways send to its targets, and all are served; its status has room for ${maxAncestors}` })] : [];
  return { statuses: [statusOf(policy, { ancestors: entries })], problems: [...problems, ...crowd] };
}

interface Ancestor {
  readonly sender: KubernetesObject;
  /** Those that it sends to. */
  readonly targets: readonly PolicyTargetFacts[];
}

function ancestorsOf({ targets }: BackendTlsFacts, uses: ReadonlyMap<string, Use>, cluster: Cluster): readonly Ancestor[] {
  const ancestors = new Map<string, { readonly sender: KubernetesObject; readonly targets: PolicyTargetFacts[] }>();
  for (const target of targets) {
    for (const [key, { sender, ports }] of uses.get(target.service)?.gateways ?? []) {
      const number = portNumber(target, cluster);
      if (number !== undefined && !ports.has(number)) continue;
      const ancestor = ancestors.get(key) ?? { sender, targets: [] };
      ancestor.targets.push(target);
      ancestors.set(key, ancestor);
    }
  }
  return [...ancestors].sort(([a], [b]) => compareText(a, b)).map(([, ancestor]) => ancestor);
}

/** Of a target with a section that is there. */
function portNumber({ service, section }: PolicyTargetFacts, { state }: Cluster): number | undefined {
  return section === undefined ? undefined : state.services.get(service)?.spec.ports.find(({ name }) => name === section)?.port;
}

/** A policy is accepted where it holds for something that the Gateway sends to; what it does not hold for is told along. */
function acceptedBy({ accepted }: BackendTlsFacts, targets: readonly PolicyTargetFacts[], cluster: Cluster): Verdict {
  const faults = targets.flatMap((target) => targetFault(target, cluster) ?? []);
  const [first] = faults;
  const message = faults.map((fault) => withPath(fault)).join('; ');
  if (first !== undefined && faults.length === targets.length) return no(first.reason, accepted.status === 'True' ? message : `${message}; besides, ${accepted.message}`);
  if (first === undefined) return accepted;
  return { ...accepted, message: accepted.status === 'True' ? `Accepted, but not everywhere: ${message}` : `${accepted.message}; besides, ${message}` };
}

/** Why a policy does not hold for one of its targets. */
function targetFault({ index, title, service: key, section, lostTo }: PolicyTargetFacts, { state }: Cluster): Fault | undefined {
  const path = ['spec', 'targetRefs', index];
  const service: Service | undefined = state.services.get(key);
  if (service === undefined) return { reason: 'TargetNotFound', path, message: `${title} not found` };
  if (section !== undefined && !service.spec.ports.some(({ name }) => name === section)) {
    const names = service.spec.ports.map(({ name, port }) => (name === '' ? `${port} without a name` : name));
    return { reason: 'TargetNotFound', path: [...path, 'sectionName'], message: `${title} has no port of the name ${section}; it has ${names.join(', ') || 'none'}` };
  }
  if (lostTo === undefined) return undefined;
  const what = section === undefined ? title : `port ${section} of ${title}`;
  return { reason: 'Conflicted', path, message: `${nameOfPolicy(lostTo)} holds for ${what}: it is older, or of one age and first by name` };
}

interface Reach {
  readonly uses: ReadonlyMap<string, Use>;
  readonly ancestors: readonly Ancestor[];
}

/** What no Gateway of ours has to do with ends in no condition, so it is a warning only. */
function problemsOf({ policy, targets, faults, warnings }: BackendTlsFacts, { uses, ancestors }: Reach, cluster: Cluster): readonly Problem[] {
  const told = new Set(ancestors.slice(0, maxAncestors).flatMap((ancestor) => ancestor.targets));
  const found = targets.flatMap((target): readonly Problem[] => {
    const fault = targetFault(target, cluster);
    if (fault !== undefined) return [problem(told.has(target) ? 'error' : 'warning', policy, fault)];
    return reachWarnings(target, uses.get(target.service)).map((each) => problem('warning', policy, each));
  });
  return [...faults.map((fault) => problem(ancestors.length > 0 ? 'error' : 'warning', policy, fault)), ...warnings.map((fault) => problem('warning', policy, fault)), ...found];
}

/** Where the policy does not reach: it acts at Gateways alone. */
function reachWarnings({ index, title }: PolicyTargetFacts, use: Use | undefined): readonly Fault[] {
  const path = ['spec', 'targetRefs', index];
  if (use === undefined || use.gateways.size === 0) {
    const besides = use === undefined ? '' : `; ${[...use.untouched].join(' and ')} pass${use.untouched.size === 1 ? 'es' : ''} on what clients send as it is`;
    return [{ reason: 'NoEffect', path, message: `no route sends requests from a Gateway to ${title}, and BackendTLSPolicies act nowhere else${besides}` }];
  }
  if (use.untouched.size === 0) return [];
  return [{ reason: 'PartialEffect', path, message: `${[...use.untouched].sort().join(' and ')} send${use.untouched.size === 1 ? 's' : ''} to ${title} what clients sent, without this policy: it acts where a Gateway reads requests or ends TLS` }];
}
