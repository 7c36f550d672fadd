import type { Operation } from './types.ts';

/** The object with the operations carried out, for manifests; the API server does its own. Paths are ours: members of objects, also of those that stand in lists. */
export function applyOperations<T extends object>(object: T, operations: readonly Operation[]): T {
  const result = structuredClone(object);
  for (const { path, value } of operations) {
    const steps = path.slice(1).split('/');
    const last = steps.pop()!;
    let place = result as Record<string, unknown>;
    for (const step of steps) place = place[step] as Record<string, unknown>;
    place[last] = structuredClone(value);
  }
  return result;
}
