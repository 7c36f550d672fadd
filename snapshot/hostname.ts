import type { RouteHostname } from './resources.ts';

/**
 * Hostnames as Gateway API compares them (HTTPRouteSpec.hostnames): lower case; `*.example.com` is a suffix of one label or
 * more in front of `.example.com`; the empty text stands for every host.
 */

/** Whether a request's host (lower case, no port, no trailing dot) falls under the hostname. */
export function hostnameMatches(hostname: string, host: string): boolean {
  if (hostname === '') return true;
  if (!isWildcard(hostname)) return hostname === host;
  return host.length > hostname.length - 1 && host.endsWith(hostname.slice(1));
}

/** Sorts the more specific hostname first: any without a wildcard, then wildcards by length, then the empty one. */
export function compareHostnames(a: string, b: string): number {
  return specificity(b) - specificity(a);
}

/** The item whose hostname fits the host most closely; the first of equals. */
export function mostSpecific<T extends { readonly hostname: string }>(items: readonly T[], host: string): T | undefined {
  let best: T | undefined;
  for (const item of items) {
    if (!hostnameMatches(item.hostname, host)) continue;
    if (best === undefined || compareHostnames(item.hostname, best.hostname) < 0) best = item;
  }
  return best;
}

/**
 * The hosts that a route serves on a listener. A route without hostnames takes the listener's; a hostname of the route that
 * does not meet the listener's is left out. Returns the empty list for "any host", and undefined where nothing is left: the
 * route does not attach (`NoMatchingListenerHostname`).
 */
export function intersectHostnames(listener: string, route: readonly string[]): readonly RouteHostname[] | undefined {
  const bound = listener.toLowerCase();
  if (route.length === 0) return bound === '' ? [] : [{ match: bound, written: bound }];
  const hostnames: RouteHostname[] = [];
  for (const hostname of route) {
    const written = hostname.toLowerCase();
    const match = narrower(bound, written);
    if (match !== undefined) hostnames.push({ match, written });
  }
  return hostnames.length === 0 ? undefined : hostnames;
}

function narrower(a: string, b: string): string | undefined {
  if (covers(a, b)) return b;
  return covers(b, a) ? a : undefined;
}

/** Every host under `inner` is also under `outer`. */
function covers(outer: string, inner: string): boolean {
  if (outer === '' || outer === inner) return true;
  return isWildcard(outer) && inner.length > outer.length - 1 && inner.endsWith(outer.slice(1));
}

function isWildcard(hostname: string): boolean {
  return hostname.startsWith('*.');
}

/** No hostname is longer than 253 characters (RFC 1035), so the bonus puts every exact one above every wildcard. */
function specificity(hostname: string): number {
  return isWildcard(hostname) || hostname === '' ? hostname.length : hostname.length + 1024;
}
