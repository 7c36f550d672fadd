import type { CorsFilter } from '#snapshot';
import type { CorsPlan, HeaderEdits, HeaderValue, PreflightAnswer, RequestView } from '../types.ts';
import { headerEdits, line } from './headers.ts';

/** Fields that only we write once a CORS filter is in force. */
const ours: ReadonlySet<string> = new Set([
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'access-control-expose-headers',
  'access-control-max-age',
]);

/** HTTPCORSFilter (GEP-1767), and for what browsers make of the answers https://fetch.spec.whatwg.org/#http-cors-protocol. */
export function planCors(filter: CorsFilter): CorsPlan {
  const allows = originTest(filter.allowOrigins);
  // With `*` and no credentials the answer is the same for every origin, so caches need not tell origins apart.
  const sameForAll = filter.allowOrigins.includes('*') && !filter.allowCredentials;
  const refused = headerEdits(ours, sameForAll ? [] : [varyOrigin]);
  const shared = [...credentials(filter), ...exposed(filter), ...(sameForAll ? [] : [varyOrigin])];
  const sharedLines = shared.map(line).join('');
  const open = headerEdits(ours, [{ name: 'access-control-allow-origin', value: '*' }, ...shared]);

  function respond(origin: string | undefined, names?: () => Iterable<string>): HeaderEdits {
    if (sameForAll) return open;
    if (origin === undefined || !allows(origin)) return refused;
    const allowed = { name: 'access-control-allow-origin', value: origin };
    const listed = names === undefined || !exposesAllWithCredentials(filter) ? [] : exposeEach(names());
    return {
      drop: ours,
      append: [allowed, ...shared, ...listed],
      lines: line(allowed) + sharedLines + listed.map(line).join(''),
      drops: refused.drops,
    };
  }

  function preflight(request: Pick<RequestView, 'method' | 'header'>): PreflightAnswer | undefined {
    if (request.method !== 'OPTIONS') return undefined;
    const origin = request.header('origin');
    const method = request.header('access-control-request-method');
    if (origin === undefined || method === undefined) return undefined;
    if (!allows(origin)) return { status: 403, headers: refused.append };
    const headers = [
      ...respond(origin).append,
      ...allowMethods(filter, method),
      ...allowHeaders(filter, request.header('access-control-request-headers')),
      { name: 'access-control-max-age', value: String(filter.maxAge) },
    ];
    return { status: 204, headers };
  }

  return { filter, preflight, respond };
}

const varyOrigin: HeaderValue = { name: 'vary', value: 'Origin' };

function credentials(filter: CorsFilter): HeaderValue[] {
  return filter.allowCredentials ? [{ name: 'access-control-allow-credentials', value: 'true' }] : [];
}

function exposed(filter: CorsFilter): HeaderValue[] {
  if (filter.exposeHeaders.length === 0 || exposesAllWithCredentials(filter)) return [];
  const value = filter.exposeHeaders.includes('*') ? '*' : filter.exposeHeaders.join(', ');
  return [{ name: 'access-control-expose-headers', value }];
}

function exposesAllWithCredentials(filter: CorsFilter): boolean {
  return filter.allowCredentials && filter.exposeHeaders.includes('*');
}

function exposeEach(names: Iterable<string>): HeaderValue[] {
  const value = [...new Set([...names].map((name) => name.toLowerCase()))].filter((name) => !ours.has(name)).join(', ');
  return value === '' ? [] : [{ name: 'access-control-expose-headers', value }];
}

/** "Must not return `*`" with credentials: then the method that was asked for. */
function allowMethods(filter: CorsFilter, requested: string): HeaderValue[] {
  if (filter.allowMethods.length === 0) return [];
  const name = 'access-control-allow-methods';
  if (!filter.allowMethods.includes('*')) return [{ name, value: filter.allowMethods.join(', ') }];
  if (!filter.allowCredentials) return [{ name, value: '*' }];
  return isTokenList(requested) ? [{ name, value: requested }] : [];
}

/** For `*` the headers that were asked for, also without credentials: to a browser `*` would leave out Authorization. */
function allowHeaders(filter: CorsFilter, requested: string | undefined): HeaderValue[] {
  if (filter.allowHeaders.length === 0) return [];
  const name = 'access-control-allow-headers';
  if (!filter.allowHeaders.includes('*')) return [{ name, value: filter.allowHeaders.join(', ') }];
  if (requested !== undefined && isTokenList(requested)) return [{ name, value: requested }];
  return filter.allowCredentials ? [] : [{ name, value: '*' }];
}

function isTokenList(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z, \t]+$/.test(text);
}

interface Origin {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
}

/** CORSOrigin: exact, `*`, `https://*`, or `https://*.example.com`; a missing port is the scheme's. Case is ignored. */
function originTest(allowed: readonly string[]): (origin: string) => boolean {
  if (allowed.includes('*')) return (origin) => origin === 'null' || parseOrigin(origin) !== undefined;
  const patterns = allowed.map(parseOrigin).filter((origin) => origin !== undefined);
  return (text) => {
    const origin = parseOrigin(text);
    if (origin === undefined) return false;
    return patterns.some(({ scheme, host, port }) => scheme === origin.scheme && port === origin.port && hostAllowed(host, origin.host));
  };
}

function hostAllowed(pattern: string, host: string): boolean {
  if (!pattern.startsWith('*')) return pattern === host;
  return host.length > pattern.length - 1 && host.endsWith(pattern.slice(1));
}

/** Bounded by 512 characters: a host has at most 253. */
function parseOrigin(text: string): Origin | undefined {
  if (text.length > 512) return undefined;
  const parts = /^(https?):\/\/([a-z0-9\-._*]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?$/.exec(text.toLowerCase());
  if (parts === null) return undefined;
  const [, scheme = '', host = '', port] = parts;
  return { scheme, host, port: port === undefined ? (scheme === 'https' ? 443 : 80) : Number(port) };
}
