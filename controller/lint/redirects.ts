import type { Filter, Match, Pace, PathModifier, Steps } from '#snapshot';
import { endsTls } from '../graph/listeners/listeners.ts';
import type { AttachedSection, Attachment } from '../graph/routes/attachments.ts';
import { problem } from '../problems.ts';
import type { Problem } from '../types.ts';

type Redirect = Filter & { readonly type: 'RequestRedirect' };

const wellKnownPorts: Readonly<Record<string, number>> = { http: 80, https: 443 };

/**
 * Redirects to the very URL that was asked for, which a client follows until it gives up: seldom a rule for all listeners, often one to HTTPS that
 * is attached to the listener for HTTPS as well. What a proxy in front of the Gateway makes of scheme and port is not known here.
 */
export function* circularRedirects(attachments: readonly Attachment[], pace: Pace): Steps<readonly Problem[]> {
  const problems: Problem[] = [];
  for (const { route, built, to } of attachments) {
    if (pace.spend()) yield;
    if (to?.kind !== 'gateway') continue;
    for (const { rule } of built.rules) {
      const at = rule.filters.findIndex(({ type }) => type === 'RequestRedirect');
      if (at < 0) continue;
      if (pace.spend(to.sections.length)) yield;
      const redirect = rule.filters[at] as Redirect;
      const section = to.sections.find((each) => rule.matches.some((match) => leadsBack(redirect, each, match)));
      if (section === undefined) continue;
      const message = `on listener ${section.listener.listener.name} this leads to the URL that was asked for, again and again; name another listener in parentRefs (sectionName), or another scheme, hostname, port or path here`;
      problems.push(problem('warning', route, { reason: 'CircularRedirect', path: ['spec', 'rules', rule.index, 'filters', at, 'requestRedirect'], message }));
    }
  }
  return problems;
}

/** HTTPRequestRedirectFilter: what it does not say stays, but for the port where it says a scheme. */
function leadsBack({ scheme, hostname, port, path }: Redirect, { listener: { listener }, hostnames }: AttachedSection, match: Match): boolean {
  const served = endsTls(listener) ? 'https' : 'http';
  const implied = scheme === undefined ? listener.port : wellKnownPorts[scheme];
  return (
    (scheme ?? served) === served &&
    (port ?? implied) === listener.port &&
    (hostname === undefined || (hostnames.length > 0 && hostnames.every((each) => each.match === hostname))) &&
    (path === undefined || isSame(path, match))
  );
}

function isSame({ type, value }: PathModifier, { path }: Match): boolean {
  if (type === 'ReplaceFullPath') return path.type === 'Exact' && path.value === value;
  return path.type === 'PathPrefix' && path.value.replace(/\/$/, '') === value.replace(/\/$/, '');
}
