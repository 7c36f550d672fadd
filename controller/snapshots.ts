import type { ClusterState } from '#crds';
import type { Backend, Certificate, Destination, Listener, RouteTable, StreamTable } from '#snapshot';
import { servicesByName } from './cluster.ts';
import { hostOf, isServedPort, renderDestination, streamsByName, tableByName, type Mesh } from './render/mesh.ts';
import type { TlsOf } from './graph/tls/spoken.ts';
import { renderBackend } from './render/endpoints.ts';
import { renderStreamTable } from './render/streams.ts';
import { renderTable } from './render/table.ts';
import type { Snapshots } from './types.ts';

export interface ResourceParts {
  readonly state: ClusterState;
  readonly mesh: Mesh;
  readonly listeners: ReadonlyMap<string, readonly Listener[]>;
  /** Tables of Gateway listeners, by name. */
  readonly tables: ReadonlyMap<string, () => RouteTable>;
  /** As `tables`, for TLS, TCP and UDP. */
  readonly streamTables: ReadonlyMap<string, () => StreamTable>;
  readonly certificates: ReadonlyMap<string, Certificate>;
  readonly clientCertificates: Snapshots['clientCertificates'];
  readonly tlsOf: TlsOf;
}

/** Resources on demand, all but endpoints. What was made once is kept: the same name gives the same object. */
export function resourcesOf({ state, mesh, listeners, tables, streamTables, certificates, clientCertificates, tlsOf }: ResourceParts): Omit<Snapshots, 'endpoints'> {
  const destination = remember((key: string): Destination => {
    const [clientNamespace = '', host = '', port] = key.split(' ');
    return renderDestination(mesh, clientNamespace, host, Number(port));
  });
  return {
    listeners,
    destination: (clientNamespace, host, port) => destination(`${clientNamespace} ${host} ${port}`),
    destinations: (clientNamespace) =>
      servicesByName(state.services).flatMap((service) =>
        service.spec.ports
          .filter((port) => isServedPort(mesh, clientNamespace, service, port))
          .map(({ port }) => destination(`${clientNamespace} ${hostOf(service)} ${port}`)),
      ),
    routeTable: remember((name: string): RouteTable | undefined => {
      const make = tables.get(name);
      if (make !== undefined) return make();
      const table = tableByName(mesh, name);
      return table === undefined ? undefined : renderTable(table.routes, table.way);
    }),
    streamTable: remember((name: string): StreamTable | undefined => {
      const make = streamTables.get(name);
      if (make !== undefined) return make();
      const table = streamsByName(mesh, name);
      return table === undefined ? undefined : renderStreamTable(table.routes, table.way);
    }),
    backend: remember((name: string): Backend | undefined => renderBackend(state, name, tlsOf)),
    certificate: (name) => certificates.get(name),
    clientCertificates,
  };
}

/** Bounded: names come from proxies, and a client may dial as many hosts as it likes. */
const maxRemembered = 20_000;

/** What was made for a key, kept. */
export function remember<V>(make: (key: string) => V): (key: string) => V {
  const known = new Map<string, V>();
  return (key) => {
    const old = known.get(key);
    if (old !== undefined || known.has(key)) return old as V;
    const made = make(key);
    if (known.size >= maxRemembered) known.clear();
    known.set(key, made);
    return made;
  };
}
