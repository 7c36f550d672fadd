import type { Got } from './client.ts';
import { behaviours, scripted, type Arrival, type Speaks } from './endpoint.ts';
import { attemptLimit, expected, milliseconds, resultOf, type Asked, type End, type Next, type Policy } from './model.ts';

/** Whether what was seen of a request is what the model allows: the attempts one after the other, then what the client got. */

export type Kind = 'serves' | 'closed' | 'mute';

/** Of the access log. */
export interface Line {
  readonly path: string;
  readonly attempts?: number;
  readonly endpoint?: string;
  readonly failedAttempts?: readonly { readonly endpoint: string; readonly why: string | number; readonly durationMs: number }[];
  readonly failure?: string;
  readonly durationMs: number;
}

export interface Seen {
  readonly policy: Policy;
  readonly speaks: Speaks;
  readonly kinds: readonly Kind[];
  /** `address:port` of each endpoint. */
  readonly places: readonly string[];
  readonly asked: Asked & { readonly path: string; readonly body: string; readonly trailers: string };
  readonly line: Line;
  /** In the order in which they came. */
  readonly arrivals: readonly Arrival[];
  readonly got: Got;
  /** Where the client's session leads, as far as that is known. */
  readonly pinned: number | undefined;
}

interface Try {
  readonly endpoint: number;
  /** Undefined: it did not fail. */
  readonly why: string | number | undefined;
  readonly durationMs: number;
  readonly arrival: Arrival | undefined;
  readonly behaviour: (typeof behaviours)[string] | undefined;
}

export interface Verdict {
  readonly faults: readonly string[];
  /** Attempts that the budget paid for. */
  readonly retries: number;
  readonly tries: readonly Try[];
}

/** Timers may fire a little early by another clock. */
const isOver = (durationMs: number, limit: number): boolean => durationMs >= limit - 5;

/** `budget`: retries that it has left. */
export function judge(seen: Seen, budget: number): Verdict {
  const tries = triesOf(seen);
  const faults = [...faultsOfRequests(seen, tries)];
  const limit = milliseconds(seen.policy.timeouts.request);
  if (seen.got.continues > 1) faults.push('told twice to go on');
  let retries = 0;
  let wasStale = false;
  const tried: number[] = [];
  if (seen.pinned !== undefined && tries[0]?.endpoint !== seen.pinned) faults.push(`the session leads to ${seen.pinned}, not ${tries[0]?.endpoint}`);
  for (const [index, one] of tries.entries()) {
    const isLast = index === tries.length - 1;
    const others = seen.kinds.some((_, endpoint) => !tried.includes(endpoint));
    if (tried.includes(one.endpoint) && others) faults.push(`attempt ${index} at ${one.endpoint} again`);
    if (isLast && seen.line.failure === 'request-timeout') {
      if (!isOver(seen.line.durationMs, limit)) faults.push(`request-timeout after ${seen.line.durationMs}`);
      if (seen.got.end !== 'cut' && !isOwn(seen, 'request-timeout')) faults.push('not told of the request-timeout');
      break;
    }
    const next = nextsOf(seen, one, { retries, wasStale, budget: budget - retries });
    if (isLast) {
      if (!next.includes('result') && !next.includes('over-budget')) faults.push(`nothing follows attempt ${index}, but ${next.join()}`);
      else if (!(next.includes('over-budget') && isOwn(seen, 'retry-budget-exhausted')) && !(next.includes('result') && isResult(seen, one))) faults.push(`${next.join()} of attempt ${index}`);
      break;
    }
    if (next.includes('free')) wasStale = true;
    else if (next.includes('retry')) {
      retries++;
      tried.push(one.endpoint);
    } else {
      faults.push(`attempt ${index} is followed by another`);
      break;
    }
  }
  return { faults: faults.map((fault) => `${fault}: ${describe(seen, tries)}`), retries, tries };
}

function triesOf({ line, places, arrivals, asked: { path } }: Seen): readonly Try[] {
  const { attempts = 1, failedAttempts = [], endpoint = '', durationMs } = line;
  const all: readonly { readonly endpoint: string; readonly why?: string | number; readonly durationMs: number }[] = attempts > failedAttempts.length ? [...failedAttempts, { endpoint, durationMs }] : failedAttempts;
  const visits = places.map(() => 0);
  return all.map((each) => {
    const index = places.indexOf(each.endpoint);
    const visit = visits[index]!++;
    const arrival = arrivals.filter((one) => one.endpoint === index)[visit];
    return { endpoint: index, why: each.why, durationMs: each.durationMs, arrival, behaviour: arrival === undefined ? undefined : behaviours[scripted(path, index, visit)] };
  });
}

/** Each attempt's request is the client's. */
function faultsOfRequests({ arrivals, asked, kinds }: Seen, tries: readonly Try[]): readonly string[] {
  const faults: string[] = [];
  const head = arrivals[0]?.head.join('\n');
  for (const each of arrivals) {
    if (each.head.join('\n') !== head) faults.push(`heads differ: ${head} and ${each.head.join('\n')}`);
    if (each.whole ? each.body !== asked.body : !asked.body.startsWith(each.body)) faults.push(`a body of ${each.body.length} bytes`);
    if (each.whole && each.trailers !== asked.trailers) faults.push(`trailers ${each.trailers}`);
  }
  const served = tries.filter(({ endpoint }) => kinds[endpoint] === 'serves');
  if (arrivals.length > served.length) faults.push(`${arrivals.length} requests for ${served.length} attempts`);
  if (served.some(({ arrival, why }) => arrival === undefined && why !== 'per-try-timeout' && why !== undefined)) faults.push('an attempt that never came');
  return faults;
}

function nextsOf(seen: Seen, one: Try, moment: { readonly retries: number; readonly wasStale: boolean; readonly budget: number }): readonly Next[] {
  const { policy, asked, speaks } = seen;
  const whole = one.arrival?.whole === true && one.behaviour?.atHead !== true;
  const isLate = one.why === 'per-try-timeout' && isOver(one.durationMs, attemptLimit(policy));
  const wasUsed = (one.arrival?.before ?? 0) > 0;
  const saysNothing = speaks === 'http1' ? one.behaviour?.interim !== true : one.behaviour === behaviours['leave'];
  const next = (end: End, reused: boolean): readonly Next[] => expected(policy, asked, end, { ...moment, whole, reused, announced: wasUsed && one.behaviour === behaviours['goaway'] });
  if (isLate && one.behaviour?.end.kind === 'answer' && seen.got.end === 'cut') return ['result'];
  if (isLate && seen.kinds[one.endpoint] === 'serves') {
    const late = (sent: boolean): readonly Next[] => next({ kind: 'failure', code: 'per-try-timeout', sent }, false);
    return one.arrival === undefined ? [...late(true), ...late(false)] : late(true);
  }
  return next(endOf(seen, one), wasUsed && saysNothing);
}

function endOf({ kinds, policy }: Seen, { endpoint, behaviour }: Try): End {
  const connect = milliseconds(policy.timeouts.connect);
  if (kinds[endpoint] === 'closed') return { kind: 'failure', code: 'connect-failed', sent: false };
  if (kinds[endpoint] === 'mute') return { kind: 'failure', code: connect < attemptLimit(policy) ? 'connect-timeout' : 'per-try-timeout', sent: false };
  return behaviour?.end ?? { kind: 'failure', code: 'upstream-reset', sent: true };
}

/** The proxy's own word. */
function isOwn({ got, asked }: Seen, code: string, status = statusOfOwn(code)): boolean {
  return got.end === 'whole' && got.fields['x-weft-error'] === code && got.status === (asked.isGrpc ? 200 : status) && got.fields['x-from'] === undefined && (!asked.isGrpc || (got.fields['grpc-status'] ?? '0') !== '0');
}

function statusOfOwn(code: string): number {
  return code === 'request-timeout' ? 504 : 503;
}

function isResult(seen: Seen, one: Try): boolean {
  const { got, asked } = seen;
  const isLate = one.why === 'per-try-timeout' && isOver(one.durationMs, attemptLimit(seen.policy));
  if (isLate && one.behaviour?.end.kind !== 'answer') return isOwn(seen, 'per-try-timeout', 504);
  if (isLate && isOwn(seen, 'per-try-timeout', 504)) return true;
  const { status, code, cut } = resultOf(endOf(seen, one));
  if (code !== undefined) return isOwn(seen, code, status);
  if (cut || isLate) return got.end === 'cut' && [0, status].includes(got.status);
  const name = `${one.arrival!.id}@${one.endpoint}`;
  return got.end === 'whole' && got.status === status && got.fields['x-from'] === name && (asked.isGrpc || got.body === name) && got.fields['x-weft-error'] === undefined;
}

function describe({ got, asked, line, policy, speaks, kinds }: Seen, tries: readonly Try[]): string {
  const made = tries.map(({ endpoint, why, durationMs, arrival }) => `${endpoint} ${why ?? 'answered'} ${durationMs}${arrival === undefined ? ' never came' : arrival.before > 0 ? ' reused' : ''}`);
  return JSON.stringify({ asked: { ...asked, body: asked.body.length }, policy, speaks, kinds, made, failure: line.failure, got: { ...got, body: got.body.slice(0, 40) } });
}
