import type { BackendTarget, Filter, Resource, ResourceKind, RouteTable } from '../resources.ts';

export interface ResourceId {
  readonly type: ResourceKind;
  readonly name: string;
}

/** The resources that this one names and can't serve without. Listener and Destination → RouteTable, Certificate → Backend → Endpoints. */
export function references(resource: Resource): readonly ResourceId[] {
  switch (resource.kind) {
    case 'Listener':
      return resource.sections.flatMap((section) => [
        { type: 'RouteTable', name: section.routes } as const,
        ...(section.certificates ?? []).map((name) => ({ type: 'Certificate', name }) as const),
      ]);
    case 'Destination':
      return resource.target.kind === 'service' ? [{ type: 'RouteTable', name: resource.target.routes }] : [];
    case 'RouteTable':
      return backendsOf(resource).map((name) => ({ type: 'Backend', name }));
    case 'Backend':
      return [{ type: 'Endpoints', name: resource.name }];
    case 'Endpoints':
    case 'Certificate':
      return [];
  }
}

function backendsOf(table: RouteTable): readonly string[] {
  const names = new Set<string>();
  const add = (target: BackendTarget): void => {
    if (target.kind === 'backend') names.add(target.backend);
  };
  const addMirrors = (filters: readonly Filter[]): void => {
    for (const filter of filters) if (filter.type === 'RequestMirror') add(filter.backend);
  };
  for (const route of table.routes) {
    for (const rule of route.rules) {
      addMirrors(rule.filters);
      for (const backend of rule.backends) {
        add(backend.target);
        addMirrors(backend.filters);
      }
    }
  }
  return [...names];
}
