import { positionOf, type KubernetesObject } from '#crds';
import { pathProblems, policyStatuses } from '#policy';
import { sortInSteps, type Pace, type Steps } from '#snapshot';
import { compareText, type Cluster } from '../cluster.ts';
import type { Attachment } from '../graph/routes/attachments.ts';
import type { Graph } from '../graph/graph.ts';
import type { ListenerFacts } from '../graph/listeners/listeners.ts';
import { findRoute } from '../graph/routes/route.ts';
import { strangeAnnotations } from '../lint/backends.ts';
import { refusedPaths } from '../lint/escapes.ts';
import { circularRedirects } from '../lint/redirects.ts';
import { orphanGateways, orphanListenerSets } from '../lint/orphans.ts';
import { shadowedMatches } from '../lint/shadowed.ts';
import { isWritten } from '../derived.ts';
import { controllerName } from '../names.ts';
import { tellingPaths } from '../paths.ts';
import { problem } from '../problems.ts';
import type { ObjectStatus, Problem } from '../types.ts';
import { affectedBy, type Affected } from './affected.ts';
import { reportBackendTls } from './backend-tls.ts';
import { reportClasses, type Reported } from './classes.ts';
import { gatewayStatus } from './gateway.ts';
import { reportIngresses } from './ingress.ts';
import { listenerSetStatus } from './listener-set.ts';
import { routeStatus } from './route.ts';

/** What users get to know: the status of every object of ours, and what is wrong or will surprise, in no order. */
export function* report(graph: Graph, pace: Pace): Steps<Reported> {
  const { cluster, gateways, routes, policies, attachments } = graph;
  const attached = yield* attachedCounts(attachments, pace);
  const { paths: telling, partly } = yield* tellingPaths(graph, pace);
  const affected = yield* affectedBy(policies, telling, pace);
  const classes = reportClasses(cluster, affected);
  const backendTls = yield* reportBackendTls(graph, pace);
  const ingresses = yield* reportIngresses(graph, pace);
  const statuses = [
    ...classes.statuses,
    ...(yield* gatewayStatuses(gateways, { attached, affected }, pace)),
    ...(yield* routeStatuses(routes, affected, pace)),
    ...ingresses.statuses,
    ...backendTls.statuses,
    ...(policies.verdicts.size === 0 ? [] : yield* policyStatuses(policies, telling, { controllerName, partly, pace })),
  ];
  return {
    statuses: yield* sortInSteps(statuses, byObject, pace),
    problems: [
      ...classes.problems,
      ...(yield* graphProblems(graph, pace)),
      ...backendTls.problems,
      ...ingresses.problems,
      ...(yield* shadowedMatches(graph, pace)),
      ...(yield* refusedPaths(graph, pace)),
      ...(yield* circularRedirects(graph, pace)),
      ...strangeAnnotations(graph),
      ...orphanGateways(graph),
      ...orphanListenerSets(graph),
      ...(yield* positioned(cluster, [...policies.problems, ...(yield* pathProblems(policies, telling, pace))], pace)),
    ],
  };
}

/** By kind, in the order in which requests meet them, then by name. */
function byObject(a: ObjectStatus, b: ObjectStatus): number {
  return kindOrder(a.kind) - kindOrder(b.kind) || compareText(a.kind, b.kind) || compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
}

function kindOrder(kind: string): number {
  const place = ['GatewayClass', 'XMesh', 'Gateway', 'ListenerSet', 'HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'].indexOf(kind);
  return place < 0 ? Number.MAX_SAFE_INTEGER : place;
}

/** With the position of the field that each problem is about, not just of its object. */
function* positioned({ state }: Cluster, problems: readonly Problem[], pace: Pace): Steps<readonly Problem[]> {
  const found: Problem[] = [];
  for (const each of problems) {
    if (pace.spend(itemsPerProblem)) yield;
    const { kind, namespace, name } = each.object;
    const object: KubernetesObject | undefined = state.policies.get(`${kind}/${namespace}/${name}`) ?? (kind === 'XBackendTrafficPolicy' ? state.backendTrafficPolicies.get(`${namespace}/${name}`) : findRoute(state, kind, `${namespace}/${name}`));
    const source = object === undefined ? each.source : positionOf(object, each.path);
    found.push(source === undefined ? each : { ...each, source });
  }
  return found;
}

/** A position that was not asked for before costs a document. In items of a step. */
const itemsPerProblem = 20;

/** Routes per listener, each counted once however many of its parentRefs lead there. */
function* attachedCounts(attachments: readonly Attachment[], pace: Pace): Steps<ReadonlyMap<ListenerFacts, number>> {
  const routes = new Map<ListenerFacts, Set<Attachment['route']>>();
  for (const { route, to } of attachments) {
    if (pace.spend()) yield;
    if (to?.kind !== 'gateway') continue;
    for (const { listener } of to.sections) routes.set(listener, (routes.get(listener) ?? new Set()).add(route));
  }
  return new Map([...routes].map(([listener, set]) => [listener, set.size]));
}

interface OfListeners {
  readonly attached: ReadonlyMap<ListenerFacts, number>;
  readonly affected: Affected;
}

/** Those of ListenerSets as well. */
function* gatewayStatuses(gateways: Graph['gateways'], { attached, affected }: OfListeners, pace: Pace): Steps<readonly ObjectStatus[]> {
  const statuses: ObjectStatus[] = [];
  for (const facts of gateways.values()) {
    if (isWritten(facts.gateway)) statuses.push(gatewayStatus(facts, attached, affected));
    if (pace.spend(itemsPerGateway)) yield;
    for (const set of facts.sets) {
      statuses.push(listenerSetStatus(set, attached, affected));
      if (pace.spend(itemsPerGateway)) yield;
    }
  }
  return statuses;
}

/** What a Gateway or a ListenerSet counts, in items of a step. */
const itemsPerGateway = 5;

function* routeStatuses(routes: Graph['routes'], affected: Affected, pace: Pace): Steps<readonly ObjectStatus[]> {
  const statuses: ObjectStatus[] = [];
  for (const each of routes) {
    if (pace.spend()) yield;
    const status = isWritten(each.route) ? routeStatus(each, affected) : undefined;
    if (status !== undefined) statuses.push(status);
  }
  return statuses;
}

function* graphProblems({ gateways, routes }: Graph, pace: Pace): Steps<readonly Problem[]> {
  const problems = [...gateways.values()].flatMap(({ gateway, faults, warnings, sets }) => [
    ...faults.map((fault) => problem('error', gateway, fault)),
    ...warnings.map((fault) => problem('warning', gateway, fault)),
    ...sets.flatMap(({ set, faults: wrong, warnings: strange }) => [...wrong.map((fault) => problem('error', set, fault)), ...strange.map((fault) => problem('warning', set, fault))]),
  ]);
  for (const { route, attachments, warnings } of routes) {
    for (const fault of warnings) problems.push(problem('warning', route, fault));
    for (const { faults, built, warnings: more } of attachments) {
      for (const fault of [...faults, ...built.invalid, ...built.unresolved]) problems.push(problem('error', route, fault));
      for (const fault of [...more, ...built.warnings]) problems.push(problem('warning', route, fault));
    }
    if (pace.spend()) yield;
  }
  return problems;
}
