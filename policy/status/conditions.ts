import { listed } from '../attach/targets.ts';
import type { ConditionDraft, TargetVerdict } from '../types.ts';
import { isIdle } from './stakes.ts';
import type { Tally } from './tally.ts';

/** A condition's message has room for 32,768 characters, and the API server refuses a status with a longer one as a whole; so long a one helps nobody. */
const maxMessage = 4096;

/** A message that a status has room for. */
export function clipped(message: string): string {
  return message.length > maxMessage ? `${message.slice(0, maxMessage - 1)}…` : message;
}

export function acceptedCondition(refused: readonly TargetVerdict[], accepted: readonly TargetVerdict[]): ConditionDraft {
  const [first] = refused;
  const message = (verdicts: readonly TargetVerdict[]): string => clipped(verdicts.map((verdict) => verdict.message).join(' '));
  if (first === undefined) return { type: 'Accepted', status: 'True', reason: 'Accepted', message: message(accepted) };
  return { type: 'Accepted', status: 'False', reason: first.reason, message: message(refused) };
}

/** Whether all paths of a tally were looked at. */
type Seen = 'all' | 'partly';

/**
 * GEP-713's `Programmed`, and one reason more: `NoEffect`, where nothing passes the target or the fields cannot act there.
 * Without a tally no path leads through the target.
 */
export function programmedCondition(tally: Tally | undefined, seen: Seen): ConditionDraft {
  if (tally === undefined) return programmed('False', 'NoEffect', 'Nothing on which it could act passes the target.');
  const won = [...tally.won].sort();
  const losses = lossTexts(tally, seen);
  if (losses.length === 0) return programmed('True', 'Programmed', `Decides ${won.join(', ')} on ${pathCount(tally.paths, seen)}.`);
  if (won.length > 0) return programmed('True', 'PartiallyProgrammed', `Decides ${won.join(', ')}. Does not decide ${listed(losses, '; ')}.`);
  const idle = [...tally.lost.values()].every((winners) => [...winners.keys()].every((to) => isIdle({ to })));
  return programmed('False', idle ? 'NoEffect' : 'Overridden', `Decides nothing. Not ${listed(losses, '; ')}.`);
}

/** More ancestors than a status has room for: the last entry tells of the rest. */
export function aggregatedCondition(rest: readonly string[]): ConditionDraft {
  const message = `${rest.length} more, not listed here: ${listed(rest)}.`;
  return { type: 'Aggregated', status: 'True', reason: 'Aggregated', message: clipped(message) };
}

function programmed(status: 'True' | 'False', reason: string, message: string): ConditionDraft {
  return { type: 'Programmed', status, reason, message: clipped(message) };
}

/** `retry.maxRetries: RetryPolicy/weft-system/gold (override at GatewayClass) on 2 of 3 paths`. */
function lossTexts({ lost, paths }: Tally, seen: Seen): readonly string[] {
  return [...lost].sort(byFirst).flatMap(([field, winners]) =>
    [...winners].sort(byFirst).map(([to, count]) => {
      const where = count >= paths ? `on ${pathCount(paths, seen)}` : `on ${count} of ${paths} paths${lookedAt(seen)}`;
      return isIdle({ to }) ? `${field}: ${to.slice('nothing: '.length).replace(/\.$/, '')}` : `${field}: ${to} does, ${where}`;
    }),
  );
}

function pathCount(count: number, seen: Seen): string {
  return count === 1 && seen === 'all' ? 'its one path' : `all ${count} paths${lookedAt(seen)}`;
}

function lookedAt(seen: Seen): string {
  return seen === 'all' ? '' : ' that were looked at';
}

function byFirst(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}
