import type { HTTPRouteRuleMatch } from '#crds';
import type { Match, NamedMatch, PathMatch } from '#snapshot';
import type { Fault } from '../problems.ts';
import { patternFault } from './patterns.ts';

export interface RenderedMatches {
  /** Those that can be carried out. */
  readonly matches: readonly Match[];
  readonly faults: readonly Fault[];
}

export function renderMatches(matches: readonly HTTPRouteRuleMatch[], path: Fault['path']): RenderedMatches {
  const all = matches.map((match, index) => renderMatch(match, index, [...path, index]));
  return { matches: all.filter(({ faults }) => faults.length === 0).map(({ match }) => match), faults: all.flatMap(({ faults }) => faults) };
}

function renderMatch(match: HTTPRouteRuleMatch, index: number, path: Fault['path']): { readonly match: Match; readonly faults: readonly Fault[] } {
  const headers = firstOfEach((match.headers ?? []).map((header) => ({ ...header, name: header.name.toLowerCase() })));
  const query = firstOfEach(match.queryParams ?? []);
  const faults = [
    ...pathFaults(match.path, [...path, 'path', 'value']),
    ...patternFaults(match.headers ?? [], [...path, 'headers']),
    ...patternFaults(match.queryParams ?? [], [...path, 'queryParams']),
  ];
  return { match: { index, path: { type: match.path.type, value: match.path.value }, ...(match.method === undefined ? {} : { method: match.method }), headers, query }, faults };
}

/** Of several entries for one name the first counts, the others are ignored (HTTPRouteMatch.headers, .queryParams). */
export function firstOfEach(conditions: readonly NamedMatch[]): readonly NamedMatch[] {
  const byName = new Map<string, NamedMatch>();
  for (const { name, type, value } of conditions) if (!byName.has(name)) byName.set(name, { name, type, value });
  return [...byName.values()];
}

function pathFaults({ type, value }: PathMatch, path: Fault['path']): readonly Fault[] {
  if (type === 'RegularExpression') return faultAt(patternFault(value), path);
  if (!value.startsWith('/')) return faultAt(`a path of type ${type} begins with /`, path);
  return faultAt(dotSegmentWithParameters.test(value) ? 'no request gets here: a dot segment with parameters is refused in paths' : undefined, path);
}

const dotSegmentWithParameters = /\/(?:\.|%2e){1,2}(?:;|%3b)/i;

export function patternFaults(conditions: readonly NamedMatch[], path: Fault['path']): readonly Fault[] {
  return conditions.flatMap(({ type, value }, index) => (type === 'RegularExpression' ? faultAt(patternFault(value), [...path, index, 'value']) : []));
}

function faultAt(message: string | undefined, path: Fault['path']): readonly Fault[] {
  return message === undefined ? [] : [{ reason: 'UnsupportedValue', message, path }];
}
