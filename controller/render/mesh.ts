import type { Service, ServicePort } from '#crds';
import { connectionPolicy, meshPath, type Carried } from '#policy';
import { intersectHostnames, normalAddress, Pace, type Destination, type Steps } from '#snapshot';
import { createdAt, servicesByName, type Cluster } from '../cluster.ts';
import type { Attachment } from '../graph/routes/attachments.ts';
import { backendName, portOf, protocolRefusal } from '../graph/ports.ts';
import { portKey, type PortRoutes } from '../graph/mesh.ts';
import { memoByMap } from '../memo.ts';
import { importKind, meshName } from '../names.ts';
import { refOf } from '../problems.ts';
import { hostnamesOf, isRequestRoute, type AnyRoute } from '../graph/routes/route.ts';
import { allowedEscapes } from './escapes.ts';
import { portProtocol } from './protocol.ts';
import { isEmpty } from './table.ts';
import { pathEnd, serviceStep, type PathContext, type TableRoute, type TableWay } from './way.ts';

/** What mesh tables are made of. */
export interface Mesh extends PathContext {
  readonly routes: ReadonlyMap<string, PortRoutes>;
}

/** A Service port as the clients of one namespace see it, ready to render: as a table for requests, or for connections. */
export interface ServiceTable {
  readonly routes: readonly TableRoute[];
  readonly way: TableWay;
}

/** Undefined where the mesh leaves the port alone: not TCP, or a protocol that it does not speak and that no route is attached to. */
export function* serviceTable(mesh: Mesh, clientNamespace: string, service: Service, port: ServicePort): Steps<ServiceTable | undefined> {
  if (!isServedPort(mesh, clientNamespace, service, port)) return undefined;
  const chosen = yield* tableRoutes(chosenRoutes(mesh, clientNamespace, service, port), isRequestRoute);
  return { routes: chosen.length === 0 ? [implicitRoute(service, port.port)] : chosen, way: serviceWay(mesh, clientNamespace, { service, port, carries: 'requests' }) };
}

function* tableRoutes(attachments: readonly Attachment[], isWanted: (route: AnyRoute) => boolean): Steps<readonly TableRoute[]> {
  const pace = new Pace();
  const routes: TableRoute[] = [];
  for (const attachment of attachments) {
    if (isWanted(attachment.route)) routes.push(meshRoute(attachment));
    if (pace.spend()) yield;
  }
  return routes;
}

/** The TLSRoutes or TCPRoutes of the port; undefined where there are none. */
export function* serviceStreams(mesh: Mesh, clientNamespace: string, service: Service, port: ServicePort): Steps<ServiceTable | undefined> {
  const chosen = yield* tableRoutes(chosenRoutes(mesh, clientNamespace, service, port), (route) => !isRequestRoute(route));
  return chosen.length === 0 ? undefined : { routes: chosen, way: serviceWay(mesh, clientNamespace, { service, port, carries: 'connections' }) };
}

/** Consumer routes of the client's namespace take the place of the producer's (GEP-1294). All are of one kind, or of two for requests. */
function chosenRoutes(mesh: Mesh, clientNamespace: string, service: Service, port: ServicePort): readonly Attachment[] {
  const attached = mesh.routes.get(portKey(service, port.port));
  return attached?.consumer.get(clientNamespace) ?? attached?.producer ?? [];
}

/** Hostnames have no function in the mesh (GEP-1294), but for the server names of a TLSRoute. */
export function meshRoute(attachment: Attachment): TableRoute {
  return madeBefore(attachment);
}

const madeBefore = memoByMap(({ route, built }: Attachment): TableRoute => {
  const hostnames = route.kind === 'TLSRoute' ? (intersectHostnames('', hostnamesOf(route)) ?? []) : [];
  return { ref: refOf(route), createdAt: createdAt(route), hostnames, rules: built.rules };
});

/** Whether the mesh does anything for clients of the namespace at the port: it carries HTTP, or a route is attached to it. */
export function isServedPort(mesh: Mesh, clientNamespace: string, service: Service, port: ServicePort): boolean {
  return isHttpPort(service, port) || (port.protocol === 'TCP' && chosenRoutes(mesh, clientNamespace, service, port).length > 0);
}

function isHttpPort(service: Service, port: ServicePort): boolean {
  return service.spec.type !== 'ExternalName' && protocolRefusal(service, port, 'http') === undefined;
}

const implicitRoutes = new WeakMap<Service, Map<number, TableRoute>>();

/** A Service without routes forwards everything to itself; the rule is there so that policies have something to act on. */
function implicitRoute(service: Service, port: number): TableRoute {
  const byPort = implicitRoutes.get(service) ?? new Map<number, TableRoute>();
  implicitRoutes.set(service, byPort);
  const old = byPort.get(port);
  if (old !== undefined) return old;
  const ref = refOf(service);
  const target = { kind: 'backend', ref, port, backend: backendName(ref.namespace, service.metadata.name, port) } as const;
  const match = { index: 0, path: { type: 'PathPrefix', value: '/' }, headers: [], query: [] } as const;
  const rule = { index: 0, matches: [match], filters: [], backends: [{ index: 0, target, weight: 1, filters: [] }] };
  const made: TableRoute = { ref, createdAt: 0, hostnames: [], rules: [{ rule }] };
  byPort.set(port, made);
  return made;
}

function serviceWay({ cluster, attachments }: Mesh, clientNamespace: string, { service, port, carries }: { readonly service: Service; readonly port: ServicePort; readonly carries: Carried }): TableWay {
  const dialled = serviceStep(service, port);
  return {
    name: tableName(clientNamespace, service, port.port),
    owner: service,
    escapes: allowedEscapes(service),
    via: { kind: 'mesh', clientNamespace, service: refOf(service), port: port.port },
    carries,
    attachments,
    pathOf: (end) => meshPath({ mesh: meshName, clientNamespace, service: dialled, ...pathEnd(end, cluster) }),
  };
}

function tableName(clientNamespace: string, service: Service, port: number): string {
  return `service/${clientNamespace}/${service.metadata.namespace}/${service.metadata.name}/${port}`;
}

/** The table of that name, unless the name is none. */
export function tableByName(mesh: Mesh, name: string): Steps<ServiceTable | undefined> {
  return byName(mesh, name, serviceTable);
}

export function streamsByName(mesh: Mesh, name: string): Steps<ServiceTable | undefined> {
  return byName(mesh, name, serviceStreams);
}

function* byName(mesh: Mesh, name: string, make: typeof serviceTable): Steps<ServiceTable | undefined> {
  const [kind, client, namespace, serviceName, number, ...rest] = name.split('/');
  if (kind !== 'service' || client === undefined || namespace === undefined || serviceName === undefined || rest.length > 0) return undefined;
  const service = mesh.cluster.service(namespace, serviceName);
  const port = service === undefined ? undefined : portOf(service, Number(number));
  return service === undefined || port === undefined ? undefined : yield* make(mesh, client, service, port);
}

/** `host` as dialled. A Service's unknown port passes through: the mesh knows nothing to do with it, and the network says so. */
export function renderDestination(mesh: Mesh, clientNamespace: string, host: string, port: number): Destination {
  const dialled = host.toLowerCase().replace(/\.$/, '');
  const name = `${dialled}:${port}`;
  const service = findService(mesh.cluster, clientNamespace, normalAddress(dialled.replace(/^\[(.*)\]$/, '$1')));
  const servicePort = service === undefined ? undefined : portOf(service, port);
  if (service === undefined || servicePort === undefined || !isServedPort(mesh, clientNamespace, service, servicePort)) return { kind: 'Destination', name, target: { kind: 'passthrough' } };
  const path = meshPath({ mesh: meshName, clientNamespace, service: serviceStep(service, servicePort) });
  const { policy } = connectionPolicy(path, mesh.attachments);
  const routes = tableName(clientNamespace, service, port);
  const [first] = chosenRoutes(mesh, clientNamespace, service, servicePort);
  const protocol = portProtocol(servicePort, first?.route.kind);
  const streams = protocol === 'tls' || (protocol === 'tcp' && first !== undefined) ? { streams: routes } : {};
  const ref = refOf(service);
  const backend = ref.name === service.metadata.name ? {} : { backend: backendName(ref.namespace, service.metadata.name, port) };
  return { kind: 'Destination', name, target: { kind: 'service', service: ref, port, protocol, routes, ...streams, ...backend, ...(isEmpty(policy) ? {} : { policy }) } };
}

/** The domain of ServiceImports (KEP-1645). */
const clusterSet = '.svc.clusterset.local';

/** The whole name by which clients know a Service or a ServiceImport. */
export function hostOf(service: Service): string {
  const { kind, namespace, name } = refOf(service);
  return `${name}.${namespace}${kind === importKind ? clusterSet : '.svc.cluster.local'}`;
}

/** By the names that DNS gives a Service or a ServiceImport, and by their cluster IPs. */
function findService(cluster: Cluster, clientNamespace: string, host: string): Service | undefined {
  const byAddress = servicesByAddress(cluster.state.services).get(host);
  if (byAddress !== undefined) return byAddress;
  const imported = host.endsWith(clusterSet) ? host.slice(0, -clusterSet.length).split('.') : [];
  if (imported.length === 2) return cluster.backend({ kind: importKind, namespace: imported[1]!, name: imported[0]! });
  const short = host.endsWith('.svc.cluster.local') ? host.slice(0, -'.svc.cluster.local'.length) : host.endsWith('.svc') ? host.slice(0, -'.svc'.length) : host;
  const labels = short.split('.');
  const [name = '', namespace] = labels;
  // A name with a colon would be that of a derived Service.
  if (labels.length > 2 || name.includes(':') || (short !== host && namespace === undefined)) return undefined;
  return cluster.service(namespace ?? clientNamespace, name);
}

/** Of two with one address, which only manifests can have, the first by name. */
const servicesByAddress = memoByMap((services: ReadonlyMap<string, Service>): ReadonlyMap<string, Service> => {
  const byAddress = new Map<string, Service>();
  for (const service of servicesByName(services)) {
    for (const address of [...service.spec.clusterIPs, service.spec.clusterIP]) {
      const key = normalAddress(address ?? '');
      if (key !== '' && address !== 'None' && !byAddress.has(key)) byAddress.set(key, service);
    }
  }
  return byAddress;
});
