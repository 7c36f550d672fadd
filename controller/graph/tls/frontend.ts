import { objectKey, type Gateway, type GatewayListener } from '#crds';
import type { ClientValidation } from '#snapshot';
import type { Cluster } from '../../cluster.ts';
import { gatewayGroup } from '../../names.ts';
import { withPath, type Fault } from '../../problems.ts';
import { resolveAuthorities, type AuthorityReference } from './authorities.ts';

/** How clients of a listener have to show who they are (Gateway `spec.tls.frontend`), and what is wrong with it. */
export interface FrontendValidation {
  /** Undefined where clients need no certificate, and where no authority is left to check one against. */
  readonly validation?: ClientValidation;
  /** For ResolvedRefs. */
  readonly references: readonly Fault[];
  /** For Accepted: a listener without one valid authority is not served, as nobody could be let in as its owner meant. */
  readonly refusals: readonly Fault[];
}

/** Clients need no certificate. */
export const undemanding: FrontendValidation = { references: [], refusals: [] };

/**
 * What holds for the listeners of a port that end TLS, those of ListenerSets included. An entry of `perPort` takes the place of
 * `default` as a whole (FrontendTLSConfig.perPort). `path`: where a fault is told in an object that is not the Gateway.
 */
export function frontendValidation(gateway: Gateway, { port }: GatewayListener, cluster: Cluster, path?: Fault['path']): FrontendValidation {
  const found = configOf(gateway, port);
  if (found === undefined) return undemanding;
  const from = { group: gatewayGroup, kind: 'Gateway', namespace: gateway.metadata.namespace };
  const { authorities, faults } = resolveAuthorities(found.refs, { from, path: found.path, unknownKind: 'InvalidCACertificateKind' }, cluster);
  const told = (fault: Fault): Fault => (path === undefined ? fault : { ...fault, path, message: `Gateway ${objectKey(gateway)}: ${withPath(fault)}` });
  const references = faults.map(told);
  if (authorities !== undefined) return { validation: { authorities, mode: found.mode }, references, refusals: [] };
  const message = 'no valid certificate of an authority is left to check those of clients against';
  return { references, refusals: [told({ reason: 'NoValidCACertificate', path: found.path, message })] };
}

/** What lets everybody in, and what nobody meets. `secured`: the ports whose listeners end TLS. */
export function frontendWarnings({ spec }: Gateway, secured: ReadonlySet<number>): readonly Fault[] {
  const { frontend } = spec.tls ?? {};
  if (frontend === undefined) return [];
  const perPort = frontend.perPort ?? [];
  const own = new Set(perPort.map(({ port }) => port));
  const entries = [
    { place: ['default'], config: frontend.default, met: [...secured].some((port) => !own.has(port)), where: secured.size === 0 ? 'no listener ends TLS' : 'every port with TLS has an entry of its own' },
    ...perPort.map(({ port, tls }, index) => ({ place: ['perPort', index, 'tls'], config: tls, met: secured.has(port), where: `no listener of port ${port} ends TLS` })),
  ];
  return entries.flatMap(({ place, config: { validation }, met, where }): Fault[] => {
    const path = ['spec', 'tls', 'frontend', ...place, 'validation'];
    if (validation === undefined) return [];
    if (!met) return [{ reason: 'NoEffect', path, message: `clients are asked for no certificate by this: ${where}` }];
    if (validation.mode !== 'AllowInsecureFallback') return [];
    return [{ reason: 'InsecureFrontendValidationMode', path: [...path, 'mode'], message: 'AllowInsecureFallback lets every client in, with whatever certificate or none' }];
  });
}

interface Config {
  readonly refs: readonly AuthorityReference[];
  readonly mode: ClientValidation['mode'];
  readonly path: Fault['path'];
}

function configOf({ spec }: Gateway, port: number): Config | undefined {
  const { frontend } = spec.tls ?? {};
  if (frontend === undefined) return undefined;
  const index = (frontend.perPort ?? []).findIndex((entry) => entry.port === port);
  const { validation } = frontend.perPort?.[index]?.tls ?? frontend.default;
  if (validation === undefined) return undefined;
  const place = index < 0 ? ['default'] : ['perPort', index, 'tls'];
  return { refs: validation.caCertificateRefs, mode: validation.mode, path: ['spec', 'tls', 'frontend', ...place, 'validation', 'caCertificateRefs'] };
}
