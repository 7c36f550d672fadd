import type { Listener, ListenerSection, WeightedBackend } from '#snapshot';

/** GatewaySpec.listeners: exact before wildcard, the wildcard with more labels first, before no hostname. */
export function sectionFor({ sections }: Listener, host: string): ListenerSection | undefined {
  const rank = ({ hostname }: ListenerSection): number => (hostname === '' ? 0 : hostname.startsWith('*.') ? hostname.split('.').length : 1000);
  const fits = ({ hostname }: ListenerSection): boolean => hostname === '' || hostname === host || (hostname.startsWith('*.') && host.endsWith(hostname.slice(1)) && host.length > hostname.length - 1);
  return sections.filter(fits).toSorted((a, b) => rank(b) - rank(a))[0];
}

/** `{namespace}/{service}:{port}` and its weight, as cases write them. */
export function backendText({ target, weight }: WeightedBackend): readonly [string, number | string] {
  return [`${target.ref.namespace}/${target.ref.name}:${target.port}`, target.kind === 'backend' ? weight : `invalid ${weight}`];
}
