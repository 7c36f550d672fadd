import test from 'ava';
import fc from 'fast-check';
import { Pace, runSteps, sortInSteps } from './steps.ts';

test('sorted in steps is sorted, and what is equal keeps its order', (t) => {
  const items = fc.array(fc.record({ key: fc.integer({ min: 0, max: 20 }), at: fc.integer() }), { maxLength: 700, size: 'max' });
  const byKey = (a: { readonly key: number }, b: { readonly key: number }): number => a.key - b.key;
  fc.assert(fc.property(items, (list) => void t.deepEqual(runSteps(sortInSteps(list, byKey, new Pace())), list.toSorted(byKey))), { numRuns: 100 });
});
