import type { Service, ServicePort } from '#crds';
import type { BackendTarget, ObjectRef } from '#snapshot';
import { gatewayGroup, importGroup, importKind } from '../names.ts';
import type { Cluster } from '../cluster.ts';
import type { Fault } from '../problems.ts';
import { permitted } from './grants.ts';
import { carriedBy, isSecure, portOf, protocolRefusal, secureVariantName, variantName, type Refusal } from './ports.ts';
import { withArticle } from './routes/route.ts';
import { backendTlsIndex, nameOfPolicy, unusablePolicy, type BackendTlsFacts } from './tls/backend-policies.ts';

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
  const found = findPort(reference, namespace, context);
  if ('reason' in found) {
    const { reason, message } = found;
    return { target: { kind: 'invalid', ref, port: reference.port, status: 500, reason }, fault: { reason, message, path } };
  }
  const { service, port, secure } = found;
  const carried = carriedBy(context.route.kind);
  return { target: { kind: 'backend', ref, port: port.port, backend: secure ? secureVariantName(service, port, carried) : variantName(service, port, carried) } };
}

interface FoundPort {
  readonly service: Service;
  readonly port: ServicePort;
  /** Over TLS. */
  readonly secure: boolean;
}

const portMissing: Refusal = { reason: 'BackendNotFound', message: 'a reference to a Service needs a port' };

function findPort(reference: BackendReference, namespace: string, context: ReferenceContext): FoundPort | Refusal {
  const { group, kind, name } = reference;
  const { cluster, via, route } = context;
  const isImport = group === importGroup && kind === importKind;
  if (!isImport && (group !== '' || kind !== 'Service')) {
    return { reason: 'InvalidKind', message: `${kind}${group === '' ? '' : `.${group}`} can't be a backend; only Services (group "", kind Service) and ServiceImports (group ${importGroup}) can` };
  }
  const crossing = { from: { group: gatewayGroup, kind: route.kind, namespace: context.route.namespace }, to: { group, kind, namespace, name } };
  if (via === 'gateway' && !permitted(cluster, crossing)) {
    const message = `no ReferenceGrant in namespace ${namespace} lets ${withArticle(route.kind)} of namespace ${context.route.namespace} refer to ${kind} ${name}`;
    return { reason: 'RefNotPermitted', message };
  }
  const service = cluster.backend({ kind, namespace, name });
  if (service === undefined) return { reason: 'BackendNotFound', message: `${kind} ${namespace}/${name} not found` };
  if (service.spec.type === 'ExternalName') {
    return { reason: 'InvalidKind', message: `Service ${namespace}/${name} is of type ExternalName, which can't be a backend: it could name any host, also inside the cluster` };
  }
  if (reference.port === undefined) return portMissing;
  const carried = carriedBy(route.kind);
  const port = portOf(service, reference.port, carried);
  if (port === undefined) {
    return { reason: 'BackendNotFound', message: `${kind} ${namespace}/${name} has no port ${reference.port}; it has ${portList(service)}` };
  }
  // What is carried unread is no matter of the route's, but of the listener's (`rulesAt`).
  const policy = via === 'mesh' || carried === 'tcp' || carried === 'udp' ? undefined : backendTlsIndex(cluster).find(service, port);
  const refusal = policy !== undefined && isSecure(port) ? undefined : protocolRefusal(service, port, carried);
  if (refusal !== undefined) return refusal;
  return policy !== undefined && policy.tls === undefined ? tlsRefusal(policy) : { service, port, secure: policy !== undefined };
}

/** Plain text where the user asked for TLS would be worse than an error. */
function tlsRefusal({ policy }: BackendTlsFacts): Refusal {
  return { reason: unusablePolicy, message: `${nameOfPolicy(policy)} asks for TLS to the backend, and can't be carried out` };
}

function portList(service: Service): string {
  return service.spec.ports.length === 0 ? 'none' : service.spec.ports.map((port) => String(port.port)).join(', ');
}
