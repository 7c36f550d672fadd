import { pathEscapes, type Pace, type PathEscape, type Steps } from '#snapshot';
import type { Graph } from '../graph/graph.ts';
import { findRoute } from '../graph/routes/route.ts';
import { memoByMap } from '../memo.ts';
import { problem } from '../problems.ts';
import { allowedEscapes, escapesAnnotation } from '../render/escapes.ts';
import { meshRoute } from '../render/mesh.ts';
import type { TableRoute } from '../render/way.ts';
import type { Problem } from '../types.ts';

/** Matches that no request can reach, because their path has an escape that is refused wherever the route is attached. */
export function* refusedPaths(graph: Graph, pace: Pace): Steps<readonly Problem[]> {
  const found = new Map<string, Finding>();
  for (const { routes, way } of graph.tables) yield* inspect(routes, way.escapes, found, pace);
  for (const { producer, consumer } of graph.mesh.routes.values()) {
    for (const attachment of [producer, ...consumer.values()].flat()) {
      if (attachment.to?.kind === 'service') yield* inspect([meshRoute(attachment)], allowedEscapes(attachment.to.service), found, pace);
    }
  }
  return [...found.values()].flatMap(({ route, rule, match, refused }): Problem[] => {
    const object = refused.length === 0 ? undefined : findRoute(graph.cluster.state, route.ref.kind, `${route.ref.namespace}/${route.ref.name}`);
    const message = `no request gets here: ${refused.join(', ')} in paths is refused, unless ${escapesAnnotation} names it on the Gateway, ListenerSet, Service or ServiceImport`;
    return object === undefined ? [] : [problem('warning', object, { reason: 'RefusedPath', path: ['spec', 'rules', rule, 'matches', match, 'path', 'value'], message })];
  });
}

interface Escaped {
  readonly rule: number;
  readonly match: number;
  readonly escapes: readonly PathEscape[];
}

interface Finding extends Omit<Escaped, 'escapes'> {
  readonly route: TableRoute;
  /** Where the fewest are; none: somewhere it is let pass. */
  readonly refused: readonly PathEscape[];
}

function* inspect(routes: readonly TableRoute[], allowed: readonly PathEscape[] = [], found: Map<string, Finding>, pace: Pace): Steps<void> {
  for (const route of routes) {
    if (pace.spend()) yield;
    for (const { rule, match, escapes } of escapedMatches(route.rules)) {
      const key = `${route.ref.kind} ${route.ref.namespace}/${route.ref.name} ${rule} ${match}`;
      const refused = escapes.filter((escape) => !allowed.includes(escape));
      if (refused.length < (found.get(key)?.refused.length ?? Infinity)) found.set(key, { route, rule, match, refused });
    }
  }
}

/** What a regular expression wants of a path can't be told. */
const escapedMatches = memoByMap((rules: TableRoute['rules']): readonly Escaped[] =>
  rules.flatMap(({ rule }) =>
    rule.matches.flatMap(({ index, path }): Escaped[] => {
      if (path.type === 'RegularExpression' || !path.value.includes('%')) return [];
      const value = path.value.toUpperCase();
      const escapes = pathEscapes.filter((escape) => value.includes(escape));
      return escapes.length === 0 ? [] : [{ rule: rule.index, match: index, escapes }];
    }),
  ),
);
