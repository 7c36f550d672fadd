import type { Steps } from '#snapshot';

/** Remembers a result for as long as its input lives. For inputs that never change, such as the maps of a ClusterState. */
export function memoByMap<K extends object, V>(build: (map: K) => V): (map: K) => V {
  const known = new WeakMap<K, V>();
  return (map) => {
    const old = known.get(map);
    if (old !== undefined) return old;
    const made = build(map);
    known.set(map, made);
    return made;
  };
}

/**
 * Remembers the last result for a key, with everything else that it was made from; it is used again while all of that is the same.
 * So a translation works out anew only what a change can have reached.
 */
export class Memo<K extends object, V> {
  readonly #known = new WeakMap<K, { readonly inputs: readonly unknown[]; readonly value: V }>();

  get(key: K, inputs: readonly unknown[], make: () => V): V {
    const old = this.#found(key, inputs);
    if (old !== undefined) return old.value;
    const value = make();
    this.#known.set(key, { inputs, value });
    return value;
  }

  *getInSteps(key: K, inputs: readonly unknown[], make: () => Steps<V>): Steps<V> {
    const old = this.#found(key, inputs);
    if (old !== undefined) return old.value;
    const value = yield* make();
    this.#known.set(key, { inputs, value });
    return value;
  }

  #found(key: K, inputs: readonly unknown[]): { readonly value: V } | undefined {
    const old = this.#known.get(key);
    return old !== undefined && old.inputs.length === inputs.length && old.inputs.every((input, index) => input === inputs[index]) ? old : undefined;
  }
}
