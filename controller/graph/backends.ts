import type { Service, ServicePort } from '#crds';
import type { BackendTarget, ObjectRef } from '#snapshot';
import { gatewayGroup } from '../names.ts';
import type { Cluster } from '../cluster.ts';
import type { Fault } from '../problems.ts';
import { permitted } from './grants.ts';

/** What backendRefs of rules and of mirrors have in common. */
export interface BackendReference {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly port?: number;
}

/** On whose behalf a reference is resolved. Mesh routes need no ReferenceGrant (GEP-1294). */
export interface ReferenceContext {
  readonly cluster: Cluster;
  readonly via: 'gateway' | 'mesh';
  readonly route: ObjectRef;
}

export interface ResolvedBackend {
  readonly target: BackendTarget;
  readonly fault?: Fault;
}

/** A backend that can't be used keeps its place and weight: its share of requests gets a 500, and goes nowhere else. */
export function resolveBackend(reference: BackendReference, path: Fault['path'], context: ReferenceContext): ResolvedBackend {
  const namespace = reference.namespace ?? context.route.namespace;
  const ref = { kind: reference.kind, namespace, name: reference.name };
  const why = refusal(reference, namespace, context);
  if (why === undefined && reference.port !== undefined) {
    const { port } = reference;
    return { target: { kind: 'backend', ref, port, backend: backendName(namespace, reference.name, port) } };
  }
  const { reason, message } = why ?? portMissing;
  return { target: { kind: 'invalid', ref, port: reference.port, status: 500, reason }, fault: { reason, message, path } };
}

export function backendName(namespace: string, service: string, port: number): string {
  return `${namespace}/${service}:${port}`;
}

type Refusal = { readonly reason: string; readonly message: string };

const portMissing: Refusal = { reason: 'BackendNotFound', message: 'a reference to a Service needs a port' };

function refusal(reference: BackendReference, namespace: string, context: ReferenceContext): Refusal | undefined {
  const { group, kind, name } = reference;
  const { cluster, via, route } = context;
  if (group !== '' || kind !== 'Service') {
    return { reason: 'InvalidKind', message: `${kind}${group === '' ? '' : `.${group}`} can't be a backend; only Services (group "", kind Service) can` };
  }
  const crossing = { from: { group: gatewayGroup, kind: route.kind, namespace: context.route.namespace }, to: { group, kind, namespace, name } };
  if (via === 'gateway' && !permitted(cluster, crossing)) {
    const message = `no ReferenceGrant in namespace ${namespace} lets an ${route.kind} of namespace ${context.route.namespace} refer to Service ${name}`;
    return { reason: 'RefNotPermitted', message };
  }
  const service = cluster.service(namespace, name);
  if (service === undefined) return { reason: 'BackendNotFound', message: `Service ${namespace}/${name} not found` };
  if (service.spec.type === 'ExternalName') {
    return { reason: 'InvalidKind', message: `Service ${namespace}/${name} is of type ExternalName, which can't be a backend: it could name any host, also inside the cluster` };
  }
  if (reference.port === undefined) return portMissing;
  const port = portOf(service, reference.port);
  if (port === undefined) {
    return { reason: 'BackendNotFound', message: `Service ${namespace}/${name} has no port ${reference.port}; it has ${portList(service)}` };
  }
  return protocolRefusal(service, port) ?? (via === 'gateway' ? tlsRefusal(cluster, service, port) : undefined);
}

/** The TCP port of that number where there is one: a Service may have UDP on the same number. */
export function portOf(service: Service, number: number): ServicePort | undefined {
  const ports = service.spec.ports.filter((port) => port.port === number);
  return ports.find((port) => port.protocol === 'TCP') ?? ports[0];
}

/** Application protocols (IANA names and KEP-3726) that HTTP/1.1 carries. `wss` and `https` need TLS to the backend. */
const http1Protocols = new Set(['http', 'ws', 'kubernetes.io/ws']);

/** Why requests can't be sent to that port as it wants them, if so. */
export function protocolRefusal(service: Service, port: ServicePort): Refusal | undefined {
  const where = `port ${port.port} of Service ${service.metadata.namespace}/${service.metadata.name}`;
  if (port.protocol !== 'TCP') return { reason: 'UnsupportedProtocol', message: `${where} is ${port.protocol}; HTTP needs TCP` };
  if (port.appProtocol === undefined || http1Protocols.has(port.appProtocol.toLowerCase())) return undefined;
  return { reason: 'UnsupportedProtocol', message: `${where} has appProtocol ${port.appProtocol}, which is not supported yet; supported are http and kubernetes.io/ws` };
}

/** Plain text where the user asked for TLS would be worse than an error. */
function tlsRefusal(cluster: Cluster, service: Service, port: ServicePort): Refusal | undefined {
  const { namespace, name } = service.metadata;
  for (const policy of cluster.state.backendTLSPolicies.values()) {
    if (policy.metadata.namespace !== namespace) continue;
    const hit = policy.spec.targetRefs.some(
      (target) => target.group === '' && target.kind === 'Service' && target.name === name && (target.sectionName === undefined || target.sectionName === port.name),
    );
    if (hit) return { reason: 'UnsupportedProtocol', message: `BackendTLSPolicy ${namespace}/${policy.metadata.name} asks for TLS to Service ${namespace}/${name}, which is not supported yet` };
  }
  return undefined;
}

function portList(service: Service): string {
  return service.spec.ports.length === 0 ? 'none' : service.spec.ports.map((port) => String(port.port)).join(', ');
}
