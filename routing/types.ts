import type { Filter, Match, ObjectRef, Route, Rule, WeightedBackend } from '#snapshot';

/**
 * A request as the matcher sees it. Lazy: a field costs something only when a rule names it, so the proxy can keep
 * headers as bytes.
 */
export interface RequestView {
  /** As sent; methods are case-sensitive (RFC 9110, 9.1). */
  readonly method: string;
  /** Lower case, no port, no trailing dot. */
  readonly host: string;
  /** Normalised path, without the query; starts with `/`. */
  readonly path: string;
  /** What follows `?`, undefined where there is none. */
  readonly query: string | undefined;
  /** The field's value, several lines joined by `, ` (RFC 9110, 5.3). Takes a lower-case name. */
  header(name: string): string | undefined;
}

/** What a route table says about a request. Which backend gets it is chosen afterwards (`pickBackend`), by chance. */
export type Decision = { readonly kind: 'rule'; readonly candidate: Candidate } | { readonly kind: 'no-route' };

/** One match of one rule of one route, on one hostname: what competes for a request. */
export interface Candidate {
  readonly route: Route;
  readonly rule: Rule;
  readonly match: Match;
}

/** Why a candidate did not get the request. */
export interface Rejection {
  readonly route: ObjectRef;
  readonly rule: number;
  readonly match: number;
  readonly reason: string;
}

export type { Filter, Match, ObjectRef, Route, Rule, WeightedBackend };
