import type { Gateway } from '#crds';
import type { Certificate } from '#snapshot';
import type { Cluster } from '../../cluster.ts';
import { gatewayGroup } from '../../names.ts';
import type { Fault } from '../../problems.ts';
import { permitted } from '../grants.ts';
import { certificateOf } from '../listeners/certificates.ts';

/** The certificate that a Gateway shows to backends (`spec.tls.backend.clientCertificateRef`). */
export interface ClientCertificate {
  /** Absent too where the reference does not resolve: backends that ask for one then refuse the Gateway, the others don't care. */
  readonly certificate?: Certificate;
  readonly fault?: Fault;
}

/** Whether the reference is allowed comes before everything else about it (GatewayReasonInvalidClientCertificateRef). */
export function clientCertificateOf({ metadata, spec }: Gateway, cluster: Cluster): ClientCertificate {
  const ref = spec.tls?.backend?.clientCertificateRef;
  if (ref === undefined) return {};
  const { group, kind, name, namespace = metadata.namespace } = ref;
  const fault = (reason: string, message: string): ClientCertificate => ({ fault: { reason, path: ['spec', 'tls', 'backend', 'clientCertificateRef'], message } });
  if (!permitted(cluster, { from: { group: gatewayGroup, kind: 'Gateway', namespace: metadata.namespace }, to: { group, kind, namespace, name } })) {
    return fault('RefNotPermitted', `no ReferenceGrant in namespace ${namespace} lets a Gateway of namespace ${metadata.namespace} refer to ${kind} ${name}`);
  }
  const found = certificateOf({ group, kind, namespace, name }, cluster);
  return typeof found === 'string' ? fault('InvalidClientCertificateRef', found) : { certificate: found.certificate };
}
