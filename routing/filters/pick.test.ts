import test from 'ava';
import fc from 'fast-check';
import { backend, rule } from '../fixtures.ts';
import { pickBackend } from './pick.ts';

const weighted = (...weights: readonly number[]) => rule({ backends: weights.map((weight, index) => backend(`b${index}`, weight, index)) });
const never = (): number => {
  throw new Error('drawn');
};

test('each backend gets its share, and weight 0 nothing', (t) => {
  const split = weighted(0, 90, 0, 10, 0);
  const picks = Array.from({ length: 1000 }, (_, index) => pickBackend(split, () => index / 1000)?.index);
  t.deepEqual([0, 1, 2, 3, 4].map((index) => picks.filter((pick) => pick === index).length), [0, 900, 0, 100, 0]);
});

test('without any weight, or without backends, nobody gets it', (t) => {
  t.is(pickBackend(weighted(0, 0), never), undefined);
  t.is(pickBackend(weighted(0), never), undefined);
  t.is(pickBackend(weighted(), never), undefined);
});

test('a single backend needs no draw', (t) => t.is(pickBackend(weighted(7), never)?.index, 0));

test('a missing or forbidden backend keeps its share', (t) => {
  const invalid = { ...backend('gone', 1, 1), target: { kind: 'invalid' as const, ref: { kind: 'Service', namespace: 'shop', name: 'gone' }, port: 80, status: 500, reason: 'BackendNotFound' } };
  const split = rule({ backends: [backend('a', 1), invalid] });
  t.deepEqual([0.49, 0.5].map((drawn) => pickBackend(split, () => drawn)?.target.kind), ['backend', 'invalid']);
});

test('picks follow the weights', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 1_000_000 }), { minLength: 1, maxLength: 16 }), (weights) => {
      const split = weighted(...weights);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const draws = 400;
      const counts = weights.map(() => 0);
      for (let draw = 0; draw < draws; draw += 1) {
        const pick = pickBackend(split, () => (draw + 0.5) / draws);
        if ((pick === undefined) !== (total === 0)) return false;
        if (pick !== undefined) counts[pick.index]! += 1;
      }
      // Evenly spaced draws give each share to within one draw.
      return weights.every((weight, index) => Math.abs(counts[index]! - (total === 0 ? 0 : (draws * weight) / total)) <= 1);
    }),
  );
  t.pass();
});
