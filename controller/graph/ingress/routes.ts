import type { ClusterState, FieldPath, HTTPRoute, HTTPRouteRule, HTTPRouteRuleMatch, Ingress, IngressBackend, IngressPath } from '#crds';
import { derive } from '../../derived.ts';
import { Memo } from '../../memo.ts';
import { gatewayGroup, ingressGateway } from '../../names.ts';
import { redirectsToHttps } from './gateway.ts';

/** A rule of a derived route, and the place in the Ingress that it comes from. */
interface DerivedRule {
  readonly rule: HTTPRouteRule;
  /** Of the path (with `backend` below it), or of the default backend itself. */
  readonly path: FieldPath;
  /** Set where the Service has no port of the name that is written. */
  readonly noPort: string | undefined;
}

const known = new Memo<Ingress, readonly HTTPRoute[]>();

/** An Ingress as routes of the Gateway for Ingresses: one per host, and one for its default backend. The same ones while it and its Services are. */
export function routesOfIngress(ingress: Ingress, services: ClusterState['services']): readonly HTTPRoute[] {
  const inputs = servicesOf(ingress).map((name) => services.get(`${ingress.metadata.namespace}/${name}`));
  return known.get(ingress, inputs, () => derivedRoutes(ingress, services));
}

/** In the order in which they are written, repeats included. */
function servicesOf({ spec }: Ingress): readonly string[] {
  const backends = [...(spec.defaultBackend === undefined ? [] : [spec.defaultBackend]), ...spec.rules.flatMap(({ http }) => (http?.paths ?? []).map(({ backend }) => backend))];
  return backends.flatMap(({ service }) => service?.name ?? []);
}

function derivedRoutes(ingress: Ingress, services: ClusterState['services']): readonly HTTPRoute[] {
  const { namespace } = ingress.metadata;
  const { defaultBackend } = ingress.spec;
  const ruleFor = (match: HTTPRouteRuleMatch, backend: IngressBackend, path: FieldPath): DerivedRule => {
    const { ref, noPort } = backendRef(backend, namespace, services);
    return { rule: { matches: [match], backendRefs: [ref] }, path, noPort };
  };
  const byHost = new Map<string, DerivedRule[]>();
  const hostPaths = new Map<string, FieldPath>();
  for (const [index, { host = '', http }] of ingress.spec.rules.entries()) {
    const rules = byHost.get(host) ?? [];
    byHost.set(host, rules);
    if (!hostPaths.has(host)) hostPaths.set(host, ['spec', 'rules', index, 'host']);
    for (const [at, each] of (http?.paths ?? []).entries()) {
      rules.push(ruleFor(matchOf(each, host), each.backend, ['spec', 'rules', index, 'http', 'paths', at]));
    }
    // IngressRule.http: a host without paths has all its requests sent to the default backend.
    if (http === undefined && defaultBackend !== undefined) rules.push(ruleFor(matchOf(everything, host), defaultBackend, ['spec', 'defaultBackend']));
  }
  const routes = [...byHost].flatMap(([host, rules], index) => (rules.length === 0 ? [] : routesOfHost(ingress, String(index), { host, rules, hostPath: hostPaths.get(host) })));
  if (defaultBackend === undefined) return routes;
  const fallback = ruleFor(matchOf(everything, ''), defaultBackend, ['spec', 'defaultBackend']);
  return [...routes, ...routesOfHost(ingress, 'default', { host: '', rules: [fallback], hostPath: undefined })];
}

/** One route for all listeners, or one for HTTPS and one that sends there. */
function routesOfHost(ingress: Ingress, part: string, parts: Omit<RouteParts, 'port'>): readonly HTTPRoute[] {
  if (!redirectsToHttps(ingress, parts.host)) return [routeOf(ingress, part, { ...parts, port: undefined })];
  // 308 keeps the method.
  const filters: HTTPRouteRule['filters'] = [{ type: 'RequestRedirect', requestRedirect: { scheme: 'https', statusCode: 308 } }];
  const redirects = parts.rules.map((each) => ({ ...each, rule: { matches: each.rule.matches, filters } }));
  return [routeOf(ingress, part, { ...parts, port: 443 }), routeOf(ingress, `${part}:redirect`, { ...parts, rules: redirects, port: 80 })];
}

const everything: Pick<IngressPath, 'path' | 'pathType'> = { path: '/', pathType: 'Prefix' };

interface RouteParts {
  readonly host: string;
  readonly rules: readonly DerivedRule[];
  readonly hostPath: FieldPath | undefined;
  /** Of the listeners that it is for; undefined: all. */
  readonly port: number | undefined;
}

/** `part` tells the routes of one Ingress apart. No object of a cluster has a colon in its name. */
function routeOf(ingress: Ingress, part: string, { host, rules, hostPath, port }: RouteParts): HTTPRoute {
  const { namespace, name, creationTimestamp, generation } = ingress.metadata;
  const age = part.startsWith('default') ? afterAllOthers(creationTimestamp) : creationTimestamp;
  const route: HTTPRoute = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: `ingress:${name}:${part}`, namespace, ...(age === undefined ? {} : { creationTimestamp: age }), ...(generation === undefined ? {} : { generation }) },
    spec: {
      parentRefs: [{ group: gatewayGroup, kind: 'Gateway', ...ingressGateway, ...(port === undefined ? {} : { port }) }],
      ...(host === '' ? {} : { hostnames: [host] }),
      rules: rules.map(({ rule }) => rule),
    },
  };
  return derive(route, { object: ingress, written: (path) => ({ object: ingress, ...placeOf(path, rules, hostPath) }) });
}

/** `spec.rules[2].backendRefs[0]` → `spec.rules[0].http.paths[2].backend`. */
function placeOf(path: FieldPath, rules: readonly DerivedRule[], hostPath: FieldPath | undefined): { readonly path: FieldPath; readonly message?: string } {
  const [, field, index, part] = path;
  if (field === 'hostnames') return { path: hostPath ?? ['spec'] };
  const rule = field === 'rules' && typeof index === 'number' ? rules[index] : undefined;
  if (rule === undefined) return { path: ['spec'] };
  const ofBackend = rule.path.at(-1) === 'defaultBackend';
  if (part === 'backendRefs') return { path: ofBackend ? rule.path : [...rule.path, 'backend'], ...(rule.noPort === undefined ? {} : { message: rule.noPort }) };
  return { path: part === 'matches' && !ofBackend ? [...rule.path, 'path'] : rule.path };
}

/**
 * A default backend is for what no Ingress has a rule for, so it loses to every rule for any host and path `/`. Among equals the older route
 * wins: it is taken for a thousand years younger than it is, which keeps several of them in their order.
 */
function afterAllOthers(creationTimestamp: string | undefined): string {
  const time = Date.parse(creationTimestamp ?? '');
  const date = new Date(Number.isNaN(time) ? 0 : time);
  date.setUTCFullYear(date.getUTCFullYear() + 1000);
  return date.toISOString();
}

/** What an Ingress leaves to the implementation is a prefix here. Both kinds of API compare prefixes element by element. */
function matchOf({ path = '', pathType }: Pick<IngressPath, 'path' | 'pathType'>, host: string): HTTPRouteRuleMatch {
  const match = { path: { type: pathType === 'Exact' ? 'Exact' : 'PathPrefix', value: path === '' ? '/' : path } } as const;
  if (!host.startsWith('*.')) return match;
  return { ...match, headers: [{ type: 'RegularExpression', name: 'host', value: oneLabel(host) }] };
}

/** `*.example.com` of an Ingress is one label; Gateway API's hostname, which picks the route, would take more. */
function oneLabel(host: string): string {
  return `(?i)[^.:]+${host.slice(1).replaceAll('.', '\\.')}\\.?(:[0-9]+)?`;
}

type BackendRef = NonNullable<HTTPRouteRule['backendRefs']>[number];

/** A port that can't be found stays away, which makes the backend one that is not there. */
function backendRef({ service, resource }: IngressBackend, namespace: string, services: ClusterState['services']): { readonly ref: BackendRef; readonly noPort: string | undefined } {
  if (service === undefined) return { ref: { group: resource?.apiGroup ?? '', kind: resource?.kind ?? '', name: resource?.name ?? '', weight: 1 }, noPort: undefined };
  const { name, number } = service.port ?? {};
  const ports = services.get(`${namespace}/${service.name}`)?.spec.ports;
  const port = number ?? ports?.find((each) => each.name === name && each.protocol === 'TCP')?.port;
  const known = ports?.map((each) => (each.name === '' ? String(each.port) : `${each.name} (${each.port})`)).join(', ');
  return {
    ref: { group: '', kind: 'Service', name: service.name, weight: 1, ...(port === undefined ? {} : { port }) },
    noPort: port !== undefined || ports === undefined ? undefined : `Service ${namespace}/${service.name} has no port named ${name}; it has ${known}`,
  };
}
