import type { ObjectRef, PolicyLevel } from '#snapshot';
import { targetKinds } from '../attach/targets.ts';
import type { PathStep, PolicyPath, PolicyTarget } from '../types.ts';

/** A route and, where it has a name, the rule. */
export interface RouteStep {
  readonly ref: ObjectRef;
  readonly rule?: string;
}

/** A Service (or of another kind that acts as one) and, where it has a name, the port. */
export interface ServiceStep {
  /** Absent: Service. */
  readonly kind?: string;
  readonly namespace: string;
  readonly name: string;
  readonly port?: string;
}

export interface GatewayPathParts {
  readonly gatewayClass: string;
  readonly gateway: { readonly namespace: string; readonly name: string };
  /** The listener's name; with `listenerSet` a listener of that. */
  readonly listener: string;
  readonly listenerSet?: { readonly namespace: string; readonly name: string };
  readonly route?: RouteStep;
  readonly backend?: ServiceStep;
  readonly inline?: PolicyPath['inline'];
}

/** The path of a request that came through a Gateway (policy.md, Levels). */
export function gatewayPath(parts: GatewayPathParts): PolicyPath {
  const { gateway, listenerSet, route, backend } = parts;
  const steps = [
    step('GatewayClass', 'GatewayClass', { namespace: '', name: parts.gatewayClass }),
    namespaceStep(gateway.namespace),
    step('Gateway', 'Gateway', gateway),
    ...(listenerSet === undefined
      ? [step('Listener', 'Gateway', gateway, parts.listener)]
      : [step('ListenerSet', 'ListenerSet', listenerSet), step('Listener', 'ListenerSet', listenerSet, parts.listener)]),
    ...(route === undefined ? [] : [namespaceStep(route.ref.namespace), ...routeSteps(route)]),
    ...(backend === undefined ? [] : [namespaceStep(backend.namespace), ...serviceSteps(backend)]),
  ];
  return { steps: namespacesOnce(steps), ...(parts.inline === undefined ? {} : { inline: parts.inline }) };
}

export interface MeshPathParts {
  readonly mesh: string;
  readonly clientNamespace: string;
  /** The Service that was dialled. */
  readonly service: ServiceStep;
  readonly route?: RouteStep;
  /** Where the rule sends the request. Another Service than the dialled one comes below it. */
  readonly backend?: ServiceStep;
  readonly inline?: PolicyPath['inline'];
}

/** The path of a request from a workload in the mesh. A route outside the Service's namespace is a consumer route (GEP-1294). */
export function meshPath(parts: MeshPathParts): PolicyPath {
  const { service, route, backend } = parts;
  const routed = route === undefined ? [] : routeSteps(route);
  const consumer = route !== undefined && route.ref.namespace !== service.namespace;
  const elsewhere = backend !== undefined && (backend.name !== service.name || backend.namespace !== service.namespace || backend.kind !== service.kind);
  const dialled = backend === undefined || elsewhere ? service : backend;
  const steps = [
    step('Mesh', 'XMesh', { namespace: '', name: parts.mesh }),
    namespaceStep(parts.clientNamespace),
    ...(consumer ? routed : []),
    namespaceStep(service.namespace),
    ...(consumer ? [] : routed),
    ...serviceSteps(dialled),
    ...(elsewhere ? [namespaceStep(backend.namespace), ...serviceSteps(backend)] : []),
  ];
  return { steps: namespacesOnce(steps), ...(parts.inline === undefined ? {} : { inline: parts.inline }) };
}

/**
 * How many leading steps concern the client's connection: through the listener; in the mesh, the mesh and the client's namespace.
 * A path through a Gateway is told by its Gateway step.
 */
export function connectionSteps(path: PolicyPath): number {
  const listener = path.steps.findLastIndex(({ level }) => level === 'Gateway' || level === 'Listener' || level === 'ListenerSet');
  if (listener >= 0) return listener + 1;
  let count = 0;
  while (path.steps[count]?.level === 'Mesh' || path.steps[count]?.level === 'GatewayClass') count += 1;
  return path.steps[count]?.level === 'Namespace' ? count + 1 : count;
}

function routeSteps({ ref, rule }: RouteStep): readonly PathStep[] {
  return [step('Route', ref.kind, ref), ...(rule === undefined ? [] : [step('Rule', ref.kind, ref, rule)])];
}

function serviceSteps(service: ServiceStep): readonly PathStep[] {
  const { kind = 'Service', port } = service;
  return [step('Service', kind, service), ...(port === undefined ? [] : [step('Port', kind, service, port)])];
}

function namespaceStep(name: string): PathStep {
  return step('Namespace', 'Namespace', { namespace: '', name });
}

function step(level: PolicyLevel, kind: string, { namespace, name }: { readonly namespace: string; readonly name: string }, section?: string): PathStep {
  const target: PolicyTarget = { group: targetKinds.get(kind)?.group ?? '', kind, namespace, name, ...(section === undefined ? {} : { section }) };
  return { level, target };
}

/** A namespace counts once, at the higher of its places. */
function namespacesOnce(steps: readonly PathStep[]): readonly PathStep[] {
  const seen = new Set<string>();
  return steps.filter(({ level, target }) => level !== 'Namespace' || (!seen.has(target.name) && seen.add(target.name)));
}
