import { Pace, type EffectivePolicy, type Route, type RouteHostname, type RouteTable, type Rule, type Steps, type WeightedBackend } from '#snapshot';
import { createSlot } from '../memo.ts';
import type { SettledPath } from '../types.ts';
import { isFrontend, isTouched, settleAt, type PathEnd, type TableRoute, type TableWay } from './way.ts';

/** A table, with its policies each once. What did not change since it was last made is the same object again. */
export function* renderTableInSteps(routes: readonly TableRoute[], way: TableWay): Steps<RouteTable> {
  const pace = new Pace();
  const policies = new PolicyList();
  const rendered: Route[] = [];
  for (const route of routes) {
    rendered.push(renderRoute(route, way, policies));
    if (pace.spend()) yield;
  }
  const old = madeBefore.get(way.owner)?.get(way.name);
  // Tables with policies are made anew: their rules carry indexes into the list.
  if (old !== undefined && policies.all.length === 0 && old.policies.length === 0 && sameItems(old.routes, rendered) && sameItems(old.allowedEscapes ?? [], way.escapes ?? [])) return old;
  const table: RouteTable = { kind: 'RouteTable', name: way.name, routes: rendered, policies: policies.all, ...(way.escapes === undefined ? {} : { allowedEscapes: way.escapes }) };
  const tables = madeBefore.get(way.owner) ?? new Map<string, RouteTable>();
  madeBefore.set(way.owner, tables.set(way.name, table));
  return table;
}

/** The tables that were last made for a listener or a Service, by name. */
const madeBefore = new WeakMap<object, Map<string, RouteTable>>();
const routeBefore = createSlot<TableRoute['rules'], Route>();

function renderRoute(route: TableRoute, way: TableWay, policies: PolicyList): Route {
  const { ref, createdAt, hostnames } = route;
  const rules = route.rules.map((rule) => renderRule({ route, rule }, way, policies));
  const old = routeBefore.find(route.rules);
  if (old !== undefined && sameItems(old.rules, rules) && sameHostnames(old.hostnames, hostnames)) return old;
  const made = { ref, createdAt, hostnames, rules };
  routeBefore.keep(route.rules, made);
  return made;
}

export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

export function sameHostnames(a: readonly RouteHostname[], b: readonly RouteHostname[]): boolean {
  return a.length === b.length && a.every(({ match, written }, index) => match === b[index]?.match && written === b[index]?.written);
}

function renderRule(end: PathEnd, way: TableWay, policies: PolicyList): Rule {
  const { rule } = end.rule;
  const policy = policies.indexOf(settleAt(end, way).policy);
  const backends = rule.backends.map((backend) => renderBackend(backend, end, way, policies));
  // A rule without policies is the same in every table and translation; the object itself says so.
  if (policy === undefined && backends.every((backend, index) => backend === rule.backends[index])) return rule;
  return { ...rule, backends, ...(policy === undefined ? {} : { policy }) };
}

export function renderBackend(backend: WeightedBackend, end: PathEnd, way: TableWay, policies: PolicyList): WeightedBackend {
  const { target } = backend;
  if (target.kind === 'invalid') return backend;
  const policy = policies.indexOf(settleAt({ ...end, backend: { ...target.ref, port: target.port } }, way).policy);
  return policy === undefined ? backend : { ...backend, policy };
}

/** Which paths of a table are asked for: all, or those on which a policy or a field of the route itself stands. */
export type PathChoice = 'all' | 'touched';

/** The paths through a table: one for each backend of a rule, and one without for a rule that reaches no backend. */
export function* pathsOf(routes: readonly TableRoute[], way: TableWay, { choice, pace }: { readonly choice: PathChoice; readonly pace: Pace }): Steps<readonly SettledPath[]> {
  const paths: SettledPath[] = [];
  const add = (end: PathEnd): void => {
    if (choice === 'all' || isTouched(end, way)) paths.push(settledPath(end, way));
  };
  for (const route of routes) {
    if (pace.spend(route.rules.length)) yield;
    for (const rule of route.rules) {
      // What `isTouched` would say of each path, said once.
      if (choice === 'touched' && rule.inline === undefined && way.attachments.byTarget.size === 0) continue;
      const backends = rule.rule.backends.flatMap(({ target }) => (target.kind === 'backend' ? [{ backend: { ...target.ref, port: target.port }, resource: target.backend }] : []));
      if (backends.length === 0) add({ route, rule });
      for (const { backend, resource } of backends) add({ route, rule, backend, resource });
    }
  }
  return paths;
}

function settledPath(end: PathEnd, way: TableWay): SettledPath {
  const { index, name } = end.rule.rule;
  const implicit = isFrontend(end.route.ref);
  return {
    via: way.via,
    ...(implicit ? {} : { route: end.route.ref, rule: { index, ...(name === undefined ? {} : { name }) } }),
    ...(end.backend === undefined ? {} : { backend: end.backend }),
    ...(end.resource === undefined ? {} : { resource: end.resource }),
    carries: way.carries,
    path: way.pathOf(end),
    settled: settleAt(end, way),
  };
}

/** The policies of a table, equal ones once. */
export class PolicyList {
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
  return Object.keys(policy.origins).length === 0;
}
