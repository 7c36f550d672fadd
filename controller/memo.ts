import type { Steps } from '#snapshot';

/** Gives the object that it is given, so that a class that extends it adds its private field to that. */
class Itself {
  constructor(object: object) {
    return object;
  }
}

export interface Slot<K extends object, V> {
  find(key: K): V | undefined;
  keep(key: K, value: V): void;
}

/**
 * What a WeakMap does, in a private field of the key, which nobody else sees: not JSON, not a comparison, not a clone. The collector follows it
 * like any other field. For WeakMaps whose values lead to keys, as those of ten thousand routes do, it stops everything for 300 ms.
 */
export function createSlot<K extends object, V>(): Slot<K, V> {
  class Holder extends Itself {
    #value: V;

    constructor(key: K, value: V) {
      super(key);
      this.#value = value;
    }

    static find(key: object): V | undefined {
      return #value in key ? key.#value : undefined;
    }

    static keep(key: K, value: V): void {
      const holder: object = key;
      if (#value in holder) holder.#value = value;
      else new Holder(key, value);
    }
  }
  return Holder;
}

/** Remembers a result for as long as its input lives. For inputs that never change, such as the maps of a ClusterState. */
export function memoByMap<K extends object, V>(build: (map: K) => V): (map: K) => V {
  const known = createSlot<K, V>();
  return (map) => {
    const old = known.find(map);
    if (old !== undefined) return old;
    const made = build(map);
    known.keep(map, made);
    return made;
  };
}

/**
 * Remembers the last result for a key, with everything else that it was made from; it is used again while all of that is the same.
 * So a translation works out anew only what a change can have reached.
 */
export class Memo<K extends object, V> {
  readonly #known = createSlot<K, { readonly inputs: readonly unknown[]; readonly value: V }>();

  get(key: K, inputs: readonly unknown[], make: () => V): V {
    const old = this.#found(key, inputs);
    if (old !== undefined) return old.value;
    const value = make();
    this.#known.keep(key, { inputs, value });
    return value;
  }

  *getInSteps(key: K, inputs: readonly unknown[], make: () => Steps<V>): Steps<V> {
    const old = this.#found(key, inputs);
    if (old !== undefined) return old.value;
    const value = yield* make();
    this.#known.keep(key, { inputs, value });
    return value;
  }

  #found(key: K, inputs: readonly unknown[]): { readonly value: V } | undefined {
    const old = this.#known.find(key);
    return old !== undefined && old.inputs.length === inputs.length && old.inputs.every((input, index) => input === inputs[index]) ? old : undefined;
  }
}
