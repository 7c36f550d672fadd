import type { StreamRoute, StreamTable } from '#snapshot';
import { PolicyList, renderBackend, sameHostnames, sameItems } from './table.ts';
import type { TableRoute, TableWay } from './way.ts';

/** A table for connections or datagrams, with its policies each once. What did not change since it was last made is the same object again. */
export function renderStreamTable(routes: readonly TableRoute[], way: TableWay): StreamTable {
  const policies = new PolicyList();
  const rendered = routes.flatMap((route) => renderRoute(route, way, policies) ?? []);
  const tables = madeBefore.get(way.owner) ?? new Map<string, StreamTable>();
  const old = tables.get(way.name);
  // A backend with a policy is never the same object again, so what is the same has no policies.
  if (old !== undefined && sameItems(old.routes, rendered)) return old;
  const table: StreamTable = { kind: 'StreamTable', name: way.name, routes: rendered, ...(policies.all.length === 0 ? {} : { policies: policies.all }) };
  madeBefore.set(way.owner, tables.set(way.name, table));
  return table;
}

/** The tables that were last made for a listener or a Service, by name. */
const madeBefore = new WeakMap<object, Map<string, StreamTable>>();
const routeBefore = new WeakMap<TableRoute['rules'], StreamRoute>();

/** These routes have rules without matches: the first counts. */
function renderRoute(route: TableRoute, way: TableWay, policies: PolicyList): StreamRoute | undefined {
  const { ref, createdAt, hostnames, rules } = route;
  const first = rules[0];
  if (first === undefined) return undefined;
  const { index, name } = first.rule;
  const backends = first.rule.backends.map((backend) => renderBackend(backend, { route, rule: first }, way, policies));
  const old = routeBefore.get(rules);
  if (old !== undefined && sameHostnames(old.hostnames, hostnames) && sameItems(old.rule.backends, backends)) return old;
  const made: StreamRoute = { ref, createdAt, hostnames, rule: { index, ...(name === undefined ? {} : { name }), backends } };
  routeBefore.set(rules, made);
  return made;
}
