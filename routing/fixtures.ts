import type { Filter, Match, RequestView, Route, RouteTable, Rule, WeightedBackend } from './types.ts';

/** Short ways to write tables and requests in tests. */

export function tableOf(...routes: readonly Route[]): RouteTable {
  return { kind: 'RouteTable', name: 'listener/infra/gw/http', routes, policies: [] };
}

export interface RouteSketch {
  readonly name?: string;
  readonly namespace?: string;
  readonly createdAt?: number;
  readonly hostnames?: readonly string[];
  readonly rules: readonly RuleSketch[];
}

export interface RuleSketch {
  readonly matches?: readonly MatchSketch[];
  readonly filters?: readonly Filter[];
  readonly backends?: readonly WeightedBackend[];
}

export interface MatchSketch {
  readonly exact?: string;
  readonly prefix?: string;
  readonly pattern?: string;
  readonly method?: string;
  /** A value is a text, or a regular expression as `{ pattern }`. */
  readonly headers?: Readonly<Record<string, string | { readonly pattern: string }>>;
  readonly query?: Readonly<Record<string, string | { readonly pattern: string }>>;
}

export function route(sketch: RouteSketch): Route {
  return {
    ref: { kind: 'HTTPRoute', namespace: sketch.namespace ?? 'shop', name: sketch.name ?? 'route' },
    createdAt: sketch.createdAt ?? 0,
    hostnames: (sketch.hostnames ?? []).map((hostname) => ({ match: hostname, written: hostname })),
    rules: sketch.rules.map(rule),
  };
}

export function rule(sketch: RuleSketch, index = 0): Rule {
  return { index, matches: (sketch.matches ?? [{}]).map(match), filters: sketch.filters ?? [], backends: sketch.backends ?? [] };
}

export function match(sketch: MatchSketch, index = 0): Match {
  const { exact, prefix = '/', pattern, method } = sketch;
  const path: Match['path'] =
    exact !== undefined
      ? { type: 'Exact', value: exact }
      : pattern !== undefined
        ? { type: 'RegularExpression', value: pattern }
        : { type: 'PathPrefix', value: prefix };
  return { index, path, ...(method === undefined ? {} : { method }), headers: conditions(sketch.headers), query: conditions(sketch.query) };
}

function conditions(values: MatchSketch['headers'] = {}): Match['headers'] {
  return Object.entries(values).map(([name, value]) =>
    typeof value === 'string' ? { name, type: 'Exact', value } : { name, type: 'RegularExpression', value: value.pattern },
  );
}

export function backend(name: string, weight: number, index = 0, filters: readonly Filter[] = []): WeightedBackend {
  const ref = { kind: 'Service', namespace: 'shop', name };
  return { index, weight, filters, target: { kind: 'backend', ref, port: 80, backend: `shop/${name}:80` } };
}

export interface RequestSketch {
  readonly method?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `target` is a path with an optional query. */
export function get(target: string, sketch: RequestSketch = {}): RequestView {
  const cut = target.indexOf('?');
  return {
    method: sketch.method ?? 'GET',
    host: sketch.host ?? 'shop.example.com',
    path: cut < 0 ? target : target.slice(0, cut),
    query: cut < 0 ? undefined : target.slice(cut + 1),
    header: (name) => sketch.headers?.[name],
  };
}
