import type { Endpoint } from '#snapshot';

/** So many, from 10.0.0.`from` on. */
export function endpoints(count: number, from = 0): readonly Endpoint[] {
  return Array.from({ length: count }, (_, index) => ({ address: `10.0.0.${from + index}`, port: 80 }));
}

/** Numbers in [0, 1) that repeat with the seed. */
export function chance(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
