import test from 'ava';
import fc from 'fast-check';
import { DynamicTable, entryOverhead, tableBytes } from './dynamic-table.ts';

type Step = { readonly name: string; readonly value: string; readonly traits: number } | { readonly max: number };

const text = (maxLength: number): fc.Arbitrary<string> => fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(maxLength)).map(([char, length]) => char.repeat(length));
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    // Seldom what empties the table: it is to be full most of the time.
    { weight: 60, arbitrary: fc.record({ name: text(40), value: fc.oneof({ weight: 99, arbitrary: text(300) }, text(5000)), traits: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ max: fc.oneof(fc.constantFrom(0, tableBytes, tableBytes), fc.nat(tableBytes + 1)) }) },
  ),
  { minLength: 100, maxLength: 200, size: 'max' },
);

/** RFC 7541, 4, as a list: newest first. */
class Model {
  entries: { readonly line: string; readonly traits: number; readonly size: number }[] = [];
  max = tableBytes;

  get size(): number {
    return this.entries.reduce((sum, { size }) => sum + size, 0);
  }

  evict(needed: number): void {
    while (this.entries.length > 0 && this.size + needed > this.max) this.entries.pop();
  }
}

test('the table holds what the specification says, whatever comes, however often its memory has been used', (t) => {
  fc.assert(
    fc.property(steps, (all) => {
      const table = new DynamicTable();
      const model = new Model();
      for (const step of all) {
        if ('max' in step) {
          t.is(table.resize(step.max), step.max <= tableBytes);
          if (step.max > tableBytes) continue;
          model.max = step.max;
          model.evict(0);
        } else {
          const { name, value, traits } = step;
          const line = `${name}: ${value}\r\n`;
          table.insert(Buffer.from(`--${line}--`), 2, name.length, value.length, traits);
          const size = name.length + value.length + entryOverhead;
          model.evict(size);
          if (size <= model.max) model.entries.unshift({ line, traits, size });
        }
        const held = Array.from({ length: table.count }, (_, index) => {
          const slot = table.slot(index);
          const [start, nameLength, valueLength] = [table.starts[slot]!, table.nameLengths[slot]!, table.valueLengths[slot]!];
          return { line: table.bytes.toString('latin1', start, start + nameLength + valueLength + 4), traits: table.traits[slot]!, size: nameLength + valueLength + entryOverhead };
        });
        if (JSON.stringify(held) !== JSON.stringify(model.entries) || table.size !== model.size) throw new Error(`${JSON.stringify(held)}, not ${JSON.stringify(model.entries)}`);
      }
    }),
    { numRuns: 20 },
  );
});
