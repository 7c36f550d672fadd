import type { Service, ServicePort } from '#crds';
import type { Attachments, PolicyPath, RouteStep, ServiceStep, SettledPolicy } from '#policy';
import type { EffectivePolicy, ObjectRef, Route, RouteHostname, RouteTable, Rule, WeightedBackend } from '#snapshot';
import type { Cluster } from '../cluster.ts';
import { portOf } from '../graph/backends.ts';
import type { BuiltRule } from '../graph/rules.ts';
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
}

/** What policy paths are looked up in. */
export interface PathContext {
  readonly cluster: Cluster;
  readonly attachments: Attachments;
}

/** The last part of a policy path: the rule's route, and the backend as a Service and a port by name. */
export function pathEnd({ route, rule, backend }: PathEnd, cluster: Cluster): { readonly route?: RouteStep; readonly backend?: ServiceStep; readonly inline?: NonNullable<PolicyPath['inline']> } {
  const service = backend === undefined ? undefined : cluster.service(backend.namespace, backend.name);
  const port = service === undefined || backend === undefined ? undefined : portOf(service, backend.port);
  return {
    // The implicit rule of a Service without routes is no route: its `ref` is the Service.
    ...(route.ref.kind === 'Service' ? {} : { route: { ref: route.ref, ...(rule.rule.name === undefined ? {} : { rule: rule.rule.name }) } }),
    ...(service === undefined || port === undefined ? {} : { backend: serviceStep(service, port) }),
    ...(rule.inline === undefined ? {} : { inline: rule.inline }),
  };
}

export function serviceStep(service: Service, port: ServicePort): ServiceStep {
  const { namespace, name } = service.metadata;
  return { namespace, name, ...(port.name === '' ? {} : { port: port.name }) };
}

/** How the requests of one table come in, which decides on the upper part of their policy paths. */
export interface TableWay {
  readonly name: string;
  /** The listener or Service that the table belongs to, as parsed: while it stays the same object, tables may be used again. */
  readonly owner: object;
  readonly via: SettledPath['via'];
  readonly pathOf: (end: PathEnd) => PolicyPath;
  readonly settle: (path: PolicyPath) => SettledPolicy;
}

/** A table, with its policies each once. What did not change since it was last made is the same object again. */
export function renderTable(routes: readonly TableRoute[], way: TableWay): RouteTable {
  const policies = new PolicyList();
  const rendered = routes.map((route) => renderRoute(route, way, policies));
  const old = madeBefore.get(way.owner)?.get(way.name);
  // Tables with policies are made anew: their rules carry indexes into the list.
  if (old !== undefined && policies.all.length === 0 && old.policies.length === 0 && sameItems(old.routes, rendered)) return old;
  const table: RouteTable = { kind: 'RouteTable', name: way.name, routes: rendered, policies: policies.all };
  const tables = madeBefore.get(way.owner) ?? new Map<string, RouteTable>();
  madeBefore.set(way.owner, tables.set(way.name, table));
  return table;
}

/** The tables that were last made for a listener or a Service, by name. */
const madeBefore = new WeakMap<object, Map<string, RouteTable>>();
const routeBefore = new WeakMap<TableRoute['rules'], Route>();

function renderRoute(route: TableRoute, way: TableWay, policies: PolicyList): Route {
  const { ref, createdAt, hostnames } = route;
  const rules = route.rules.map((rule) => renderRule({ route, rule }, way, policies));
  const old = routeBefore.get(route.rules);
  if (old !== undefined && sameItems(old.rules, rules) && sameHostnames(old.hostnames, hostnames)) return old;
  const made = { ref, createdAt, hostnames, rules };
  routeBefore.set(route.rules, made);
  return made;
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

function sameHostnames(a: readonly RouteHostname[], b: readonly RouteHostname[]): boolean {
  return a.length === b.length && a.every(({ match, written }, index) => match === b[index]?.match && written === b[index]?.written);
}

function renderRule(end: PathEnd, way: TableWay, policies: PolicyList): Rule {
  const { rule } = end.rule;
  const policy = policies.indexOf(way.settle(way.pathOf(end)).policy);
  const backends = rule.backends.map((backend) => renderBackend(backend, end, way, policies));
  // A rule without policies is the same in every table and translation; the object itself says so.
  if (policy === undefined && backends.every((backend, index) => backend === rule.backends[index])) return rule;
  return { ...rule, backends, ...(policy === undefined ? {} : { policy }) };
}

function renderBackend(backend: WeightedBackend, end: PathEnd, way: TableWay, policies: PolicyList): WeightedBackend {
  const { target } = backend;
  if (target.kind === 'invalid') return backend;
  const policy = policies.indexOf(way.settle(way.pathOf({ ...end, backend: { ...target.ref, port: target.port } })).policy);
  return policy === undefined ? backend : { ...backend, policy };
}

/** Every path through the table: one for each backend of a rule, and one without for a rule that reaches no backend. */
export function pathsOf(routes: readonly TableRoute[], way: TableWay): readonly SettledPath[] {
  return routes.flatMap((route) =>
    route.rules.flatMap((rule) => {
      const backends = rule.rule.backends.flatMap(({ target }) => (target.kind === 'backend' ? [{ ...target.ref, port: target.port }] : []));
      if (backends.length === 0) return [settledPath({ route, rule }, way)];
      return backends.map((backend) => settledPath({ route, rule, backend }, way));
    }),
  );
}

function settledPath(end: PathEnd, way: TableWay): SettledPath {
  const path = way.pathOf(end);
  const { index, name } = end.rule.rule;
  const implicit = end.route.ref.kind === 'Service';
  return {
    via: way.via,
    ...(implicit ? {} : { route: end.route.ref, rule: { index, ...(name === undefined ? {} : { name }) } }),
    ...(end.backend === undefined ? {} : { backend: end.backend }),
    path,
    settled: way.settle(path),
  };
}

/** The policies of a table, equal ones once. */
class PolicyList {
  readonly all: EffectivePolicy[] = [];
  readonly #known = new Map<string, number>();
  readonly #byObject = new Map<EffectivePolicy, number | undefined>();

  /** Undefined for a policy that says nothing. */
  indexOf(policy: EffectivePolicy): number | undefined {
    if (this.#byObject.has(policy)) return this.#byObject.get(policy);
    const index = isEmpty(policy) ? undefined : this.#indexByContent(policy);
    this.#byObject.set(policy, index);
    return index;
  }

  #indexByContent(policy: EffectivePolicy): number {
    const content = JSON.stringify(policy);
    const known = this.#known.get(content);
    if (known !== undefined) return known;
    this.#known.set(content, this.all.length);
    return this.all.push(policy) - 1;
  }
}

export function isEmpty(policy: EffectivePolicy): boolean {
  return policy.retry === undefined && policy.timeouts === undefined;
}
