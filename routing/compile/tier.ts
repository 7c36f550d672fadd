import { bareRoot, sortInSteps, type Pace, type Steps } from '#snapshot';
import { literalPrefix } from '../pattern.ts';
import { reachablePath } from '../request/path.ts';
import type { RequestView } from '../types.ts';
import type { Entry } from './entry.ts';
import { buildGrpcTier, searchGrpc } from './grpc.ts';
import type { GrpcTier } from './grpc.ts';
import { append, bestRank, select, selectRanks } from './selection.ts';
import type { Selection } from './selection.ts';
import { childAt, createNode, link, nodeFor } from './tree.ts';
import type { Node } from './tree.ts';

/** Everything that competes under one hostname. */
export interface Tier {
  /** Matches of GRPCRoutes. They never compete with those of HTTPRoutes: where both could get a request, the control plane refuses one. */
  readonly grpc: GrpcTier | undefined;
  /** All others, by path. */
  readonly paths: Node;
}

const slash = 0x2f;

/** Takes entries in the order of their routes, rules and matches, which settles what path, method and counts leave equal. */
export function* buildTier(entries: readonly Entry[], pace: Pace): Steps<Tier> {
  const grpc: Entry[] = [];
  const others: Entry[] = [];
  for (const entry of entries) {
    (entry.candidate.match.grpc === undefined ? others : grpc).push(entry);
    if (pace.spend()) yield;
  }
  return { grpc: grpc.length === 0 ? undefined : yield* buildGrpcTier(grpc, pace), paths: yield* buildPaths(others, pace) };
}

function* buildPaths(entries: readonly Entry[], pace: Pace): Steps<Node> {
  const exact = new Map<string, Entry[]>();
  const prefixes = new Map<string, Entry[]>();
  const patterns: Entry[] = [];
  for (const entry of entries) {
    if (pace.spend()) yield;
    const { type, value } = entry.candidate.match.path;
    if (type === 'RegularExpression') {
      patterns.push(entry);
      continue;
    }
    const path = reachablePath(value);
    if (path === undefined) continue;
    if (type === 'Exact') append(exact, path, entry);
    else append(prefixes, bareRoot(path), entry);
  }
  const root = createNode('');
  for (const [path, group] of exact) nodeFor(root, path).exact = yield* select(group, byDemands, pace);
  for (const [path, group] of prefixes) nodeFor(root, path).prefix = yield* select(group, byDemands, pace);
  yield* addPatterns(root, patterns, pace);
  yield* link(root, pace);
  return root;
}

/** Patterns compete with each other wherever in the tree they stand, so they share one order. */
function* addPatterns(root: Node, patterns: readonly Entry[], pace: Pace): Steps<void> {
  const order = yield* sortInSteps(patterns, (a, b) => patternLength(b) - patternLength(a) || byDemands(a, b), pace);
  const ranks = new Map<string, number[]>();
  for (const [rank, entry] of order.entries()) {
    append(ranks, literalPrefix(entry.candidate.match.path.value), rank);
    if (pace.spend()) yield;
  }
  for (const [text, group] of ranks) nodeFor(root, text).patterns = yield* selectRanks(order, group, pace);
}

function patternLength(entry: Entry): number {
  return entry.candidate.match.path.value.length;
}

/** HTTPRouteRule.matches: method match, most header matches, most query param matches. The sort is stable. */
function byDemands(a: Entry, b: Entry): number {
  return (
    Number(b.method !== undefined) - Number(a.method !== undefined) ||
    b.headers.length - a.headers.length ||
    b.query.length - a.query.length
  );
}

/** The best entry for the request: one for gRPC, else an exact path, then a pattern, then the longest prefix. */
export function search({ grpc, paths }: Tier, request: RequestView): Entry | undefined {
  return (grpc === undefined ? undefined : searchGrpc(grpc, request)) ?? searchPaths(paths, request);
}

function searchPaths(root: Node, request: RequestView): Entry | undefined {
  const { path } = request;
  let exact: Selection | undefined;
  let prefix: Node | undefined;
  let patterns: Node | undefined;
  let node: Node | undefined = root;
  let position = 0;
  while (node !== undefined && path.startsWith(node.label, position)) {
    position += node.label.length;
    if (node.patterns !== undefined) patterns = node;
    if (position === path.length) {
      if (node.prefix !== undefined) prefix = node;
      exact = node.exact;
      break;
    }
    const code = path.charCodeAt(position);
    if (code === slash && node.prefix !== undefined) prefix = node;
    node = childAt(node, code);
  }
  return (
    (exact === undefined ? undefined : firstOf(exact, request)) ??
    (patterns === undefined ? undefined : bestPattern(patterns, request)) ??
    (prefix === undefined ? undefined : longestPrefix(prefix, request))
  );
}

function firstOf(selection: Selection, request: RequestView): Entry | undefined {
  return selection.order[bestRank(selection, request, selection.order.length)];
}

function bestPattern(deepest: Node, request: RequestView): Entry | undefined {
  const { order } = deepest.patterns!;
  let best = order.length;
  for (let node: Node | undefined = deepest; node !== undefined; node = node.shorterPatterns) best = bestRank(node.patterns!, request, best);
  return order[best];
}

function longestPrefix(deepest: Node, request: RequestView): Entry | undefined {
  for (let node: Node | undefined = deepest; node !== undefined; node = node.shorterPrefix) {
    const found = firstOf(node.prefix!, request);
    if (found !== undefined) return found;
  }
  return undefined;
}
