import type { KubernetesObject } from '#crds';

/** An annotation of Gateways: how many proxies stand in front of all their listeners, whose `x-forwarded-*` and `x-request-id` are believed. */
export const trustedHopsAnnotation = 'weft-mesh.io/trusted-hops';
export const mostTrustedHops = 16;

/** From 1 to `mostTrustedHops`; undefined where there are none. */
export function trustedHops(gateway: KubernetesObject): number | undefined {
  const hops = Number(valueOf(gateway) ?? '0');
  return isStrange(gateway) || hops === 0 ? undefined : hops;
}

/** What the annotation says where that is no such number, as it is written. */
export function strangeTrustedHops(gateway: KubernetesObject): string | undefined {
  return isStrange(gateway) ? valueOf(gateway) : undefined;
}

function isStrange(gateway: KubernetesObject): boolean {
  const value = valueOf(gateway);
  return value !== undefined && !(/^\d{1,2}$/.test(value) && Number(value) <= mostTrustedHops);
}

function valueOf({ metadata }: KubernetesObject): string | undefined {
  return metadata.annotations?.[trustedHopsAnnotation]?.trim();
}
