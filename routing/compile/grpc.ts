import type { Pace, Steps } from '#snapshot';
import { patternOf } from '../pattern.ts';
import type { Pattern } from '../pattern.ts';
import { callOf, isGrpc } from '../request/grpc.ts';
import type { Match, RequestView } from '../types.ts';
import type { Entry } from './entry.ts';
import { append, bestRank, select } from './selection.ts';
import type { Selection } from './selection.ts';

/** The matches of GRPCRoutes under one hostname, in the order of their precedence (GRPCRouteRule.matches): service, method, headers. */
export interface GrpcTier {
  /** Those that name service and method, by `/{service}/{method}`. */
  readonly methods: ReadonlyMap<string, Selection>;
  /** Those that name a service and any method, by `/{service}`. */
  readonly services: ReadonlyMap<string, Selection>;
  /** Those with a pattern, or without a service. */
  readonly rest: Selection | undefined;
}

type GrpcMatch = NonNullable<Match['grpc']>;

/** Takes entries in the order of their routes, rules and matches, which settles what everything else leaves equal. */
export function* buildGrpcTier(entries: readonly Entry[], pace: Pace): Steps<GrpcTier> {
  const methods = new Map<string, Entry[]>();
  const services = new Map<string, Entry[]>();
  const rest: Entry[] = [];
  for (const entry of entries) {
    const { type, service, method } = grpcOf(entry);
    if (type !== 'Exact' || service === undefined) rest.push(entry);
    else if (method === undefined) append(services, `/${service}`, entry);
    else append(methods, `/${service}/${method}`, entry);
    if (pace.spend()) yield;
  }
  return { methods: yield* selections(methods, pace), services: yield* selections(services, pace), rest: rest.length === 0 ? undefined : yield* select(rest, byPrecedence, pace) };
}

function* selections(groups: ReadonlyMap<string, readonly Entry[]>, pace: Pace): Steps<ReadonlyMap<string, Selection>> {
  const made = new Map<string, Selection>();
  for (const [key, group] of groups) made.set(key, yield* select(group, byPrecedence, pace));
  return made;
}

function grpcOf({ candidate: { match } }: Entry): GrpcMatch {
  return match.grpc ?? { type: 'Exact' };
}

/** A name comes before a pattern, and a pattern before nothing; then the longer one. The sort is stable. */
function byPrecedence(a: Entry, b: Entry): number {
  const [one, other] = [grpcOf(a), grpcOf(b)];
  return weight(other.type, other.service) - weight(one.type, one.service) || weight(other.type, other.method) - weight(one.type, one.method) || b.headers.length - a.headers.length;
}

/** Names and patterns have at most 1024 characters. */
function weight(type: GrpcMatch['type'], text: string | undefined): number {
  if (text === undefined) return 0;
  return text.length + (type === 'Exact' ? 1 << 20 : 1);
}

/** The test of a path that is not settled by where the entry stands: of one with a pattern, or with a method of any service. */
export function grpcPattern({ type, service, method }: GrpcMatch): Pattern | undefined {
  if ((service === undefined && method === undefined) || (type === 'Exact' && service !== undefined)) return undefined;
  const fits = (text: string | undefined): Pattern => (text === undefined ? () => true : type === 'Exact' ? (value) => value === text : patternOf(text));
  const [forService, forMethod] = [fits(service), fits(method)];
  return (path) => {
    const call = callOf(path);
    return call !== undefined && forService(call.service) && forMethod(call.method);
  };
}

export function searchGrpc({ methods, services, rest }: GrpcTier, request: RequestView): Entry | undefined {
  // The test comes first in time, not in the rules: GRPCRoutes are about gRPC requests alone.
  if (!isGrpc(request.header('content-type'))) return undefined;
  const { path } = request;
  const slash = path.indexOf('/', 1);
  return best(methods.get(path), request) ?? best(services.get(slash < 0 ? path : path.slice(0, slash)), request) ?? best(rest, request);
}

function best(selection: Selection | undefined, request: RequestView): Entry | undefined {
  return selection === undefined ? undefined : selection.order[bestRank(selection, request, selection.order.length)];
}
