import type { BackendTLSPolicy } from '#crds';
import type { BackendTls } from '#snapshot';
import type { Cluster } from '../../cluster.ts';
import type { GatewayFacts } from '../listeners/gateways.ts';
import { refOf } from '../../problems.ts';
import type { PathIndex } from '../../types.ts';
import { portByName } from '../ports.ts';
import { backendTlsIndex } from './backend-policies.ts';
import { readTlsVariant } from './variants.ts';

/** How TLS is spoken to a Backend, and who says so. */
export interface SpokenTls {
  readonly policy: BackendTLSPolicy;
  readonly tls: BackendTls;
}

/** For users (PathIndex.tlsTo). */
export function tlsOrigins(cluster: Cluster, gateways: ReadonlyMap<string, GatewayFacts>): PathIndex['tlsTo'] {
  const spoken = tlsOfBackends(cluster, gateways);
  return (name) => {
    const found = spoken(name);
    if (found !== undefined) return { policy: refOf(found.policy), tls: found.tls };
    const named = portByName(cluster.state.services, name);
    const idle = named === undefined ? undefined : backendTlsIndex(cluster).find(named.service, named.port);
    return idle === undefined ? undefined : { policy: refOf(idle.policy) };
  };
}

/** Undefined for Backends that get plain text, and for names of no Backend. */
export type TlsOf = (backend: string) => SpokenTls | undefined;

/** By the names that rules have at a listener (`rulesAt`). */
export function tlsOfBackends(cluster: Cluster, gateways: ReadonlyMap<string, GatewayFacts>): TlsOf {
  const index = backendTlsIndex(cluster);
  return (name) => {
    const variant = readTlsVariant(name);
    const gateway = variant === undefined ? undefined : gateways.get(variant.gateway);
    const named = gateway === undefined ? undefined : portByName(cluster.state.services, name);
    const found = named === undefined ? undefined : index.find(named.service, named.port);
    if (gateway === undefined || found?.tls === undefined) return undefined;
    const { clientCertificate } = gateway;
    return { policy: found.policy, tls: { ...found.tls, ...(clientCertificate === undefined ? {} : { clientCertificate: clientCertificate.name }) } };
  };
}
