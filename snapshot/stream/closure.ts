import type { Resource, ResourceKind } from '../resources.ts';
import type { Pace, Steps } from '../steps.ts';
import { resourceKinds } from './codec.ts';
import type { ResourceId } from './references.ts';

export interface Held {
  /** The newest version that passed the check; undefined: the controller says that it does not exist. */
  readonly version: string | undefined;
  readonly resource: Resource | undefined;
  readonly refers: readonly ResourceId[];
}

export interface Versions {
  /** The newest ones. */
  readonly held: ReadonlyMap<string, Held>;
  /** What the proxy works with. */
  readonly live: ReadonlyMap<string, Held>;
}

/** By type and name. */
export type Picked = ReadonlyMap<ResourceKind, ReadonlyMap<string, Held>>;
export type Names = ReadonlyMap<ResourceKind, ReadonlySet<string>>;

// `resourceKinds` has referrers first, and no kind refers back: one walk along it, or against it, sees each resource after all that it depends on.

/** All that the roots (`*`: all held of the type) lead to, of each the newest version whose references are all there, else the live one. */
export function* closureInSteps(types: ReadonlyMap<ResourceKind, Versions>, roots: Names, pace: Pace): Steps<Picked> {
  const chosen = yield* chooseInSteps(types, pace);
  const closure = new Map<ResourceKind, Map<string, Held>>(resourceKinds.map((kind) => [kind, new Map()]));
  const add = (type: ResourceKind, name: string): void => {
    const held = chosen.get(type)?.get(name);
    if (held !== undefined) closure.get(type)?.set(name, held);
  };
  for (const type of resourceKinds) {
    const { held } = types.get(type)!;
    // A root that the controller says is gone is gone; anything else that still serves stays while it is referred to.
    for (const name of namesOf(roots, type, held)) if (held.get(name)?.resource !== undefined) add(type, name);
    for (const { refers } of closure.get(type)!.values()) {
      for (const id of refers) add(id.type, id.name);
      if (pace.spend(1 + refers.length)) yield;
    }
  }
  return closure;
}

/** All that the roots lead to through newest and live versions, whether it is there or not. */
export function* usedInSteps(types: ReadonlyMap<ResourceKind, Versions>, roots: Names, pace: Pace): Steps<Names> {
  const used = new Map<ResourceKind, Set<string>>(resourceKinds.map((kind) => [kind, new Set()]));
  for (const type of resourceKinds) {
    const { held, live } = types.get(type)!;
    const names = used.get(type)!;
    for (const name of roots.get(type) ?? []) names.add(name);
    for (const name of namesOf(roots, type, held)) names.add(name);
    for (const name of names) {
      const [newest, current] = [held.get(name), live.get(name)];
      for (const id of newest?.refers ?? []) used.get(id.type)!.add(id.name);
      if (current !== newest) for (const id of current?.refers ?? []) used.get(id.type)!.add(id.name);
      if (pace.spend(1 + (newest?.refers.length ?? 0))) yield;
    }
  }
  return used;
}

function* chooseInSteps(types: ReadonlyMap<ResourceKind, Versions>, pace: Pace): Steps<Picked> {
  const chosen = new Map<ResourceKind, Map<string, Held>>();
  for (const type of resourceKinds.toReversed()) {
    const { held, live } = types.get(type)!;
    const ofType = new Map<string, Held>();
    chosen.set(type, ofType);
    for (const [name, current] of live) {
      ofType.set(name, current);
      if (pace.spend()) yield;
    }
    for (const [name, newest] of held) {
      if (newest.resource !== undefined && newest.refers.every((id) => chosen.get(id.type)?.has(id.name) === true)) ofType.set(name, newest);
      if (pace.spend(1 + newest.refers.length)) yield;
    }
  }
  return chosen;
}

function* namesOf(roots: Names, type: ResourceKind, held: ReadonlyMap<string, Held>): Generator<string> {
  for (const name of roots.get(type) ?? []) {
    if (name === '*') yield* held.keys();
    else yield name;
  }
}
