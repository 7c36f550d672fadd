import type { ClusterState, FieldPath, Gateway, GatewayListener, Ingress, ReferenceGrant } from '#crds';
import { derive } from '../../derived.ts';
import { gatewayClassName, gatewayGroup, ingressGateway, redirectAnnotation } from '../../names.ts';

/** What an Ingress says of a host's certificate. */
interface HostCertificate {
  readonly host: string;
  readonly ingress: Ingress;
  readonly secret: string;
  readonly path: FieldPath;
}

/**
 * The Gateway that serves all Ingresses: port 80 for every host, port 443 for each host that has a certificate. A Gateway of that name that
 * somebody wrote keeps all that it says; what it lacks of these listeners is added.
 */
export function gatewayOfIngresses(ingresses: readonly Ingress[], state: Pick<ClusterState, 'gateways' | 'secrets'>): Gateway {
  const written = state.gateways.get(`${ingressGateway.namespace}/${ingressGateway.name}`);
  const certificates = certificatesInForce(ingresses, state.secrets);
  const own = written?.spec.listeners ?? [];
  const taken = new Set(own.map(({ port, hostname = '' }) => `${port} ${hostname}`));
  const listeners = [plain, ...certificates.map(secured)].filter(({ port, hostname = '' }) => !taken.has(`${port} ${hostname}`));
  const gateway: Gateway = {
    ...(written ?? { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { ...ingressGateway }, status: { conditions: [] } }),
    spec: { ...(written?.spec ?? { gatewayClassName }), listeners: [...own, ...listeners] },
  };
  const byName = new Map(certificates.map((each) => [nameOf(each.host), each]));
  const place = (path: FieldPath): { readonly object: Gateway | Ingress; readonly path: FieldPath } | undefined => {
    const [, field, index] = path;
    const added = field === 'listeners' && typeof index === 'number' ? listeners[index - own.length] : undefined;
    if (added === undefined) return written === undefined ? undefined : { object: written, path };
    const certificate = byName.get(added.name);
    return certificate === undefined ? undefined : { object: certificate.ingress, path: certificate.path };
  };
  return derive(gateway, { ...(written === undefined ? {} : { object: written }), written: place });
}

const allNamespaces = { namespaces: { from: 'All' } } as const;
const plain: GatewayListener = { name: 'http', port: 80, protocol: 'HTTP', allowedRoutes: allNamespaces };

function secured({ host, ingress, secret }: HostCertificate): GatewayListener {
  return {
    name: nameOf(host),
    ...(host === '' ? {} : { hostname: host }),
    port: 443,
    protocol: 'HTTPS',
    tls: { mode: 'Terminate', certificateRefs: [{ group: '', kind: 'Secret', namespace: ingress.metadata.namespace, name: secret }] },
    allowedRoutes: allNamespaces,
  };
}

function nameOf(host: string): string {
  return host === '' ? 'https' : `https:${host}`;
}

/**
 * One certificate per host: that of the oldest Ingress which has one that is there. So no other namespace can put another certificate before
 * a host, nor take one away by naming a Secret that does not exist.
 */
function certificatesInForce(ingresses: readonly Ingress[], secrets: ClusterState['secrets']): readonly HostCertificate[] {
  const inForce = new Map<string, HostCertificate>();
  const isThere = ({ ingress, secret }: HostCertificate): boolean => secrets.has(`${ingress.metadata.namespace}/${secret}`);
  for (const each of ingresses.flatMap(certificatesOf)) {
    const before = inForce.get(each.host);
    if (before === undefined || (!isThere(before) && isThere(each))) inForce.set(each.host, each);
  }
  return [...inForce.values()].sort((a, b) => (a.host < b.host ? -1 : 1));
}

/** IngressTLS: without hosts it is for every host; without a Secret it says nothing that could be carried out. */
export function certificatesOf(ingress: Ingress): readonly HostCertificate[] {
  return ingress.spec.tls.flatMap(({ hosts, secretName = '' }, index) =>
    secretName === '' ? [] : (hosts.length === 0 ? [''] : hosts).map((host) => ({ host, ingress, secret: secretName, path: ['spec', 'tls', index, 'secretName'] })),
  );
}

/** Whether plain HTTP to the host of one of its rules is to be sent to HTTPS: that is asked for, and the Ingress has a certificate for the host. */
export function redirectsToHttps(ingress: Ingress, host: string): boolean {
  if (ingress.metadata.annotations?.[redirectAnnotation] !== 'true') return false;
  const wide = host.replace(/^[^.]*/, '*');
  return certificatesOf(ingress).some((each) => each.host === '' || each.host === host || each.host === wide);
}

/** An Ingress may use the Secrets of its own namespace; the Gateway is in another one. */
export function grantsOfIngresses(ingresses: readonly Ingress[]): readonly ReferenceGrant[] {
  return ingresses.flatMap((ingress) => {
    const { namespace, name } = ingress.metadata;
    const secrets = [...new Set(certificatesOf(ingress).map(({ secret }) => secret))];
    if (secrets.length === 0) return [];
    return [
      {
        apiVersion: 'gateway.networking.k8s.io/v1' as const,
        kind: 'ReferenceGrant' as const,
        metadata: { name: `ingress:${name}`, namespace },
        spec: { from: [{ group: gatewayGroup, kind: 'Gateway', namespace: ingressGateway.namespace }], to: secrets.map((secret) => ({ group: '', kind: 'Secret', name: secret })) },
      },
    ];
  });
}
