import type { StreamRoute, StreamTable } from '#snapshot';
import { sameHostnames, sameItems } from './table.ts';
import type { TableRoute, TableWay } from './way.ts';

/** A table for connections or datagrams. What did not change since it was last made is the same object again. */
export function renderStreamTable(routes: readonly TableRoute[], way: Pick<TableWay, 'name' | 'owner'>): StreamTable {
  const rendered = routes.flatMap((route) => renderRoute(route) ?? []);
  const tables = madeBefore.get(way.owner) ?? new Map<string, StreamTable>();
  const old = tables.get(way.name);
  if (old !== undefined && sameItems(old.routes, rendered)) return old;
  const table: StreamTable = { kind: 'StreamTable', name: way.name, routes: rendered };
  madeBefore.set(way.owner, tables.set(way.name, table));
  return table;
}

/** The tables that were last made for a listener or a Service, by name. */
const madeBefore = new WeakMap<object, Map<string, StreamTable>>();
const routeBefore = new WeakMap<TableRoute['rules'], StreamRoute>();

/** These routes have rules without matches: the first counts. */
function renderRoute({ ref, createdAt, hostnames, rules }: TableRoute): StreamRoute | undefined {
  const first = rules[0]?.rule;
  if (first === undefined) return undefined;
  const old = routeBefore.get(rules);
  if (old !== undefined && sameHostnames(old.hostnames, hostnames)) return old;
  const { index, name, backends } = first;
  const made: StreamRoute = { ref, createdAt, hostnames, rule: { index, ...(name === undefined ? {} : { name }), backends } };
  routeBefore.set(rules, made);
  return made;
}
