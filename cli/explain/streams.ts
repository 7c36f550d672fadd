import { isIP } from 'node:net';
import type { Translation } from '#controller';
import { streamChooser } from '#proxy';
import { compareHostnames, hostnameMatches, hostPort, mostSpecific, type Listener, type ListenerSection, type StreamRoute, type StreamTable } from '#snapshot';
import type { Loaded } from '../load.ts';
import { explainBackends, policiesOf, type Answer, type ExplainedRejection } from './answer.ts';
import { builtIn, withLost } from './effective.ts';
import { listenerPort, servedListeners, slips, UsageError } from './place.ts';

/** A connection, or a flow of datagrams, to be explained. */
export interface ExplainedStream {
  readonly protocol: 'tls' | 'tcp' | 'udp';
  /** As dialled, lower case, IPv6 without brackets. */
  readonly host: string;
  /** What a client of TLS sends: the host, unless that is an address (RFC 6066, 3). Empty: none. */
  readonly serverName: string;
  readonly port: number;
}

const nothing = { filters: [], backends: [], origins: {}, rejected: [], notes: [] } as const;

/** `tls://host:port` (443 unless it says so), `tcp://host:port` or `udp://host:port`; undefined for any other URL. */
export function streamOf(url: string): ExplainedStream | undefined {
  const [, protocol, rest = ''] = /^(tls|tcp|udp):\/\/(.*)$/i.exec(url) ?? [];
  if (protocol === undefined) return undefined;
  const kind = protocol.toLowerCase() as ExplainedStream['protocol'];
  const [, bracketed, plain, written = kind === 'tls' ? '443' : ''] = /^(?:\[([0-9a-f:.]+)\]|([^\s/:@]+))(?::(\d{1,5}))?\/?$/i.exec(rest) ?? [];
  const host = bracketed ?? plain;
  const port = Number(written);
  if (host === undefined || port < 1 || port > 65_535) throw new UsageError(`"${url}" is not ${kind}://HOST:PORT`);
  const dialled = host.toLowerCase().replace(/\.$/, '');
  return { protocol: kind, host: dialled, serverName: kind === 'tls' && isIP(dialled) === 0 ? dialled : '', port };
}

/** What would happen to a connection that comes to a Gateway. Throws a UsageError where it has no such listener. */
export function explainAtGateway(translation: Translation, gateway: string, stream: ExplainedStream): Answer {
  const listeners = servedListeners(translation, gateway);
  const onPort = listeners.filter((listener) => listenerPort(listener) === stream.port && (listener.transport === 'udp') === (stream.protocol === 'udp'));
  const sections = onPort.flatMap((listener) => listener.sections.map((section) => ({ hostname: section.hostname, listener, section }))).filter(({ section }) => takes(section, stream.protocol));
  if (sections.length === 0) {
    const known = listeners.flatMap((listener) => listener.sections.map((section) => `${section.name} (${section.protocol} ${listenerPort(listener)})`));
    throw new UsageError(`Gateway ${gateway} has no ${stream.protocol.toUpperCase()} listener on port ${stream.port}; it has ${known.join(', ')}`);
  }
  const found = stream.protocol === 'tls' ? mostSpecific(sections, stream.serverName) : sections[0];
  if (found === undefined) return { ...nothing, outcome: 'refuse', protocol: stream.protocol, reason: `no listener of ${gateway} on port ${stream.port} is for ${named(stream)}; there are ${sections.map(({ section }) => `${section.name} (${section.hostname})`).join(', ')}` };
  const { section } = found;
  if (section.protocol === 'HTTPS') throw new UsageError(`${named(stream)} belongs to listener ${section.name} (HTTPS); ask about https://${hostPort(stream.host, stream.port)}/`);
  const where = { listener: placeOf(found.listener, section), notes: notesOf(section) };
  return withLost(translation, answerFrom(translation, translation.snapshots.streamTable(section.routes), stream, where), undefined);
}

function named({ serverName }: Pick<ExplainedStream, 'serverName'>): string {
  return serverName === '' ? 'a client without server name' : `the server name ${serverName}`;
}

function takes({ protocol }: ListenerSection, asked: ExplainedStream['protocol']): boolean {
  return asked === 'tls' ? protocol === 'TLS' || protocol === 'HTTPS' : protocol === asked.toUpperCase();
}

function placeOf(listener: Listener, section: ListenerSection): NonNullable<Answer['listener']> {
  return { gateway: listener.gateway, name: section.name, hostname: section.hostname, port: listenerPort(listener) };
}

function notesOf({ protocol, mode }: ListenerSection): readonly string[] {
  if (protocol !== 'TLS') return [];
  return [mode === 'Passthrough' ? 'TLS passes through: the backend ends it' : 'the gateway ends TLS: the backend gets what is inside'];
}

/** What would happen to a connection of a workload in the namespace. */
export function explainInMesh({ state, translation }: Pick<Loaded, 'state' | 'translation'>, namespace: string, stream: ExplainedStream, notes: readonly string[]): Answer {
  const { protocol, host, port } = stream;
  if (protocol === 'udp') return { ...nothing, outcome: 'passthrough', protocol, notes: [...notes, 'the mesh takes over TCP; UDP passes it by'] };
  const { target } = translation.snapshots.destination(namespace, host, port);
  if (target.kind === 'passthrough') return { ...nothing, outcome: 'passthrough', protocol, notes: [...notes, `${hostPort(host, port)} is no port of a Service that the mesh carries: forwarded untouched`, ...slips(state, namespace, stream)] };
  const service = { ...target.service, port: target.port };
  const name = `${service.namespace}/${service.name}`;
  if (target.protocol === undefined || target.protocol === 'http') throw new UsageError(`port ${port} of Service ${name} carries HTTP; ask about http://${hostPort(host, port)}/`);
  if (target.streams !== undefined) {
    // A client that dials a Service by its name seldom has another server name than that.
    const told = target.protocol === 'tls' ? [...notes, stream.serverName === '' ? 'a client that dials an address sends no server name' : `the server name is taken to be ${host}`] : notes;
    return withLost(translation, answerFrom(translation, translation.snapshots.streamTable(target.streams), stream, { service, notes: told }), namespace);
  }
  const ref = { kind: target.service.kind, namespace: service.namespace, name: service.name };
  const backend = { index: 0, weight: 1, filters: [], target: { kind: 'backend', ref, port, backend: target.backend ?? `${name}:${port}` } } as const;
  const told = target.protocol === 'detect' ? [...notes, 'the sidecar looks at the first bytes: what is HTTP after all goes by HTTPRoutes and policies'] : notes;
  return { ...nothing, outcome: 'forward', protocol, service, backends: explainBackends(translation, { policies: [] }, [backend]), notes: told };
}

function answerFrom(translation: Translation, table: StreamTable | undefined, { protocol, serverName }: ExplainedStream, where: Pick<Answer, 'listener' | 'service' | 'notes'>): Answer {
  const routes = table?.routes ?? [];
  const winner = streamChooser(routes).find(serverName);
  const rejected = routes.filter((route) => route !== winner).map((route) => rejection(route, winner, serverName));
  if (winner === undefined) return { ...nothing, ...where, outcome: 'refuse', protocol, rejected, reason: routes.length === 0 ? 'no route is attached' : `no route is for ${named({ serverName })}` };
  const { rule, ref } = winner;
  const policies = { policies: table?.policies ?? [] };
  const settled = policiesOf(policies, rule, explainBackends(translation, policies, rule.backends));
  const chosen = { ...where, protocol, route: ref, rule: { index: rule.index, ...(rule.name === undefined ? {} : { name: rule.name }) }, filters: [], ...settled, rejected };
  const standing = rule.backends.filter(({ weight }) => weight > 0);
  if (standing.length === 0) return { ...chosen, outcome: 'refuse', reason: 'every backend of the rule has weight 0' };
  const [first] = standing;
  if (first?.target.kind === 'invalid' && standing.every(({ target }) => target.kind === 'invalid')) return { ...chosen, outcome: 'refuse', reason: first.target.reason };
  return { ...chosen, outcome: 'forward', builtIn: builtIn(settled, { ...where, protocol }) };
}

function rejection(route: StreamRoute, winner: StreamRoute | undefined, serverName: string): ExplainedRejection {
  const place = { route: route.ref, rule: route.rule.index };
  const own = bestHostname(route, serverName);
  if (own === undefined) return { ...place, reason: `server name ${serverName === '' ? '(none)' : serverName} matches none of ${route.hostnames.map(({ match }) => match).join(', ')}` };
  if (winner === undefined) return { ...place, reason: 'not chosen' };
  const name = `${winner.ref.kind} ${winner.ref.namespace}/${winner.ref.name}`;
  const theirs = bestHostname(winner, serverName) ?? '';
  if (compareHostnames(theirs, own) < 0) return { ...place, reason: `${name} has a more specific hostname (${theirs})` };
  return { ...place, reason: winner.createdAt < route.createdAt ? `${name} is older` : `${name} comes first by name` };
}

/** As written, the most specific of those that fit. */
function bestHostname({ hostnames }: StreamRoute, serverName: string): string | undefined {
  if (hostnames.length === 0) return '';
  return hostnames.filter(({ match }) => hostnameMatches(match, serverName)).map(({ written }) => written).sort(compareHostnames)[0];
}
