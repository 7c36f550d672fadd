import type { Upstream } from '../connection/sides.ts';
import type { FailureCode } from '../failures.ts';

/** The connection had been idle, and broke under the request: which says nothing of how the endpoint takes others. */
export function wasReused(upstream: Upstream, code: FailureCode): boolean {
  return code === 'upstream-reset' && upstream.uses > 1 && !upstream.answered;
}
