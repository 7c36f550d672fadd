import type { BackendTarget, CorsFilter, Filter, HeaderValue, Match, ObjectRef, Route, RouteTable, Rule, WeightedBackend } from '#snapshot';

/**
 * A request as the matcher sees it. Lazy: a field costs something only when a rule names it, so the proxy can keep
 * headers as bytes.
 */
export interface RequestView {
  /** As sent; methods are case-sensitive (RFC 9110, 9.1). */
  readonly method: string;
  /** Lower case, no port, no trailing dot (`normalizeHost`). */
  readonly host: string;
  /** Normalised path, without the query; starts with `/` (`normalizePath`). */
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
  /** The hostname as written, by which it competes; empty for any host. */
  readonly hostname: string;
  readonly plan: RulePlan;
}

/** Why a candidate did not get the request. */
export interface Rejection {
  readonly route: ObjectRef;
  readonly rule: number;
  readonly match: number;
  readonly reason: string;
}

/** What the rules of a table look at beyond host and path, so that a proxy need not keep the rest at hand. */
export interface RequestNeeds {
  /** Lower-case names of the request headers that some rule or CORS filter reads. */
  readonly headers: readonly string[];
  readonly query: boolean;
}

/** A rule's filters, ready to run. */
export interface RulePlan {
  /** The rule's own filters: in force where no backend is chosen (redirect, preflight). */
  readonly rule: FilterPlan;
  /** The rule's and the backend's filters together, by `WeightedBackend.index` (see `filtersFor`). */
  readonly backends: readonly FilterPlan[];
}

/** Every part is undefined (or empty) where no filter asks for it, and then costs nothing. */
export interface FilterPlan {
  readonly cors: CorsPlan | undefined;
  /** Answers in place of a backend. */
  readonly redirect: RedirectPlan | undefined;
  readonly request: HeaderEdits | undefined;
  readonly response: HeaderEdits | undefined;
  /** The forwarded path and query, as they go into the request line. */
  readonly target: TargetRewrite | undefined;
  /** The forwarded Host. */
  readonly host: string | undefined;
  readonly mirrors: readonly MirrorPlan[];
}

/** Takes the normalised path and the query as sent; returns the whole request target. */
export type TargetRewrite = (path: string, query: string | undefined) => string;

/** Edits to a head's field lines: first leave out, then append. */
export interface HeaderEdits {
  /** Names whose lines are left out, lower case. */
  readonly drop: ReadonlySet<string>;
  /** Lines that follow what is left. */
  readonly append: readonly HeaderValue[];
  /** The same lines as they go on the wire (`name: value`, CRLF), one character per byte. */
  readonly lines: string;
  /** Whether the field name in `bytes[start, end)`, in any case, is to be left out. */
  drops(bytes: Uint8Array, start: number, end: number): boolean;
}

export type RedirectPlan = (target: RedirectTarget) => Redirect;

/** Where a request that is to be redirected came in. */
export interface RedirectTarget {
  /** Scheme of the listener. */
  readonly scheme: 'http' | 'https';
  /** The request's host without its port; an IPv6 address keeps its brackets. */
  readonly host: string;
  /** Port of the listener. */
  readonly port: number;
  readonly path: string;
  readonly query: string | undefined;
}

export interface Redirect {
  readonly status: number;
  readonly location: string;
}

export interface MirrorPlan {
  readonly target: BackendTarget;
  /** What the filters before this one made of the request. */
  readonly request: HeaderEdits | undefined;
  readonly rewrite: TargetRewrite | undefined;
  readonly host: string | undefined;
  /** Whether this request is among those that are mirrored; draws only where the fraction is neither 0 nor 1. */
  sampled(random: () => number): boolean;
}

export interface CorsPlan {
  readonly filter: CorsFilter;
  /**
   * The answer to a CORS preflight, undefined where the request is none (OPTIONS with `Origin` and
   * `Access-Control-Request-Method`).
   */
  preflight(request: Pick<RequestView, 'method' | 'header'>): PreflightAnswer | undefined;
  /**
   * Edits to the response of an actual request; a backend's own CORS headers always go. `names` gives the response's header
   * names where all of them are to be exposed to a request with credentials, which `*` can't express.
   */
  respond(origin: string | undefined, names?: () => Iterable<string>): HeaderEdits;
}

export interface PreflightAnswer {
  /** 204, or 403 where the origin is not allowed. */
  readonly status: 204 | 403;
  readonly headers: readonly HeaderValue[];
}

export type { BackendTarget, Filter, HeaderValue, Match, ObjectRef, Route, RouteTable, Rule, WeightedBackend };
