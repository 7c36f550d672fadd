import type { ClusterState } from '#crds';
import { runSteps, type Backend, type Certificate, type Destination, type Listener, type RouteTable, type Steps, type StreamTable } from '#snapshot';
import { servicesByName } from './cluster.ts';
import { hostOf, isServedPort, renderDestination, streamsByName, tableByName, type Mesh } from './render/mesh.ts';
import type { TlsOf } from './graph/tls/spoken.ts';
import { renderBackend } from './render/endpoints.ts';
import { renderStreamTable } from './render/streams.ts';
import { renderTableInSteps } from './render/table.ts';
import type { Snapshots } from './types.ts';

export interface ResourceParts {
  readonly state: ClusterState;
  readonly mesh: Mesh;
  readonly listeners: ReadonlyMap<string, readonly Listener[]>;
  /** Tables of Gateway listeners, by name. */
  readonly tables: ReadonlyMap<string, () => Steps<RouteTable>>;
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
  const routeTable = rememberInSteps(function* (name: string): Steps<RouteTable | undefined> {
    const make = tables.get(name);
    if (make !== undefined) return yield* make();
    const table = yield* tableByName(mesh, name);
    return table === undefined ? undefined : yield* renderTableInSteps(table.routes, table.way);
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
    routeTable: (name) => runSteps(routeTable(name)),
    routeTableInSteps: routeTable,
    streamTable: remember((name: string): StreamTable | undefined => {
      const make = streamTables.get(name);
      if (make !== undefined) return make();
      const table = runSteps(streamsByName(mesh, name));
      return table === undefined ? undefined : renderStreamTable(table.routes, table.way);
    }),
    backend: remember((name: string): Backend | undefined => renderBackend(state, name, tlsOf)),
    certificate: (name) => certificates.get(name),
    clientCertificates,
  };
}

/** Bounded: names come from proxies, and a client may dial as many hosts as it likes. */
const maxRemembered = 20_000;

class Kept<V> {
  readonly #known = new Map<string, V>();

  find(key: string): { readonly value: V } | undefined {
    const value = this.#known.get(key);
    return value !== undefined || this.#known.has(key) ? { value: value as V } : undefined;
  }

  keep(key: string, value: V): V {
    if (this.#known.size >= maxRemembered) this.#known.clear();
    this.#known.set(key, value);
    return value;
  }
}

/** What was made for a key, kept. */
export function remember<V>(make: (key: string) => V): (key: string) => V {
  const kept = new Kept<V>();
  return (key) => (kept.find(key) ?? { value: kept.keep(key, make(key)) }).value;
}

function rememberInSteps<V>(make: (key: string) => Steps<V>): (key: string) => Steps<V> {
  const kept = new Kept<V>();
  return function* (key) {
    return (kept.find(key) ?? { value: kept.keep(key, yield* make(key)) }).value;
  };
}
