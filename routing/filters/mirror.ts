import type { Filter } from '#snapshot';
import type { MirrorPlan } from '../types.ts';

/** HTTPRequestMirrorFilter. `before` is what earlier filters made of the request: filters act in the order written. */
export function planMirror(filter: Filter & { readonly type: 'RequestMirror' }, before: Pick<MirrorPlan, 'request' | 'rewrite' | 'host'>): MirrorPlan {
  const { backend: target, numerator, denominator } = filter;
  return { target, ...before, sampled: sampler(numerator, denominator) };
}

function sampler(numerator: number, denominator: number): MirrorPlan['sampled'] {
  if (numerator <= 0) return () => false;
  if (numerator >= denominator) return () => true;
  return (random) => random() * denominator < numerator;
}
