import { redirectPort, wellKnownPorts, type Match, type RedirectFilter } from '#snapshot';
import type { RedirectPlan, RedirectTarget, TargetRewrite } from '../types.ts';
import { joined, targetRewrite } from './target.ts';

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

/** The port that a scheme implies is left out. */
function portSuffix(filter: RedirectFilter, target: RedirectTarget, scheme: string): string {
  const port = redirectPort(filter, target.port);
  return port === wellKnownPorts[scheme] ? '' : `:${port}`;
}
