import type { Rule, WeightedBackend } from '../types.ts';

/** Upper bounds of the backends' shares: a draw below `bounds[i]` and not below `bounds[i - 1]` is the i-th backend's. */
const shares = new WeakMap<Rule, readonly number[]>();

/**
 * The backend that gets a request, each by its share of the weights (BackendRef.weight). A missing or forbidden backend
 * keeps its share, and what it gets is answered with its status. Undefined where no backend has a weight: answered 500.
 * Draws once, and only where there is a choice.
 */
export function pickBackend(rule: Rule, random: () => number): WeightedBackend | undefined {
  const { backends } = rule;
  if (backends.length === 1) return backends[0]!.weight > 0 ? backends[0] : undefined;
  let bounds = shares.get(rule);
  if (bounds === undefined) shares.set(rule, (bounds = boundsOf(backends)));
  const total = bounds.at(-1) ?? 0;
  if (total === 0) return undefined;
  const drawn = random() * total;
  // At most 16 backends (HTTPRouteRule.backendRefs), so a loop is as good as a search.
  for (let index = 0; index < bounds.length; index += 1) if (drawn < bounds[index]!) return backends[index];
  return undefined;
}

function boundsOf(backends: readonly WeightedBackend[]): readonly number[] {
  let sum = 0;
  return backends.map(({ weight }) => (sum += weight));
}
