import { objectKey, type ClusterState, type Service, type ServiceImport } from '#crds';
import { derive } from '../../derived.ts';
import { Memo, memoByMap } from '../../memo.ts';
import { importKind } from '../../names.ts';

/**
 * The Service that a ServiceImport is derived as goes by this name in the state. No object of a cluster has a colon in its name, so it is the
 * name of no other Service.
 */
export function derivedName(serviceImport: string): string {
  return `import:${serviceImport}`;
}

/** The name in `ClusterState.services` of what a reference means. */
export function serviceName(kind: string, name: string): string {
  return kind === importKind ? derivedName(name) : name;
}

const known = new Memo<ClusterState['serviceImports'], ClusterState['services']>();
const expanded = new WeakSet<ClusterState['services']>();

/**
 * The state with each ServiceImport (KEP-1645) as a Service of its own: what is a Service's frontend and backend is a ServiceImport's too
 * (GEP-1748). Without ServiceImports, and where they are derived already, the state itself.
 */
export function withImports(state: ClusterState): ClusterState {
  const { serviceImports, services } = state;
  if (serviceImports.size === 0 || expanded.has(services)) return state;
  const all = known.get(serviceImports, [services], () => {
    const made = new Map([...services, ...[...serviceImports.values()].map((each) => {
      const service = serviceOf(each);
      return [objectKey(service), service] as const;
    })]);
    expanded.add(made);
    return made;
  });
  return { ...state, services: all };
}

const serviceOf = memoByMap((serviceImport: ServiceImport): Service => {
  const { metadata, spec } = serviceImport;
  const headless = spec.type === 'Headless';
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, name: derivedName(metadata.name) },
    spec: {
      type: 'ClusterIP',
      ports: spec.ports.map((port) => ({ ...port, targetPort: port.port })),
      ...(headless ? { clusterIP: 'None' } : {}),
      clusterIPs: headless ? [] : spec.ips,
      ipFamilies: [],
      externalIPs: [],
      publishNotReadyAddresses: false,
    },
  };
  return derive(service, { object: serviceImport, written: (path) => ({ object: serviceImport, path }) });
});
