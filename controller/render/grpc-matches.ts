import type { GRPCRouteRuleMatch } from '#crds';
import type { GrpcMethodMatch, Match, PathMatch } from '#snapshot';
import type { Fault } from '../problems.ts';
import { firstOfEach, patternFaults, type RenderedMatches } from './matches.ts';
import { patternFault } from './patterns.ts';

/** The matches of a GRPCRoute's rule; without any, it matches every gRPC request (GRPCRouteRule.matches). */
export function renderGrpcMatches(matches: readonly GRPCRouteRuleMatch[], path: Fault['path']): RenderedMatches {
  const all = (matches.length === 0 ? [{}] : matches).map((match, index) => renderMatch(match, index, [...path, index]));
  return { matches: all.filter(({ faults }) => faults.length === 0).map(({ match }) => match), faults: all.flatMap(({ faults }) => faults) };
}

function renderMatch({ method: wanted, headers = [] }: GRPCRouteRuleMatch, index: number, path: Fault['path']): { readonly match: Match; readonly faults: readonly Fault[] } {
  const { type = 'Exact', service, method } = wanted ?? {};
  const grpc: GrpcMethodMatch = { type, ...(service === undefined ? {} : { service }), ...(method === undefined ? {} : { method }) };
  const conditions = firstOfEach(headers.map((header) => ({ ...header, name: header.name.toLowerCase() })));
  const faults = [...methodFaults(grpc, [...path, 'method']), ...patternFaults(headers, [...path, 'headers'])];
  return { match: { index, path: pathOf(grpc), headers: conditions, query: [], grpc }, faults };
}

/** The path of the requests that a method match means: gRPC sends to `/{service}/{method}`. */
function pathOf({ type, service, method }: GrpcMethodMatch): PathMatch {
  if (service === undefined && method === undefined) return { type: 'PathPrefix', value: '/' };
  if (type === 'RegularExpression') return { type, value: `/${grouped(service)}/${grouped(method)}` };
  if (service === undefined) return { type: 'RegularExpression', value: `/[^/]+/${quoted(method ?? '')}` };
  return method === undefined ? { type: 'PathPrefix', value: `/${service}` } : { type: 'Exact', value: `/${service}/${method}` };
}

function grouped(pattern: string | undefined): string {
  return pattern === undefined ? '[^/]+' : `(?:${pattern})`;
}

function quoted(text: string): string {
  return text.replace(/[^A-Za-z0-9_]/g, '\\$&');
}

function methodFaults({ type, service, method }: GrpcMethodMatch, path: Fault['path']): readonly Fault[] {
  return Object.entries({ service, method }).flatMap(([field, value]): readonly Fault[] => {
    if (value === undefined) return [];
    const message = type === 'RegularExpression' ? patternFault(value) : exactFault(field, value);
    return message === undefined ? [] : [{ reason: 'UnsupportedValue', path: [...path, field], message }];
  });
}

/** The CRD's own rules catch these first where they are enforced (GRPCMethodMatch). */
function exactFault(field: string, value: string): string | undefined {
  const valid = field === 'service' ? /^\.?[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)*$/ : /^[A-Za-z_][A-Za-z_0-9]*$/;
  return valid.test(value) ? undefined : `${value} is no name of a gRPC ${field}`;
}
