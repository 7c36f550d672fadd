import { parseDuration, type EffectivePolicy, type RetryCondition, type RetryFields, type TimeoutFields } from '#snapshot';

/** A route's retry rules, ready for use. Milliseconds and bytes. */
export interface RetrySettings {
  /** At least 1. */
  readonly maxRetries: number;
  readonly conditions: ReadonlySet<RetryCondition>;
  /** By status: 1 where a response with it asks for another attempt. 600 long. */
  readonly statuses: Uint8Array;
  /** The same by `grpc-status`. 17 long. */
  readonly grpcStatuses: Uint8Array;
  /** Methods of which an attempt may be repeated that the endpoint may have worked on. */
  readonly methods: ReadonlySet<string>;
  /** Whether `methods` is the default, which does not hold for attempts of which the endpoint got nothing. */
  readonly methodsAre: 'default' | 'written';
  readonly backoffBase: number;
  readonly backoffMax: number;
  readonly respectRetryAfter: boolean;
  readonly maxBufferedBodyBytes: number;
  readonly budget: BudgetSettings;
}

export interface BudgetSettings {
  /** 0..100. */
  readonly percent: number;
  /** Milliseconds. */
  readonly interval: number;
  readonly minPerSecond: number;
}

/** Milliseconds; 0 is no limit. */
export interface TimeoutSettings {
  readonly request: number;
  /** Not above `request`, where that has a limit. */
  readonly backendRequest: number;
  readonly connect: number;
  /** Of a client's connection without a request. */
  readonly idle: number;
  /** Of a pooled connection to an endpoint. */
  readonly upstreamIdle: number;
  readonly streamIdle: number;
  readonly requestHeaders: number;
  readonly maxConnectionDuration: number;
}

/** The idempotent methods (RFC 9110, 9.2.2). */
export const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

export const retryDefaults = {
  maxRetries: 1,
  backoffBase: 25,
  /** Times the base. */
  backoffMaxFactor: 10,
  maxBufferedBodyBytes: 65_536,
  budget: { percent: 20, interval: 10_000, minPerSecond: 10 },
} as const;

export const timeoutDefaults: TimeoutSettings = {
  request: 0,
  backendRequest: 0,
  connect: 5000,
  idle: 60_000,
  upstreamIdle: 30_000,
  streamIdle: 300_000,
  requestHeaders: 10_000,
  maxConnectionDuration: 0,
};

/** Undefined: no retries; nothing retries that no policy or route asked for. */
export function retrySettings(policy: EffectivePolicy | undefined): RetrySettings | undefined {
  const retry = policy?.retry;
  if (policy === undefined || retry === undefined || Object.keys(retry).length === 0) return undefined;
  // A constraint limits retries that someone else asks for, and asks for none itself (XBackendTrafficPolicy, retryConstraint).
  if (Object.keys(retry).every((field) => field === 'budget') && isConstraint(policy)) return undefined;
  const maxRetries = retry.maxRetries ?? retryDefaults.maxRetries;
  if (!(maxRetries > 0)) return undefined;
  const conditions = conditionsOf(policy, retry);
  const backoffBase = duration(retry.backoff?.base) ?? retryDefaults.backoffBase;
  return {
    maxRetries,
    conditions,
    statuses: statusesOf(retry.retryOn?.codes ?? [], conditions),
    grpcStatuses: grpcStatusesOf(conditions),
    methods: retry.methods === undefined ? idempotentMethods : new Set(retry.methods),
    methodsAre: retry.methods === undefined ? 'default' : 'written',
    backoffBase,
    backoffMax: Math.max(backoffBase, duration(retry.backoff?.max) ?? backoffBase * retryDefaults.backoffMaxFactor),
    respectRetryAfter: retry.respectRetryAfter ?? true,
    maxBufferedBodyBytes: retry.maxBufferedBodyBytes ?? retryDefaults.maxBufferedBodyBytes,
    budget: budgetSettings(retry),
  };
}

function budgetSettings({ budget }: RetryFields): BudgetSettings {
  return {
    percent: budget?.percent ?? retryDefaults.budget.percent,
    interval: duration(budget?.interval) || retryDefaults.budget.interval,
    minPerSecond: budget?.minPerSecond ?? retryDefaults.budget.minPerSecond,
  };
}

function isConstraint({ origins }: EffectivePolicy): boolean {
  return Object.entries(origins).some(([field, { stanza }]) => stanza === 'direct' && field.startsWith('retry.budget.'));
}

/**
 * The budget that a path's requests count for: of paths with retries, and of those without to a backend whose retries are constrained, for
 * a constraint is a share of all that the backend gets (GEP-3388).
 */
export function budgetOf(policy: EffectivePolicy | undefined): BudgetSettings | undefined {
  const retry = retrySettings(policy);
  if (retry !== undefined) return retry.budget;
  return policy?.retry !== undefined && isConstraint(policy) ? budgetSettings(policy.retry) : undefined;
}

/** With the default of every timeout that nobody set. */
export function timeoutSettings(policy: EffectivePolicy | undefined): TimeoutSettings {
  const fields: TimeoutFields = policy?.timeouts ?? {};
  const request = duration(fields.request) ?? timeoutDefaults.request;
  const backendRequest = duration(fields.backendRequest) ?? timeoutDefaults.backendRequest;
  const idle = duration(fields.idle);
  return {
    request,
    backendRequest: request > 0 ? Math.min(backendRequest, request) : backendRequest,
    connect: duration(fields.connect) ?? timeoutDefaults.connect,
    idle: idle ?? timeoutDefaults.idle,
    upstreamIdle: idle ?? timeoutDefaults.upstreamIdle,
    streamIdle: duration(fields.streamIdle) ?? timeoutDefaults.streamIdle,
    requestHeaders: duration(fields.requestHeaders) ?? timeoutDefaults.requestHeaders,
    maxConnectionDuration: duration(fields.maxConnectionDuration) ?? timeoutDefaults.maxConnectionDuration,
  };
}

/** The limit of one attempt, be it the only one: the shorter of `backendRequest` and `perTryTimeout`. Milliseconds; 0: none. */
export function attemptTimeout(policy: EffectivePolicy | undefined): number {
  const { backendRequest } = timeoutSettings(policy);
  const perTry = duration(policy?.retry?.perTryTimeout) ?? 0;
  if (perTry === 0) return backendRequest;
  return backendRequest === 0 ? perTry : Math.min(perTry, backendRequest);
}

/**
 * Where no conditions are written: those in which the endpoint did not begin with the request (GEP-1731: "SHOULD retry when …
 * the connection could not be established, or the backend explicitly rejected the request"); 502, 503, 504 too where a policy names
 * no codes; and `timeout` where an attempt has a limit of the retry's own, or the route itself asks for retries, for which GEP-1731
 * says that one reaching `backendRequest` is to be followed by the next.
 */
function conditionsOf(policy: EffectivePolicy, retry: RetryFields): ReadonlySet<RetryCondition> {
  if (retry.retryOn?.conditions !== undefined) return new Set(retry.retryOn.conditions);
  const conditions = new Set<RetryCondition>(['connect-failure', 'refused-stream']);
  const ofRoute = policy.origins['retry.maxRetries']?.stanza === 'route';
  if (retry.retryOn?.codes === undefined && !ofRoute) conditions.add('gateway-error');
  if (ofRoute || retry.perTryTimeout !== undefined) conditions.add('timeout');
  return conditions;
}

const loopDetected = 508;

function statusesOf(codes: readonly number[], conditions: ReadonlySet<RetryCondition>): Uint8Array {
  const statuses = new Uint8Array(600);
  for (const code of codes) statuses[code] = 1;
  if (conditions.has('gateway-error')) statuses.fill(1, 502, 505);
  if (conditions.has('5xx')) {
    // A request that goes round would be multiplied at each of its hops (RFC 5842, 7.2: the operation as a whole failed).
    const asked = statuses[loopDetected]!;
    statuses.fill(1, 500, 600)[loopDetected] = asked;
  }
  return statuses;
}

/** Conditions that are statuses of gRPC. */
const grpcConditions: readonly (readonly [RetryCondition, number])[] = [
  ['cancelled', 1],
  ['deadline-exceeded', 4],
  ['resource-exhausted', 8],
  ['internal', 13],
  ['unavailable', 14],
];

function grpcStatusesOf(conditions: ReadonlySet<RetryCondition>): Uint8Array {
  const statuses = new Uint8Array(17);
  for (const [condition, status] of grpcConditions) if (conditions.has(condition)) statuses[status] = 1;
  return statuses;
}

/** A text that is no duration was refused by the control plane; should one get here, it counts as not written. */
function duration(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text);
}
