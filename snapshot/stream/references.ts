import type { BackendTarget, Filter, ListenerSection, Resource, ResourceKind, RouteTable, Rule, StreamTable } from '../resources.ts';

export interface ResourceId {
  readonly type: ResourceKind;
  readonly name: string;
}

/**
 * The resources that this one names and can't serve without. Listener and Destination → RouteTable, StreamTable, Certificate → Backend →
 * Endpoints, Certificate.
 */
export function references(resource: Resource): readonly ResourceId[] {
  switch (resource.kind) {
    case 'Listener':
      return resource.sections.flatMap((section) => [
        { type: tableKind(section), name: section.routes } as const,
        ...(section.certificates ?? []).map((name) => ({ type: 'Certificate', name }) as const),
      ]);
    case 'Destination':
      return resource.target.kind === 'service' ? destinationTables(resource.target) : [];
    case 'RouteTable':
      return backendsOf(resource).map((name) => ({ type: 'Backend', name }));
    case 'StreamTable':
      return streamBackendsOf(resource).map((name) => ({ type: 'Backend', name }));
    case 'Backend': {
      const certificate = resource.tls?.clientCertificate;
      return [{ type: 'Endpoints', name: resource.name }, ...(certificate === undefined ? [] : [{ type: 'Certificate', name: certificate } as const])];
    }
    case 'Endpoints':
    case 'Certificate':
      return [];
  }
}

/** The kind of resource that `routes` of a section names. */
function tableKind({ protocol }: Pick<ListenerSection, 'protocol'>): 'RouteTable' | 'StreamTable' {
  return protocol === 'HTTP' || protocol === 'HTTPS' ? 'RouteTable' : 'StreamTable';
}

function destinationTables({ routes, streams }: { readonly routes: string; readonly streams?: string }): readonly ResourceId[] {
  return [{ type: 'RouteTable', name: routes }, ...(streams === undefined ? [] : [{ type: 'StreamTable', name: streams } as const])];
}

function streamBackendsOf({ routes }: StreamTable): readonly string[] {
  return [...new Set(routes.flatMap(({ rule }) => rule.backends.flatMap(({ target }) => (target.kind === 'backend' ? [target.backend] : []))))];
}

/** What a long table refers to, where it was looked at in steps. */
const known = new WeakMap<RouteTable, readonly string[]>();
/** Rules that are looked at in one step. */
const rulesAtOnce = 200;

/** `references` in steps; that has the result at hand afterwards. */
export function* referencesInSteps(table: RouteTable): Generator<undefined, void> {
  const names = new Set<string>();
  let count = 0;
  for (const { rules } of table.routes) {
    for (const rule of rules) {
      addBackends(names, rule);
      if (++count % rulesAtOnce === 0) yield;
    }
  }
  known.set(table, [...names]);
}

function backendsOf(table: RouteTable): readonly string[] {
  const found = known.get(table);
  if (found !== undefined) return found;
  const names = new Set<string>();
  for (const { rules } of table.routes) for (const rule of rules) addBackends(names, rule);
  return [...names];
}

function addBackends(names: Set<string>, { filters, backends }: Rule): void {
  addMirrors(names, filters);
  for (const backend of backends) {
    add(names, backend.target);
    addMirrors(names, backend.filters);
  }
}

function addMirrors(names: Set<string>, filters: readonly Filter[]): void {
  for (const filter of filters) if (filter.type === 'RequestMirror') add(names, filter.backend);
}

function add(names: Set<string>, target: BackendTarget): void {
  if (target.kind === 'backend') names.add(target.backend);
}
