import type { RetryCondition, RetryFields, TimeoutFields } from '#snapshot';

/**
 * What docs/policy.md, docs/reference/failures.md and docs/routing.md promise of a request's attempts, written from them and not from the proxy. `expected`
 * says of each attempt, from how it ended and what came before, whether another one follows, and what the client gets where none does.
 */

/** How an attempt ended. */
export type End =
  /** A response. `cut`: its body does not become whole. `grpc`: its status, where it is that status alone. */
  | { readonly kind: 'answer'; readonly status: number; readonly cut: boolean; readonly grpc?: number }
  | { readonly kind: 'failure'; readonly code: Failure; readonly sent: boolean };

export type Failure = 'connect-failed' | 'connect-timeout' | 'refused-stream' | 'upstream-reset' | 'bad-response' | 'per-try-timeout';

/** docs/reference/failures.md: the status of each, and the conditions that it meets. */
const failureTable: Readonly<Record<Failure, readonly [status: number, ...RetryCondition[]]>> = {
  'connect-failed': [503, 'connect-failure', '5xx'],
  'connect-timeout': [504, 'connect-failure', '5xx'],
  'refused-stream': [503, 'refused-stream', '5xx'],
  'upstream-reset': [502, 'reset', '5xx'],
  'bad-response': [502, 'reset', '5xx'],
  'per-try-timeout': [504, 'timeout', 'gateway-error', '5xx'],
};

const grpcNames: Readonly<Record<number, RetryCondition>> = { 1: 'cancelled', 4: 'deadline-exceeded', 8: 'resource-exhausted', 13: 'internal', 14: 'unavailable' };
const idempotent: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'];
/** docs/routing.md: of a body, where nothing is retried, so much is kept for a connection that the endpoint closes under its request. */
const keptAnyway = 16_384;

export interface Policy {
  readonly retry: RetryFields | undefined;
  readonly timeouts: TimeoutFields;
  /** Whose `maxRetries` it is. */
  readonly stanza: 'route' | 'default';
}

/** A request and what is known of it as an attempt ends. */
export interface Asked {
  readonly method: string;
  readonly bodyBytes: number;
  readonly isGrpc: boolean;
}

export interface Moment {
  /** Retries of this request so far. */
  readonly retries: number;
  /** It was sent again already for an idle connection that had ended. */
  readonly wasStale: boolean;
  /** The connection had carried another request before, and ended without a word. */
  readonly reused: boolean;
  /** The endpoint said that its connection ends, and that it has not begun with this request (GOAWAY). */
  readonly announced: boolean;
  /** Retries that the budget has left. */
  readonly budget: number;
  /** The endpoint had all of the request. */
  readonly whole: boolean;
}

/** What must come next. `free`: another attempt, which no policy counts. */
export type Next = 'retry' | 'free' | 'over-budget' | 'result';

/** All that may come next. */
export function expected(policy: Policy, asked: Asked, end: End, moment: Moment): readonly Next[] {
  const kept = keeps(policy, asked, moment);
  const isStale = moment.announced || (end.kind === 'failure' && end.code === 'upstream-reset' && moment.reused && idempotent.includes(asked.method));
  if (isStale && !moment.wasStale && kept !== 'no') return kept === 'yes' ? ['free'] : ['free', 'result'];
  if (moment.retries >= maxRetriesOf(policy) || !isAskedFor(policy, end) || !suits(policy, asked, end) || kept === 'no') return ['result'];
  const next: Next = moment.budget < 1 ? 'over-budget' : 'retry';
  return kept === 'yes' ? [next] : [next, 'result'];
}

function maxRetriesOf({ retry }: Policy): number {
  return retry === undefined || Object.keys(retry).length === 0 ? 0 : (retry.maxRetries ?? 1);
}

/** "The body, as far as it was sent, is still in the buffer"; of one that is longer, it depends on how far that was. */
function keeps(policy: Policy, { bodyBytes }: Asked, { whole }: Moment): 'yes' | 'no' | 'perhaps' {
  const limit = maxRetriesOf(policy) === 0 ? keptAnyway : (policy.retry?.maxBufferedBodyBytes ?? 65_536);
  if (bodyBytes <= limit) return 'yes';
  return whole ? 'no' : 'perhaps';
}

function isAskedFor(policy: Policy, end: End): boolean {
  const conditions = conditionsOf(policy);
  const codes = policy.retry?.retryOn?.codes ?? [];
  if (end.kind === 'failure') return failureTable[end.code].some((condition) => conditions.includes(condition as RetryCondition)) || (end.code === 'per-try-timeout' && codes.includes(504));
  const { status, grpc } = end;
  if (isGrpcReason(policy, end)) return true;
  if (codes.includes(status) || (conditions.includes('gateway-error') && status >= 502 && status <= 504)) return true;
  return conditions.includes('5xx') && status >= 500 && status <= 599 && status !== 508 && grpc === undefined;
}

function isGrpcReason(policy: Policy, end: End): boolean {
  return end.kind === 'answer' && end.grpc !== undefined && conditionsOf(policy).includes(grpcNames[end.grpc]!);
}

function suits(policy: Policy, { method }: Asked, end: End): boolean {
  const written = policy.retry?.methods;
  if (written !== undefined) return (written as readonly string[]).includes(method);
  const cannotHaveBegun = end.kind === 'failure' && (['connect-failed', 'connect-timeout', 'refused-stream'].includes(end.code) || !end.sent);
  return cannotHaveBegun || isGrpcReason(policy, end) || idempotent.includes(method);
}

function conditionsOf({ retry, stanza }: Policy): readonly RetryCondition[] {
  if (retry?.retryOn?.conditions !== undefined) return retry.retryOn.conditions;
  const ofRoute = stanza === 'route' && retry?.maxRetries !== undefined;
  return [
    'connect-failure',
    'refused-stream',
    ...(retry?.retryOn?.codes === undefined && !ofRoute ? (['gateway-error'] as const) : []),
    ...(retry?.perTryTimeout !== undefined || ofRoute ? (['timeout'] as const) : []),
  ];
}

/** What the client of an attempt that nothing follows must see. */
export interface Result {
  readonly status: number;
  readonly code?: string;
  readonly cut: boolean;
}

export function resultOf(end: End): Result {
  return end.kind === 'answer' ? { status: end.status, cut: end.cut } : { status: failureTable[end.code][0], code: end.code, cut: false };
}

/** How many retries a budget of no percent has for all of a case. */
export function allowance({ retry }: Policy): number {
  const budget = retry?.budget;
  return budget === undefined ? Infinity : (budget.minPerSecond ?? 10) * 10;
}

/** How long an attempt may take; Infinity for any time. Milliseconds. */
export function attemptLimit({ retry, timeouts }: Policy): number {
  return Math.min(...[retry?.perTryTimeout, timeouts.backendRequest].map(milliseconds));
}

export function milliseconds(text: string | undefined): number {
  return text === undefined || text === '0s' ? Infinity : Number(/^(\d+)ms$/.exec(text)![1]);
}
