import { compareHostnames, type StreamRoute, type WeightedBackend } from '#snapshot';

/** The routes of a StreamTable, ready to be asked. */
export interface StreamChooser {
  /**
   * The route of a connection with this server name (lower case, no trailing dot; empty without one): the most specific hostname as it is
   * written, then the oldest route, then the first `{namespace}/{name}` (TLSRouteSpec.hostnames; GEP-2644 for TCP and UDP).
   */
  find(serverName: string): StreamRoute | undefined;
}

interface Entry {
  readonly written: string;
  readonly route: StreamRoute;
}

interface Ranked {
  readonly rank: number;
  readonly route: StreamRoute;
}

export function streamChooser(routes: readonly StreamRoute[]): StreamChooser {
  const everywhere = { match: '', written: '' };
  const entries = routes.flatMap((route) => (route.hostnames.length === 0 ? [everywhere] : route.hostnames).map(({ match, written }) => ({ match, written, route })));
  entries.sort(byPrecedence);
  /** By what must match; the first of equals is the one that counts. */
  const first = new Map<string, Ranked>();
  for (const [rank, { match, route }] of entries.entries()) if (!first.has(match)) first.set(match, { rank, route });
  return { find: (serverName) => best(first, serverName)?.route };
}

/** The entry for the name itself, for each wildcard above it, and for everything: the best of them. */
function best(first: ReadonlyMap<string, Ranked>, serverName: string): Ranked | undefined {
  let found = first.get('');
  if (serverName === '') return found;
  const consider = (ranked: Ranked | undefined): void => {
    if (ranked !== undefined && (found === undefined || ranked.rank < found.rank)) found = ranked;
  };
  if (!serverName.startsWith('*.')) consider(first.get(serverName));
  // A wildcard stands for one label or more, and a label is never empty.
  for (let dot = serverName.indexOf('.', 1); dot > 0; dot = serverName.indexOf('.', dot + 1)) consider(first.get(`*${serverName.slice(dot)}`));
  return found;
}

function byPrecedence(a: Entry, b: Entry): number {
  return compareHostnames(a.written, b.written) || a.route.createdAt - b.route.createdAt || compareText(keyOf(a.route), keyOf(b.route));
}

function keyOf({ ref }: StreamRoute): string {
  return `${ref.namespace}/${ref.name}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Each by its share of the weights, the invalid ones too. Undefined where none has a weight. Draws only where there is a choice. */
export function pickStreamBackend(backends: readonly WeightedBackend[], random: () => number): WeightedBackend | undefined {
  const total = backends.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return undefined;
  let left = backends.length === 1 ? 0 : random() * total;
  return backends.find(({ weight }) => (left -= weight) < 0);
}
