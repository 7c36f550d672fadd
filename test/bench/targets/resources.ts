import type { BackendTarget, EffectivePolicy, Endpoints, Filter, Listener, ListenerSection, Match, Resource, Route, RouteTable, Rule } from '#snapshot';
import { routeHosts, routePrefixes, type Site } from './types.ts';

const namespace = 'bench';
export const certificateName = `${namespace}/pair`;
const origin = { kind: 'HTTPRoute', namespace, name: 'bench', stanza: 'route', level: 'Route' } as const;

const policies: readonly EffectivePolicy[] = [
  { timeouts: { request: '15s' }, retry: { maxRetries: 2, retryOn: { codes: [503] } }, origins: { 'timeouts.request': origin, 'retry.maxRetries': origin, 'retry.retryOn.codes': origin } },
  {
    timeouts: { request: '15s', backendRequest: '5s' },
    retry: { maxRetries: 2, retryOn: { codes: [503], conditions: ['connect-failure', 'refused-stream', 'reset'] } },
    origins: { 'timeouts.request': origin, 'timeouts.backendRequest': origin, 'retry.maxRetries': origin, 'retry.retryOn.codes': origin, 'retry.retryOn.conditions': origin },
  },
];

/** What the controller would send to the gateway of a scenario: the same routing and policy as Envoy's configuration. */
export function resourcesOf(site: Site): readonly Resource[] {
  const { scenario, port, backends } = site;
  const to = scenario === 'tls' ? backends.tls : scenario === 'grpc' ? (backends.grpc ?? 0) : backends.http;
  const secure = scenario === 'tls' || scenario === 'terminate';
  const mirror = scenario === 'routes' ? backend(site, 'mirror', to) : [];
  const certificate: readonly Resource[] = secure ? [{ kind: 'Certificate', name: certificateName, chain: site.certificates.pair.chain, key: site.certificates.pair.key }] : [];
  const table = scenario === 'routes' ? manyRoutes(site) : twoRules(site);
  return [listener(site, port, secure), table, ...backend(site, 'backend', to), ...mirror, ...certificate];
}

function listener({ scenario }: Site, port: number, secure: boolean): Listener {
  const section: ListenerSection = { name: 'main', hostname: '', routes: tableName(scenario), ...(secure ? { protocol: 'HTTPS', certificates: [certificateName] } : { protocol: 'HTTP' }) };
  return { kind: 'Listener', name: `${namespace}/${scenario}/${port}`, gateway: { kind: 'Gateway', namespace, name: scenario }, address: '127.0.0.1', port, sections: [section] };
}

export function tableName(scenario: string): string {
  return `listener/${namespace}/${scenario}/main`;
}

function backend({ scenario, certificates }: Site, name: string, port: number): readonly Resource[] {
  const fullName = `${namespace}/${name}:${port}`;
  const tls = { hostname: 'localhost', authorities: certificates.authority, clientCertificate: certificateName };
  const endpoints: Endpoints = { kind: 'Endpoints', name: fullName, endpoints: [{ address: '127.0.0.1', port }] };
  return [
    { kind: 'Backend', name: fullName, ref: service(name), port, protocol: scenario === 'grpc' ? 'http2' : 'http1', balancing: 'least-request', ...(scenario === 'tls' ? { tls } : {}) },
    endpoints,
  ];
}

function service(name: string): BackendTarget['ref'] {
  return { kind: 'Service', namespace, name };
}

function target(name: string, port: number): BackendTarget {
  return { kind: 'backend', ref: service(name), port, backend: `${namespace}/${name}:${port}` };
}

function rule(index: number, to: BackendTarget, more: { readonly match?: Partial<Match>; readonly filters?: readonly Filter[]; readonly policy?: number }): Rule {
  return {
    index,
    matches: [{ index: 0, path: { type: 'PathPrefix', value: '/' }, headers: [], query: [], ...more.match }],
    filters: more.filters ?? [],
    backends: [{ index: 0, target: to, weight: 1, filters: [], ...(more.policy === undefined ? {} : { policy: more.policy }) }],
  };
}

function route(name: string, hostnames: readonly string[], rules: readonly Rule[]): Route {
  return { ref: { kind: 'HTTPRoute', namespace, name }, createdAt: 0, hostnames: hostnames.map((host) => ({ match: host, written: host })), rules };
}

/** A header's rule and one for all else, with retries and a timeout. */
function twoRules({ scenario, backends }: Site): RouteTable {
  const to = target('backend', scenario === 'tls' ? backends.tls : scenario === 'grpc' ? (backends.grpc ?? 0) : backends.http);
  const rules = [rule(0, to, { match: { headers: [{ name: 'end-user', type: 'Exact', value: 'jason' }] } }), rule(1, to, { policy: 0 })];
  return { kind: 'RouteTable', name: tableName(scenario), routes: [route('bench', [], rules)], policies };
}

/** A route each for a hundred hosts and ten prefixes. */
function manyRoutes({ scenario, backends }: Site): RouteTable {
  const to = target('backend', backends.http);
  const mirrored: Filter = { type: 'RequestMirror', backend: target('mirror', backends.http), numerator: 1, denominator: 100 };
  const routes = routeHosts.flatMap((host, at) =>
    routePrefixes.map((prefix, index) => route(`route-${at}-${index}`, [host], [rule(0, to, { match: { path: { type: 'PathPrefix', value: prefix } }, filters: [mirrored], policy: 1 })])),
  );
  return { kind: 'RouteTable', name: tableName(scenario), routes, policies };
}
