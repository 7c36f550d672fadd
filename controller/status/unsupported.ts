import type { Cluster } from '../cluster.ts';
import type { Attachment } from '../graph/routes/attachments.ts';
import { listenerSetsOf, type GatewayFacts } from '../graph/listeners/gateways.ts';
import { controllerName, gatewayGroup } from '../names.ts';
import { condition, no, problem, refOf } from '../problems.ts';
import type { KubernetesObject } from '#crds';
import type { ObjectRef } from '#snapshot';
import type { ObjectStatus, Problem } from '../types.ts';
import type { Reported } from './classes.ts';
import { statusOf } from './conditions.ts';
import { refusedStatus } from './route.ts';

/** Objects of kinds that are not supported yet, where they refer to something of ours: each is told so in its status. */
export function reportUnsupported(cluster: Cluster, gateways: ReadonlyMap<string, GatewayFacts>, attachments: readonly Attachment[]): Reported {
  const reports = [...unsupportedRoutes(cluster, gateways), ...backendPolicies(cluster, attachments)];
  return { statuses: reports.map(({ status }) => status), problems: reports.map((report) => report.problem) };
}

interface Report {
  readonly status: ObjectStatus;
  readonly problem: Problem;
}

interface ParentRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

function unsupportedRoutes({ state }: Cluster, gateways: ReadonlyMap<string, GatewayFacts>): readonly Report[] {
  const routes = [...state.grpcRoutes.values(), ...state.tlsRoutes.values(), ...state.tcpRoutes.values(), ...state.udpRoutes.values()];
  return routes.flatMap((route): Report[] => {
    const parentRefs: readonly ParentRef[] = route.spec.parentRefs ?? [];
    const ours = parentRefs.filter(({ group, kind, name, namespace = route.metadata.namespace }) => {
      if (group === gatewayGroup && kind === 'Gateway') return gateways.has(`${namespace}/${name}`);
      if (group === gatewayGroup && kind === 'ListenerSet') return listenerSetsOf(gateways).has(`${namespace}/${name}`);
      return group === '' && kind === 'Service' && state.services.has(`${namespace}/${name}`);
    });
    if (ours.length === 0) return [];
    const fault = { reason: 'UnsupportedValue', path: ['kind'], message: `${route.kind}s are not supported yet` };
    return [{ status: refusedStatus(route, ours, no(fault.reason, fault.message)), problem: problem('error', route, fault) }];
  });
}

/** Policies for TLS to backends. They concern us where a Gateway of ours sends requests to the Service. */
function backendPolicies({ state }: Cluster, attachments: readonly Attachment[]): readonly Report[] {
  if (state.backendTLSPolicies.size === 0) return [];
  const users = gatewaysByService(attachments);
  const tls = [...state.backendTLSPolicies.values()].flatMap((policy) => {
    const ancestors = policy.spec.targetRefs.flatMap(({ kind, name }) => (kind === 'Service' ? [...(users.get(`${policy.metadata.namespace}/${name}`)?.values() ?? [])] : []));
    return refusedPolicy(policy, ancestors.map((ref) => ({ group: gatewayGroup, ...ref })));
  });
  return tls;
}

/** A policy's status holds at most 16 ancestors (PolicyStatus.ancestors). */
const maxAncestors = 16;

function refusedPolicy(policy: KubernetesObject, refs: readonly (ObjectRef & { readonly group: string })[]): readonly Report[] {
  const distinct = [...new Map(refs.map((ref) => [JSON.stringify(ref), ref])).values()].slice(0, maxAncestors);
  if (distinct.length === 0) return [];
  const fault = { reason: 'Invalid', path: ['kind'], message: `${policy.kind} is not supported yet` };
  const accepted = condition('Accepted', no(fault.reason, fault.message), policy);
  const ancestors = distinct.map(({ group, kind, namespace, name }) => ({ ancestorRef: { group, kind, namespace, name }, controllerName, conditions: [accepted] }));
  return [{ status: statusOf(policy, { ancestors }), problem: problem('error', policy, fault) }];
}

/** The Gateways that send requests to each Service. */
function gatewaysByService(attachments: readonly Attachment[]): ReadonlyMap<string, ReadonlyMap<string, ObjectRef>> {
  const users = new Map<string, Map<string, ObjectRef>>();
  for (const { to, built } of attachments) {
    if (to?.kind !== 'gateway') continue;
    const gateway = to.sections[0]?.listener.gateway;
    if (gateway === undefined) continue;
    for (const { rule } of built.rules) {
      for (const { target } of rule.backends) {
        const key = `${target.ref.namespace}/${target.ref.name}`;
        const known = users.get(key) ?? new Map<string, ObjectRef>();
        users.set(key, known.set(`${gateway.metadata.namespace}/${gateway.metadata.name}`, refOf(gateway)));
      }
    }
  }
  return users;
}
