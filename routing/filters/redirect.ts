import type { Filter, Match } from '#snapshot';
import type { RedirectPlan, RedirectTarget, TargetRewrite } from '../types.ts';
import { joined, targetRewrite } from './target.ts';

type RedirectFilter = Filter & { readonly type: 'RequestRedirect' };

const wellKnownPorts: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** HTTPRequestRedirectFilter. */
export function planRedirect(filter: RedirectFilter, match: Match): RedirectPlan {
  const rewrite: TargetRewrite = filter.path === undefined ? joined : targetRewrite(filter.path, match);
  return (target) => {
    const path = rewrite(target.path, target.query);
    const host = filter.hostname ?? target.host;
    if (host === '') return { status: filter.statusCode, location: path };
    const scheme = filter.scheme ?? target.scheme;
    return { status: filter.statusCode, location: `${scheme}://${host}${portSuffix(filter, target, scheme)}${path}` };
  };
}

/**
 * HTTPRequestRedirectFilter.port: without a port, a scheme brings its well-known one, and without a scheme it is the
 * listener's. The port that a scheme implies is left out.
 */
function portSuffix(filter: RedirectFilter, target: RedirectTarget, scheme: string): string {
  const wellKnown = wellKnownPorts[scheme];
  const implied = filter.scheme === undefined ? target.port : (wellKnown ?? target.port);
  const port = filter.port ?? implied;
  return port === wellKnown ? '' : `:${port}`;
}
