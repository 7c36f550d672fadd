import type { HTTPRouteRuleFilter, HTTPRouteRuleFilterRequestHeaderModifier, HTTPRouteRuleFilterRequestMirror, HTTPRouteRuleFilterRequestRedirectPath } from '#crds';
import { protectedHeaders, type Filter, type HeaderFilter, type HeaderValue, type PathModifier } from '#snapshot';
import { resolveBackend, type ReferenceContext } from '../graph/backends.ts';
import type { Fault } from '../problems.ts';

export interface RenderedFilters {
  readonly filters: readonly Filter[];
  /** Reasons why the rule can't be carried out. */
  readonly faults: readonly Fault[];
  /** References that did not resolve: mirrors. The rule works without them. */
  readonly unresolved: readonly Fault[];
}

type Rendered = { readonly filter?: Filter; readonly fault?: Fault; readonly unresolved?: Fault };

export function renderFilters(filters: readonly HTTPRouteRuleFilter[], path: Fault['path'], context: ReferenceContext): RenderedFilters {
  const rendered = filters.map((filter, index) => renderFilter(filter, [...path, index], context));
  return {
    filters: rendered.flatMap(({ filter }) => (filter === undefined ? [] : [filter])),
    faults: [...rendered.flatMap(({ fault }) => (fault === undefined ? [] : [fault])), ...combinationFaults(filters, path)],
    unresolved: rendered.flatMap(({ unresolved }) => (unresolved === undefined ? [] : [unresolved])),
  };
}

function renderFilter(filter: HTTPRouteRuleFilter, path: Fault['path'], context: ReferenceContext): Rendered {
  switch (filter.type) {
    case 'RequestHeaderModifier':
      return renderHeaders(filter.type, filter.requestHeaderModifier, [...path, 'requestHeaderModifier']);
    case 'ResponseHeaderModifier':
      return renderHeaders(filter.type, filter.responseHeaderModifier, [...path, 'responseHeaderModifier']);
    case 'RequestMirror':
      return filter.requestMirror === undefined ? {} : renderMirror(filter.requestMirror, [...path, 'requestMirror', 'backendRef'], context);
    case 'RequestRedirect':
      return renderRedirect(filter);
    case 'URLRewrite':
      return renderRewrite(filter);
    case 'CORS':
      return renderCors(filter);
    default:
      return { fault: unsupported(path, `filter type ${String(filter.type)} is not supported yet`) };
  }
}

function renderRedirect({ requestRedirect: redirect }: HTTPRouteRuleFilter): Rendered {
  if (redirect === undefined) return {};
  const { scheme, hostname, port, path, statusCode } = redirect;
  return {
    filter: {
      type: 'RequestRedirect',
      statusCode,
      ...(scheme === undefined ? {} : { scheme }),
      ...(hostname === undefined ? {} : { hostname }),
      ...(port === undefined ? {} : { port }),
      ...pathModifier(path),
    },
  };
}

function renderRewrite({ urlRewrite: rewrite }: HTTPRouteRuleFilter): Rendered {
  if (rewrite === undefined) return {};
  return { filter: { type: 'URLRewrite', ...(rewrite.hostname === undefined ? {} : { hostname: rewrite.hostname }), ...pathModifier(rewrite.path) } };
}

function renderMirror(mirror: HTTPRouteRuleFilterRequestMirror, path: Fault['path'], context: ReferenceContext): Rendered {
  const { target, fault } = resolveBackend(mirror.backendRef, path, context);
  // A mirror without a valid backend is left out: nobody waits for its answer (HTTPRequestMirrorFilter.backendRef).
  if (fault !== undefined) return { unresolved: fault };
  const share = mirror.fraction ?? { numerator: mirror.percent ?? 100, denominator: 100 };
  return { filter: { type: 'RequestMirror', backend: target, numerator: share.numerator, denominator: share.denominator } };
}

function renderCors({ cors }: HTTPRouteRuleFilter): Rendered {
  if (cors === undefined) return {};
  return {
    filter: {
      type: 'CORS',
      allowOrigins: cors.allowOrigins ?? [],
      allowCredentials: cors.allowCredentials ?? false,
      allowMethods: cors.allowMethods ?? [],
      allowHeaders: cors.allowHeaders ?? [],
      exposeHeaders: cors.exposeHeaders ?? [],
      maxAge: cors.maxAge,
    },
  };
}

function pathModifier(path: HTTPRouteRuleFilterRequestRedirectPath | undefined): { readonly path?: PathModifier } {
  if (path === undefined) return {};
  if (path.type === 'ReplaceFullPath') return { path: { type: path.type, value: path.replaceFullPath ?? '/' } };
  return { path: { type: path.type, value: path.replacePrefixMatch ?? '/' } };
}

function renderHeaders(type: HeaderFilter['type'], changes: HTTPRouteRuleFilterRequestHeaderModifier | undefined, path: Fault['path']): Rendered {
  const filter = { type, ...headerChanges(changes) };
  const own = [...filter.set, ...filter.add].find(({ name }) => protectedHeaders.has(name.toLowerCase()))?.name ?? filter.remove.find((name) => neverRemoved(type, name));
  if (own !== undefined) return { filter, fault: unsupported(path, `header ${own} can not be modified: the proxy writes it itself`) };
  return { filter };
}

/** Other fields of a single connection never get past a proxy in any case (RFC 9110, 7.6.1): to remove them asks for nothing. */
function neverRemoved(type: HeaderFilter['type'], name: string): boolean {
  return name === 'content-length' || name === 'transfer-encoding' || name === 'upgrade' || (type === 'RequestHeaderModifier' && name === 'host');
}

function headerChanges(changes: HTTPRouteRuleFilterRequestHeaderModifier | undefined): {
  readonly set: readonly HeaderValue[];
  readonly add: readonly HeaderValue[];
  readonly remove: readonly string[];
} {
  return {
    set: firstOfEach(changes?.set ?? []),
    add: firstOfEach(changes?.add ?? []),
    remove: [...new Set((changes?.remove ?? []).map((name) => name.toLowerCase()))],
  };
}

/** Of entries whose names differ only in case the first counts (HTTPHeader.name). */
function firstOfEach(headers: readonly HeaderValue[]): readonly HeaderValue[] {
  const byName = new Map<string, HeaderValue>();
  for (const { name, value } of headers) if (!byName.has(name.toLowerCase())) byName.set(name.toLowerCase(), { name, value });
  return [...byName.values()];
}

/** Combinations that HTTPRouteRule.filters forbids; the CRD's own rules catch them first where they are enforced. */
function combinationFaults(filters: readonly HTTPRouteRuleFilter[], path: Fault['path']): readonly Fault[] {
  const count = (type: HTTPRouteRuleFilter['type']): number => filters.filter((filter) => filter.type === type).length;
  const faults: Fault[] = [];
  if (count('RequestRedirect') > 0 && count('URLRewrite') > 0) {
    faults.push({ reason: 'IncompatibleFilters', path, message: 'RequestRedirect and URLRewrite can not be used together' });
  }
  for (const type of ['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestRedirect', 'URLRewrite', 'CORS'] as const) {
    if (count(type) > 1) faults.push({ reason: 'IncompatibleFilters', path, message: `filter ${type} is there more than once` });
  }
  return faults;
}

function unsupported(path: Fault['path'], message: string): Fault {
  return { reason: 'UnsupportedValue', path, message };
}
