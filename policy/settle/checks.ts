import { formatDuration, parseDuration } from '#snapshot';
import type { Finding, FindingReason } from '../types.ts';
import { describeOrigin, showValue } from './leaves.ts';
import type { Claim } from './settle.ts';

/** The claim in force for each leaf. */
export type Decided = ReadonlyMap<string, Claim>;

export interface Checked {
  readonly decided: Decided;
  readonly findings: readonly Finding[];
  /** Claims that were in force until another leaf bounded them. */
  readonly clamped: readonly { readonly claim: Claim; readonly by: Claim }[];
}

/** What only the merged result shows (policy.md): limits that exceed each other, whoever set them. */
export function checkMerged(decided: Decided): Checked {
  const request = limit(decided, 'timeouts.request');
  const clamped = clamp(decided, request);
  const after = new Map(decided);
  for (const { claim, by } of clamped) after.set(claim.field, { ...by, field: claim.field });
  const findings = [
    ...clamped.map(({ claim, by }) =>
      finding('BackendRequestClamped', claim, `timeouts.backendRequest (${claim.value}, ${from(claim)}) is longer than timeouts.request (${by.value}, ${from(by)}) and is clamped to it.`),
    ),
    ...attempts(after, request),
    ...hopeless(after),
    ...backoff(after),
  ];
  return { decided: after, findings, clamped };
}

interface Limit {
  readonly claim: Claim;
  readonly ms: number;
}

/** A duration that limits something: undefined where it is unset, and where it is `0s`, which means no limit. */
function limit(decided: Decided, field: string): Limit | undefined {
  const claim = decided.get(field);
  const ms = typeof claim?.value === 'string' ? parseDuration(claim.value) : undefined;
  return claim === undefined || ms === undefined || ms === 0 ? undefined : { claim, ms };
}

/** GEP-1742: an attempt lasts no longer than the request that it is part of. */
function clamp(decided: Decided, request: Limit | undefined): Checked['clamped'] {
  const backendRequest = limit(decided, 'timeouts.backendRequest');
  if (request === undefined || backendRequest === undefined || backendRequest.ms <= request.ms) return [];
  return [{ claim: backendRequest.claim, by: request.claim }];
}

function attempts(decided: Decided, request: Limit | undefined): readonly Finding[] {
  const perTry = limit(decided, 'retry.perTryTimeout');
  if (perTry === undefined) return [];
  const text = `retry.perTryTimeout (${perTry.claim.value}, ${from(perTry.claim)})`;
  if (request !== undefined && perTry.ms > request.ms) {
    return [finding('PerTryTimeoutBeyondRequest', perTry.claim, `${text} never acts: timeouts.request (${request.claim.value}, ${from(request.claim)}) ends the request first.`)];
  }
  const findings: Finding[] = [];
  const backendRequest = limit(decided, 'timeouts.backendRequest');
  if (backendRequest !== undefined && perTry.ms > backendRequest.ms) {
    findings.push(
      finding('PerTryTimeoutBeyondBackendRequest', perTry.claim, `${text} never acts: timeouts.backendRequest (${backendRequest.claim.value}, ${from(backendRequest.claim)}) ends the attempt first.`),
    );
  }
  const maxRetries = decided.get('retry.maxRetries');
  const retries = typeof maxRetries?.value === 'number' ? maxRetries.value : 0;
  if (maxRetries !== undefined && request !== undefined && retries * perTry.ms > request.ms) {
    const all = `${retries} × ${perTry.claim.value} = ${formatDuration(retries * perTry.ms)}`;
    const message = `retry.maxRetries (${retries}, ${from(maxRetries)}) cannot all happen: ${all} with ${text} is beyond timeouts.request (${request.claim.value}, ${from(request.claim)}).`;
    findings.push(finding('RetriesBeyondRequest', maxRetries, message));
  }
  return findings;
}

/** Retries are asked for, and something else leaves none to happen. */
function hopeless(decided: Decided): readonly Finding[] {
  const maxRetries = decided.get('retry.maxRetries');
  if (maxRetries === undefined || maxRetries.value === 0) return [];
  const isEmpty = (field: string): boolean => (decided.get(field)?.value as readonly unknown[] | undefined)?.length === 0;
  const told = (field: string): string => {
    const claim = decided.get(field);
    return claim === undefined ? `${field} (unset: none)` : `${field} (${showValue(claim.value)}, ${from(claim)})`;
  };
  const reasons = [
    ...(isEmpty('retry.methods') ? [`${told('retry.methods')} names no method`] : []),
    ...(isEmpty('retry.retryOn.conditions') && (isEmpty('retry.retryOn.codes') || !decided.has('retry.retryOn.codes')) ? [`${told('retry.retryOn.conditions')} and ${told('retry.retryOn.codes')} name no failure`] : []),
    ...(decided.get('retry.budget.percent')?.value === 0 && decided.get('retry.budget.minPerSecond')?.value === 0 ? [`${told('retry.budget.percent')} and ${told('retry.budget.minPerSecond')} leave no budget`] : []),
  ];
  return reasons.length === 0 ? [] : [finding('RetriesNeverHappen', maxRetries, `retry.maxRetries (${String(maxRetries.value)}, ${from(maxRetries)}) never acts: ${reasons.join('; ')}.`)];
}

function backoff(decided: Decided): readonly Finding[] {
  const [base, max] = [limit(decided, 'retry.backoff.base'), limit(decided, 'retry.backoff.max')];
  if (base === undefined || max === undefined || max.ms >= base.ms) return [];
  const message = `retry.backoff.max (${max.claim.value}, ${from(max.claim)}) is below retry.backoff.base (${base.claim.value}, ${from(base.claim)}), which acts in its place.`;
  return [finding('BackoffMaxBelowBase', max.claim, message)];
}

function finding(reason: FindingReason, { field, origin }: Claim, message: string): Finding {
  return { reason, message, field, origin };
}

function from(claim: Claim): string {
  return describeOrigin(claim.origin);
}
