import type { Filter, PathModifier } from '#snapshot';
import { fieldsInForce, originText, show } from '../policy/text.ts';
import { tlsText } from '../policy/tls.ts';
import { columns, nameOf } from '../table.ts';
import type { Answer, ExplainedRejection } from './answer.ts';
import { builtIn } from './effective.ts';

/** The names of a ListenerSet's listeners begin with its own (ListenerSection.name). */
function listenerText({ name, gateway }: NonNullable<Answer['listener']>): string {
  const [namespace, set, listener] = name.split('/');
  return listener === undefined ? `${name} of Gateway ${nameOf(gateway)}` : `${listener} of ListenerSet ${namespace}/${set} at Gateway ${nameOf(gateway)}`;
}

/** The answer for a person: what happens first, then why, then what did not happen. */
export function answerText(answer: Answer): string {
  const facts: string[][] = [];
  if (answer.listener !== undefined) facts.push(['listener', `${listenerText(answer.listener)}, port ${answer.listener.port}, ${answer.listener.hostname === '' ? 'any host' : answer.listener.hostname}`]);
  if (answer.service !== undefined) facts.push(['service', `${nameOf(answer.service)} port ${answer.service.port}`]);
  if (answer.route !== undefined) facts.push(['route', `${answer.route.kind} ${nameOf(answer.route)}, rule ${answer.rule?.index}${answer.rule?.name === undefined ? '' : ` "${answer.rule.name}"`}${answer.match === undefined ? '' : `, match ${answer.match.index}`}`]);
  else if (answer.outcome === 'forward') facts.push(['route', 'none: no route is attached to the Service, so everything goes to it']);
  for (const [index, filter] of answer.filters.entries()) facts.push([index === 0 ? 'filters' : '', filterText(filter)]);
  if (answer.forwarded !== undefined) facts.push(['sent on', parts({ path: answer.forwarded.path, host: answer.forwarded.host })]);
  const blocks = [headline(answer), columns(facts, '  ')];
  if (answer.backends.length > 0) blocks.push(`  backends\n${backendsText(answer)}`);
  // Backends with policies of their own show them themselves.
  if (answer.outcome === 'forward' && hasPolicies(answer) && answer.backends.every(({ policy }) => policy === undefined)) blocks.push(`  policy\n${policyText(answer, answer, '    ')}`);
  if (answer.lost !== undefined) blocks.push(`  overruled\n${columns(answer.lost.map((field) => [field.field, show(field.value), originText(field), `by ${field.to}`]), '    ')}`);
  if (answer.rejected.length > 0) blocks.push(`  not chosen\n${columns(rejectedRows(answer.rejected), '    ')}`);
  for (const note of answer.notes) blocks.push(`note: ${note}`);
  return `${blocks.filter((part) => part !== '').join('\n')}\n`;
}

/** On connections that the mesh passes on without a route no policy acts. */
function hasPolicies({ protocol, route }: Answer): boolean {
  return protocol === undefined || route !== undefined;
}

/** What was written, then what the proxy takes for the rest. */
function policyText(policy: Pick<Answer, 'retry' | 'timeouts' | 'session' | 'origins'>, way: Pick<Answer, 'protocol' | 'listener'>, indent: string): string {
  const rest = Object.entries(builtIn(policy, way)).map(([field, value]) => `${field} ${Array.isArray(value) ? value.join(', ') : show(value)}`);
  const carries = way.protocol === undefined ? 'requests' : way.protocol === 'udp' ? 'datagrams' : 'connections';
  return [fieldsInForce(policy, indent, carries), ...(rest.length === 0 ? [] : wrapped(`built in: ${rest.join('; ')}`, indent))].join('\n');
}

const widest = 120;

function wrapped(text: string, indent: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= widest) lines[lines.length - 1] = longer;
    else lines.push(`${indent}${lines.length === 0 ? '' : '  '}${word}`);
  }
  return lines;
}

/** As many as fit a screen; `-o json` has all. */
const mostRejected = 40;

/** Neighbours of one route that lost for one reason are one line. */
function rejectedRows(rejected: readonly ExplainedRejection[]): readonly (readonly string[])[] {
  const groups = new Map<string, ExplainedRejection[]>();
  for (const lost of rejected) {
    const key = `${lost.route.kind} ${nameOf(lost.route)} ${lost.reason}`;
    groups.set(key, [...(groups.get(key) ?? []), lost]);
  }
  const rows = [...groups.values()].map((group) => [`${group[0]!.route.kind} ${nameOf(group[0]!.route)} ${placesText(group)}`, group[0]!.reason]);
  return rows.length <= mostRejected ? rows : [...rows.slice(0, mostRejected), [`and ${rows.length - mostRejected} more`, '-o json has all']];
}

function placesText(group: readonly ExplainedRejection[]): string {
  const [first] = group;
  if (group.length === 1 && first !== undefined) return `rule ${first.rule}${first.match === undefined ? '' : ` match ${first.match}`}`;
  const rules = [...new Set(group.map(({ rule }) => rule))].toSorted((a, b) => a - b);
  if (rules.length === 1) return `rule ${rules[0]}, ${group.length} matches`;
  const [from, to] = [rules[0]!, rules.at(-1)!];
  return to - from === rules.length - 1 ? `rules ${from} to ${to}` : `rules ${rules.slice(0, 5).join(', ')}${rules.length > 5 ? ', …' : ''}`;
}

function headline(answer: Answer): string {
  switch (answer.outcome) {
    case 'forward':
      return 'forward';
    case 'passthrough':
      return 'passthrough';
    case 'refuse':
      return `refuse: ${answer.reason}`;
    case 'redirect':
      return `redirect ${answer.status} to ${answer.location}`;
    case 'respond':
      return `respond ${answer.status}${answer.grpcStatus === undefined ? '' : ` (to a gRPC client: status ${answer.grpcStatus})`}: ${answer.reason}`;
  }
}

function backendsText(answer: Answer): string {
  const { backends, protocol } = answer;
  const idle = protocol === undefined ? 'answers 503' : protocol === 'udp' ? 'drops what comes' : 'closes the connection';
  const invalid = protocol === undefined ? 'answers 500' : protocol === 'udp' ? 'drops what comes' : 'resets the connection';
  const total = backends.reduce((sum, backend) => sum + backend.weight, 0);
  const lines: string[] = [];
  for (const backend of backends) {
    const share = total === 0 ? '0 %' : `${Number(((backend.weight / total) * 100).toFixed(2))} %`;
    const where = backend.valid ? backend.endpoints.join(' ') || `no ready endpoints: ${idle}` : `invalid, ${invalid}: ${backend.reason}`;
    lines.push(`    ${`${nameOf(backend)}${backend.port === undefined ? '' : `:${backend.port}`}`.padEnd(32)} ${share.padStart(7)}  ${where}`);
    if (backend.tls !== undefined) lines.push(`      ${tlsText(backend.tls)}`);
    for (const filter of backend.filters) lines.push(`      ${filterText(filter)}`);
    if (backend.policy !== undefined) lines.push(policyText(backend.policy, answer, '      '));
  }
  return lines.join('\n');
}

/** One filter in words. */
export function filterText(filter: Filter): string {
  switch (filter.type) {
    case 'RequestHeaderModifier':
    case 'ResponseHeaderModifier': {
      const changes = [...filter.set.map(({ name, value }) => `set ${name}: ${value}`), ...filter.add.map(({ name, value }) => `add ${name}: ${value}`), ...filter.remove.map((name) => `remove ${name}`)];
      return `${filter.type}: ${changes.join(', ')}`;
    }
    case 'RequestRedirect':
      return `RequestRedirect ${filter.statusCode}: ${parts({ scheme: filter.scheme, host: filter.hostname, port: filter.port, path: modifier(filter.path) })}`;
    case 'URLRewrite':
      return `URLRewrite: ${parts({ host: filter.hostname, path: modifier(filter.path) })}`;
    case 'RequestMirror':
      return `RequestMirror: ${filter.numerator} of ${filter.denominator} requests to ${nameOf(filter.backend.ref)}${filter.backend.kind === 'invalid' ? ` (invalid: ${filter.backend.reason})` : `:${filter.backend.port}`}`;
    case 'CORS':
      return `CORS: origins ${filter.allowOrigins.join(' ') || 'none'}`;
  }
}

function modifier(path: PathModifier | undefined): string | undefined {
  return path === undefined ? undefined : `${path.type === 'ReplaceFullPath' ? 'all of it' : 'the matched prefix'} becomes ${path.value}`;
}

function parts(fields: Readonly<Record<string, string | number | undefined>>): string {
  return Object.entries(fields).filter(([, value]) => value !== undefined).map(([name, value]) => `${name} ${value}`).join(', ');
}
