import type { Filter, PathModifier } from '#snapshot';
import { fieldsInForce } from '../policy/text.ts';
import { tlsText } from '../policy/tls.ts';
import { columns, nameOf } from '../table.ts';
import type { Answer } from './answer.ts';

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
  const parts = [headline(answer), columns(facts, '  ')];
  if (answer.backends.length > 0) parts.push(`  backends\n${backendsText(answer)}`);
  if (answer.outcome === 'forward' && answer.protocol === undefined) parts.push(`  policy\n${fieldsInForce(answer, '    ')}`);
  if (answer.rejected.length > 0) parts.push(`  not chosen\n${columns(answer.rejected.map((lost) => [`${lost.route.kind} ${nameOf(lost.route)} rule ${lost.rule}${lost.match === undefined ? '' : ` match ${lost.match}`}`, lost.reason]), '    ')}`);
  for (const note of answer.notes) parts.push(`note: ${note}`);
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
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

function backendsText({ backends, protocol }: Answer): string {
  const idle = protocol === undefined ? 'answers 503' : protocol === 'udp' ? 'drops what comes' : 'closes the connection';
  const total = backends.reduce((sum, backend) => sum + backend.weight, 0);
  const lines: string[] = [];
  for (const backend of backends) {
    const share = total === 0 ? '0 %' : `${Number(((backend.weight / total) * 100).toFixed(2))} %`;
    const where = backend.valid ? backend.endpoints.join(' ') || `no ready endpoints: ${idle}` : `invalid: ${backend.reason}`;
    lines.push(`    ${`${nameOf(backend)}${backend.port === undefined ? '' : `:${backend.port}`}`.padEnd(32)} ${share.padStart(7)}  ${where}`);
    if (backend.tls !== undefined) lines.push(`      ${tlsText(backend.tls)}`);
    for (const filter of backend.filters) lines.push(`      ${filterText(filter)}`);
    if (backend.policy !== undefined) lines.push(fieldsInForce(backend.policy, '      '));
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
  return path === undefined ? undefined : `${path.type === 'ReplaceFullPath' ? 'whole path' : 'matched prefix'} becomes ${path.value}`;
}

function parts(fields: Readonly<Record<string, string | number | undefined>>): string {
  return Object.entries(fields).filter(([, value]) => value !== undefined).map(([name, value]) => `${name} ${value}`).join(', ');
}
