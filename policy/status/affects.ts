import type { ObjectRef } from '#snapshot';
import { refKey } from '../attach/targets.ts';
import type { PathVerdict } from '../types.ts';
import { stakesOf, type Stake } from './stakes.ts';

/** A path that a policy touches: what it decides there, and what others decide in its place. */
export interface Effect<Path> extends Stake {
  readonly path: Path;
}

/** Every path on which the policy stands with at least one field, in the order given. */
export function affects<Path extends Pick<PathVerdict, 'settled'>>(policy: ObjectRef, paths: readonly Path[]): readonly Effect<Path>[] {
  const key = refKey(policy);
  return paths.flatMap((path) => {
    const stake = stakesOf(path.settled).get(key);
    return stake === undefined ? [] : [{ path, ...stake }];
  });
}
