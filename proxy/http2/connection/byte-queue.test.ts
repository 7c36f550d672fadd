import test from 'ava';
import fc from 'fast-check';
import { ByteQueue } from './byte-queue.ts';

type Step = { readonly append: number } | { readonly shift: number } | 'clear';

const length = fc.oneof(fc.nat(20), fc.nat(3000), fc.nat(50_000), fc.constantFrom(0, 1023, 1024, 1025, 16_384, 32_768));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: length.map((append) => ({ append })) },
  { weight: 10, arbitrary: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })).map((shift) => ({ shift })) },
  { weight: 1, arbitrary: fc.constant('clear' as const) },
);

test('what leaves at the front is what came, in order', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
      const queue = new ByteQueue();
      let model = Buffer.alloc(0);
      let next = 0;
      for (const each of steps) {
        if (each === 'clear') {
          queue.clear();
          model = Buffer.alloc(0);
        } else if ('append' in each) {
          const bytes = Buffer.from(Array.from({ length: each.append + 4 }, () => (next = (next + 1) % 251)));
          queue.append(bytes, 2, each.append + 2);
          model = Buffer.concat([model, bytes.subarray(2, each.append + 2)]);
        } else {
          const count = Math.floor(each.shift * queue.front().length);
          queue.shift(count);
          model = model.subarray(count);
        }
        const front = queue.front();
        if (queue.length !== model.length || (front.length === 0) !== (model.length === 0) || !front.equals(model.subarray(0, front.length))) throw new Error(`${queue.length} of ${model.length}`);
      }
      while (queue.length > 0) {
        const front = queue.front();
        if (front.length === 0 || !front.equals(model.subarray(0, front.length))) throw new Error('other bytes');
        model = model.subarray(front.length);
        queue.shift(front.length);
      }
      if (model.length > 0) throw new Error(`${model.length} are missing`);
    }),
    { numRuns: 60 },
  );
  t.pass();
});

test('single bytes share a block', (t) => {
  const queue = new ByteQueue();
  for (let count = 0; count < 1000; count++) queue.append(Buffer.of(count % 251), 0, 1);
  t.is(queue.front().length, 1000);
});
