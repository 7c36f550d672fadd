import type { FilterPlan, HeaderValue } from '#routing';
import type { RequestSettings } from '../configuration/tables.ts';
import type { Exchange } from './exchange.ts';
import type { Reply } from './replies.ts';

/** Requests that no backend gets to see, for what their path has or their route says. Each of these is true where the request has been answered; the head must be the one last parsed. */

/** Answers where the path has an escape that may not pass: nothing behind us gets to read it in its own way. `allowed`: as `CompiledTable` has it. */
export function escapesRefused(exchange: Exchange, allowed: number, settings: RequestSettings): boolean {
  const { context } = exchange;
  if ((context.requestHead.escapes & ~allowed) === 0) return false;
  exchange.settings = settings;
  exchange.keepAlive = false;
  context.metrics.count('requests_rejected');
  exchange.fail('bad-request', 'path');
  return true;
}

/** Filters answer in the backend's place: a preflight of CORS, a redirect. */
export function answeredBy(exchange: Exchange, filters: FilterPlan): boolean {
  const reply = filterReply(exchange, filters);
  if (reply !== undefined) exchange.answer(reply);
  return reply !== undefined;
}

function filterReply({ binding, context }: Exchange, { cors, redirect, response }: FilterPlan): Reply | undefined {
  const { view, requestHead } = context;
  const preflight = cors?.preflight(view);
  if (preflight !== undefined) return { status: preflight.status, headers: preflight.headers, body: '' };
  if (redirect === undefined) return undefined;
  // In the mesh the frontend is the Service port that was dialled, not the sidecar's own.
  const port = binding.role === 'mesh' ? (requestHead.authority.port ?? 80) : binding.port;
  const { status, location } = redirect({ scheme: binding.scheme, host: view.host, port, path: view.path, query: view.query });
  const headers: HeaderValue[] = [{ name: 'location', value: location }];
  return { status, headers: response === undefined ? headers : [...headers, ...response.append], body: '' };
}
