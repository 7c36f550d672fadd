import type { Filter } from './resources.ts';

export type RedirectFilter = Filter & { readonly type: 'RequestRedirect' };

/** By scheme: the port that a URL without one means (RFC 9110, 4.2). */
export const wellKnownPorts: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** HTTPRequestRedirectFilter.port: without a port, a scheme brings its well-known one, and without a scheme it is the listener's. */
export function redirectPort({ scheme, port }: RedirectFilter, listenerPort: number): number {
  return port ?? (scheme === undefined ? undefined : wellKnownPorts[scheme]) ?? listenerPort;
}
