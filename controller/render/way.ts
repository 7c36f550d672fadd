import type { Service, ServicePort } from '#crds';
import { settle, targetKey, type Attachments, type Carried, type PolicyPath, type RouteStep, type ServiceStep, type SettledPolicy } from '#policy';
import type { ObjectRef, PathEscape, RouteHostname } from '#snapshot';
import type { Cluster } from '../cluster.ts';
import { portOf } from '../graph/ports.ts';
import { routeKinds } from '../graph/routes/route.ts';
import { importKind } from '../names.ts';
import { refOf } from '../problems.ts';
import type { BuiltRule } from '../graph/routes/build.ts';
import type { SettledPath } from '../types.ts';

/** A route in one table. */
export interface TableRoute {
  readonly ref: ObjectRef;
  readonly createdAt: number;
  readonly hostnames: readonly RouteHostname[];
  readonly rules: readonly BuiltRule[];
}

/** What a policy path needs to know below the listener or Service. */
export interface PathEnd {
  readonly route: TableRoute;
  readonly rule: BuiltRule;
  readonly backend?: ObjectRef & { readonly port: number };
  /** Name of its Backend resource, where somebody may ask for it. */
  readonly resource?: string;
}

/** What policy paths are looked up in. */
export interface PathContext {
  readonly cluster: Cluster;
  readonly attachments: Attachments;
}

/** The last part of a policy path: the rule's route, and the backend as a Service and a port by name. */
export function pathEnd({ route, rule, backend }: PathEnd, cluster: Cluster): { readonly route?: RouteStep; readonly backend?: ServiceStep; readonly inline?: NonNullable<PolicyPath['inline']> } {
  const service = backend === undefined ? undefined : cluster.backend(backend);
  const port = service === undefined || backend === undefined ? undefined : portOf(service, backend.port);
  return {
    // The implicit rule of a Service without routes is no route: its `ref` is the Service.
    ...(isFrontend(route.ref) ? {} : { route: { ref: route.ref, ...(rule.rule.name === undefined ? {} : { rule: rule.rule.name }) } }),
    ...(service === undefined || port === undefined ? {} : { backend: serviceStep(service, port) }),
    ...(rule.inline === undefined ? {} : { inline: rule.inline }),
  };
}

/** Whether a route's `ref` is that of a Service without routes, whose one rule is implicit. */
export function isFrontend({ kind }: ObjectRef): boolean {
  return kind === 'Service' || kind === importKind;
}

export function serviceStep(service: Service, port: ServicePort): ServiceStep {
  const { kind, namespace, name } = refOf(service);
  return { ...(kind === 'Service' ? {} : { kind }), namespace, name, ...(port.name === '' ? {} : { port: port.name }) };
}

/** How the requests of one table come in, which decides on the upper part of their policy paths. */
export interface TableWay {
  readonly name: string;
  /** The listener or Service that the table belongs to, as parsed: while it stays the same object, tables may be used again. */
  readonly owner: object;
  readonly via: SettledPath['via'];
  readonly carries: Carried;
  /** That may be in paths; undefined: none. */
  readonly escapes?: readonly PathEscape[] | undefined;
  readonly attachments: Attachments;
  readonly pathOf: (end: PathEnd) => PolicyPath;
}

/**
 * The effective policy at the end of a way. Where no policy stands on route and backend, all ends of a way have the same, but for what
 * direct policies of a dialled Service say to requests that go on to another; so their paths need not even be written out.
 */
export function settleAt(end: PathEnd, way: TableWay): SettledPolicy {
  if (!isPlain(end, standingOf(way.attachments))) return settle(way.pathOf(end), way.attachments, way.carries);
  return plainOf(end, way).settled;
}

/** Whether any policy, or a field of the route itself, has to do with the end of a way. */
export function isTouched(end: PathEnd, way: TableWay): boolean {
  return !isPlain(end, standingOf(way.attachments)) || plainOf(end, way).touched;
}

interface Plain {
  readonly settled: SettledPolicy;
  /** Whether a policy stands on the part that all ends share. */
  readonly touched: boolean;
}

/** By whether the end has a backend. */
const plains = { toBackend: new WeakMap<TableWay, Plain>(), toNone: new WeakMap<TableWay, Plain>() };

function plainOf(end: PathEnd, way: TableWay): Plain {
  const ofSort = end.backend === undefined ? plains.toNone : plains.toBackend;
  const known = ofSort.get(way);
  if (known !== undefined) return known;
  const path = way.pathOf(end);
  const made = { settled: settle(path, way.attachments, way.carries), touched: path.steps.some(({ target }) => way.attachments.byTarget.has(targetKey(target))) };
  ofSort.set(way, made);
  return made;
}

/** The routes, Services and namespaces at which policies stand, sections included. */
interface Standing {
  readonly routes: ReadonlySet<string>;
  readonly services: ReadonlySet<string>;
  readonly namespaces: ReadonlySet<string>;
}

const standings = new WeakMap<Attachments, Standing>();

function standingOf(attachments: Attachments): Standing {
  const known = standings.get(attachments);
  if (known !== undefined) return known;
  const targets = [...attachments.byTarget.keys()].map((key) => key.split('/'));
  const of = (...kinds: readonly string[]): ReadonlySet<string> =>
    new Set(targets.flatMap(([kind = '', namespace = '', name = '']) => (kinds.includes(kind) ? [namespace === '' ? name : `${namespace}/${name}`] : [])));
  const made = { routes: of(...routeKinds), services: of('Service', importKind), namespaces: of('Namespace') };
  standings.set(attachments, made);
  return made;
}

function isPlain({ route, rule, backend }: PathEnd, { routes, services, namespaces }: Standing): boolean {
  if (rule.inline !== undefined) return false;
  const { ref } = route;
  if (routes.size > 0 && routes.has(`${ref.namespace}/${ref.name}`)) return false;
  if (namespaces.size > 0 && (namespaces.has(ref.namespace) || (backend !== undefined && namespaces.has(backend.namespace)))) return false;
  return backend === undefined || services.size === 0 || !services.has(`${backend.namespace}/${backend.name}`);
}
