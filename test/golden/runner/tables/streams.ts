import type { ExecutionContext } from 'ava';
import { streamChooser } from '#proxy';
import type { Snapshots } from '#controller';
import { compareHostnames, hostnameMatches, type ListenerSection, type StreamRoute, type StreamTable } from '#snapshot';
import type { RequestExpectation } from '../expectation.ts';
import type { Addressed } from '../requests.ts';
import { checkPolicy } from './decisions.ts';
import { backendText, sectionFor } from './sections.ts';

/** Where a connection comes in: the table that decides about it; or none, and then it is refused or passed through. */
type Entrance = { readonly table: StreamTable; readonly listener?: string } | 'refused' | 'passthrough' | 'untouched';

/** Sends a connection, or a datagram, through the stream table of the snapshot, without any proxy. */
export function checkStream(t: ExecutionContext, snapshots: Snapshots, { url, expect }: RequestExpectation, to: Addressed): void {
  const entrance = entranceOf(snapshots, to);
  if (typeof entrance === 'string') {
    // A Service without a route of the kind gets the connection itself.
    t.is({ refused: 'refuse', passthrough: 'passthrough', untouched: 'forward' }[entrance], expect.outcome ?? 'forward', `${url}: outcome`);
    return;
  }
  const { table, listener } = entrance;
  if (expect.listener !== undefined) t.is(listener, expect.listener, `${url}: listener`);
  const serverName = to.protocol === 'tls' ? to.dialled.toLowerCase() : '';
  const found = choose(table.routes, serverName);
  t.is(streamChooser(table.routes).find(serverName), found, `${url}: the proxy's own choice`);
  const refused = found === undefined || found.rule.backends.every(({ weight, target }) => weight === 0 || target.kind === 'invalid');
  t.is(refused ? 'refuse' : 'forward', expect.outcome ?? 'forward', `${url}: outcome`);
  if (expect.route !== undefined) t.is(found === undefined ? 'none' : `${found.ref.kind}/${found.ref.namespace}/${found.ref.name}`, expect.route, `${url}: route`);
  if (expect.rule !== undefined) t.is(found?.rule.index, expect.rule, `${url}: rule`);
  if (expect.backends !== undefined) t.deepEqual(Object.fromEntries((found?.rule.backends ?? []).map(backendText)), { ...expect.backends }, `${url}: backends`);
  const served = found?.rule.backends.find(({ weight }) => weight > 0);
  checkPolicy(t, table.policies?.[served?.policy ?? -1], expect, url);
}

function entranceOf(snapshots: Snapshots, to: Addressed): Entrance {
  if (to.client !== undefined) {
    if (to.protocol === 'udp') return 'passthrough';
    const { target } = snapshots.destination(to.client.split('/')[0]!, to.dialled, to.port);
    if (target.kind === 'passthrough') return 'passthrough';
    return target.streams === undefined ? 'untouched' : { table: tableOf(snapshots, target.streams) };
  }
  const socket = `${to.gateway}/${to.port}${to.protocol === 'udp' ? '/udp' : ''}`;
  const bound = snapshots.listeners.get(to.gateway!)?.find(({ name }) => name === socket);
  if (bound === undefined) throw new Error(`Gateway ${to.gateway} has no socket ${socket}`);
  const section: ListenerSection | undefined = to.protocol === 'tls' ? sectionFor(bound, to.dialled.toLowerCase()) : bound.sections[0];
  return section === undefined ? 'refused' : { table: tableOf(snapshots, section.routes), listener: section.name };
}

function tableOf(snapshots: Snapshots, name: string): StreamTable {
  const table = snapshots.streamTable(name);
  if (table === undefined) throw new Error(`no stream table ${name}`);
  return table;
}

/** TLSRouteSpec.hostnames: the most specific hostname as written; then the oldest route, then the first by name (GEP-2644). */
function choose(routes: readonly StreamRoute[], serverName: string): StreamRoute | undefined {
  const key = ({ ref }: StreamRoute): string => `${ref.namespace}/${ref.name}`;
  return routes
    .flatMap((route) => (route.hostnames.length === 0 ? [{ match: '', written: '' }] : route.hostnames).map((hostname) => ({ ...hostname, route })))
    .filter(({ match }) => hostnameMatches(match, serverName))
    .sort((a, b) => compareHostnames(a.written, b.written) || a.route.createdAt - b.route.createdAt || (key(a.route) < key(b.route) ? -1 : 1))[0]?.route;
}
