import type { SettledPath, Translation } from '#controller';
import { UsageError } from '../explain/place.ts';
import { known, nameOf } from '../table.ts';

/** Which path a user asked about. */
export interface PathQuery {
  readonly gateway?: string;
  readonly fromNamespace?: string;
  readonly route?: string;
  readonly backend?: string;
}

/** The paths that a query means. A part that the user left out matches every path. Throws UsageError where none is left, and says what there is. */
export function selectPaths(translation: Translation, query: PathQuery): readonly SettledPath[] {
  if ((query.gateway === undefined) === (query.fromNamespace === undefined)) throw new UsageError('say where the request comes from: --gateway NAMESPACE/NAME[/LISTENER] or --from-namespace NAMESPACE');
  const connections = query.route === undefined && query.backend === undefined ? connectionsAt(translation, query) : [];
  if (connections.length > 0) return connections;
  if (query.route === undefined && query.backend === undefined) throw new UsageError('say which route (--route HTTPRoute/NAMESPACE/NAME[/RULE]) or, for a Service without routes, which backend (--backend NAMESPACE/NAME[:PORT])');
  const entered = query.gateway === undefined ? translation.paths.from(query.fromNamespace!) : translation.paths.all().filter((path) => entersAt(path, query.gateway!));
  if (entered.length === 0) throw new UsageError(query.gateway === undefined ? `nothing that a workload in ${query.fromNamespace} could call` : `no route goes through Gateway ${query.gateway}; ${known(translation.paths.all().map(entryText))}`);
  const routed = entered.filter((path) => (query.route === undefined ? path.route === undefined : isRoute(path, query.route)));
  if (routed.length === 0) throw new UsageError(`no such path by ${query.route ?? 'a Service without routes'}${hiddenText(translation, query.route)}; ${known(entered.map(routeText))}`);
  const backed = query.backend === undefined ? routed : routed.filter((path) => isBackend(path, query.backend!));
  if (backed.length === 0) throw new UsageError(`no such path to ${query.backend}; ${known(routed.map(backendText))}`);
  // A rule also has a path of its own, without a backend (for redirects); whoever names none means the ones that reach a backend.
  const reaching = backed.filter((path) => path.backend !== undefined);
  return query.backend === undefined && reaching.length > 0 ? reaching : backed;
}

/** Of a TLS, TCP or UDP listener, which has few routes and mostly one. */
function connectionsAt({ paths }: Translation, { gateway }: PathQuery): readonly SettledPath[] {
  return gateway === undefined ? [] : paths.all().filter((path) => path.carries !== 'requests' && entersAt(path, gateway));
}

function entersAt(path: SettledPath, gateway: string): boolean {
  if (path.via.kind !== 'gateway') return false;
  const name = nameOf(path.via.gateway);
  return gateway === name || gateway === `${name}/${path.via.listener}`;
}

function isRoute({ route, rule }: SettledPath, wanted: string): boolean {
  if (route === undefined) return false;
  const name = `${route.kind}/${nameOf(route)}`;
  return wanted === name || (rule !== undefined && (wanted === `${name}/${rule.index}` || wanted === `${name}/${rule.name}`));
}

/** A route with a part that gets nothing anywhere: that may be why there is no path. */
function hiddenText({ problems }: Translation, wanted: string | undefined): string {
  const isHidden = problems.some(({ reason, object }) => (reason === 'ShadowedMatch' || reason === 'ShadowedRoute') && `${wanted}/`.startsWith(`${object.kind}/${nameOf(object)}/`));
  return isHidden ? ", for which others come first ('weft analyze' says which)" : '';
}

function isBackend({ backend }: SettledPath, wanted: string): boolean {
  return backend !== undefined && (wanted === nameOf(backend) || wanted === `${nameOf(backend)}:${backend.port}`);
}

function entryText({ via }: SettledPath): string {
  return via.kind === 'gateway' ? `${nameOf(via.gateway)}/${via.listener}` : `from namespace ${via.clientNamespace} to Service ${nameOf(via.service)}`;
}

function routeText({ route, rule }: SettledPath): string {
  return route === undefined ? 'a Service without routes' : `${route.kind}/${nameOf(route)}/${rule?.name ?? rule?.index ?? ''}`;
}

function backendText({ backend }: SettledPath): string {
  return backend === undefined ? 'no backend' : `${nameOf(backend)}:${backend.port}`;
}

/** One path in words: `infra/edge/http → HTTPRoute/shop/foo/0 → shop/foo:8080`. */
export function pathText(path: SettledPath): string {
  const via = path.via.kind === 'gateway' ? `Gateway ${entryText(path)}` : `clients in ${path.via.clientNamespace} → Service ${nameOf(path.via.service)}:${path.via.port}`;
  return [via, ...(path.route === undefined ? [] : [routeText(path)]), ...(path.backend === undefined ? [] : [backendText(path)])].join(' → ');
}
