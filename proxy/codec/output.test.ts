import test from 'ava';
import fc from 'fast-check';
import { OutputBuffer } from './output.ts';

type Part = { readonly kind: 'bytes' | 'constant' | 'text'; readonly text: string } | { readonly kind: 'decimal' | 'chunk'; readonly value: number } | { readonly kind: 'line' };

/** Of all lengths: short ones are written by a loop, long ones by native code, and the longest need a new slab. */
const text = fc.tuple(fc.constantFrom('a', '\xff', 'é', 'xyz'), fc.oneof(fc.nat(60), fc.nat(60), fc.constantFrom(23, 24, 25, 47, 48, 49), fc.nat(200_000))).map(([piece, length]) => piece.repeat(length).slice(0, length));
const value = fc.oneof(fc.nat(300), fc.nat(), fc.constantFrom(0, 9, 10, 15, 16, 99, 100, 255, 256, 4095, 4096, 2 ** 48 - 1, 10 ** 15 - 1));
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ kind: fc.constantFrom('bytes' as const, 'constant' as const, 'text' as const), text }),
  fc.record({ kind: fc.constantFrom('decimal' as const, 'chunk' as const), value }),
  fc.constant({ kind: 'line' as const }),
);
const message = fc.record({ parts: fc.array(part, { maxLength: 8 }), kept: fc.boolean() });

/** Puts the part, and says what it should be. */
function put(output: OutputBuffer, each: Part): string {
  switch (each.kind) {
    case 'bytes':
      output.putBytes(Buffer.from(`--${each.text}--`, 'latin1'), 2, 2 + each.text.length);
      return each.text;
    case 'constant':
      output.putConstant(Buffer.from(each.text, 'latin1'));
      return each.text;
    case 'text':
      output.putText(each.text);
      return each.text;
    case 'decimal':
      output.putDecimal(each.value);
      return String(each.value);
    case 'chunk':
      output.putChunkSize(each.value);
      return `${each.value.toString(16)}\r\n`;
    default:
      output.putLineEnd();
      return '\r\n';
  }
}

test('a message is what was put, and one that was kept stays as it is', (t) => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 10 }), (messages) => {
      const output = new OutputBuffer();
      const kept: { readonly view: Buffer; readonly text: string }[] = [];
      for (const { parts, kept: isKept } of messages) {
        output.begin();
        const expected = parts.map((each) => put(output, each)).join('');
        const view = output.view();
        if (output.length !== expected.length || view.toString('latin1') !== expected) throw new Error(`not ${expected.slice(0, 200)}`);
        if (!isKept) continue;
        output.keep();
        kept.push({ view, text: expected });
      }
      for (const { view, text: expected } of kept) if (view.toString('latin1') !== expected) throw new Error('it was written over');
    }),
    { numRuns: 150 },
  );
  t.pass();
});

test('messages of one length have one view, until one is kept or the slab is another', (t) => {
  const output = new OutputBuffer();
  const view = (length: number): Buffer => {
    output.begin();
    output.putText('a'.repeat(length));
    return output.view();
  };
  const first = view(5);
  t.is(view(5), first);
  t.not(view(6), first);
  t.is(view(69).length, 69);
  t.is(view(5).length, 5);
  output.keep();
  t.not(view(5), first);
  t.is(first.toString(), 'aaaaa');
  t.is(view(300_000).length, 300_000);
  t.is(view(5).toString(), 'aaaaa');
});

test('numbers have room behind whatever fills the slab', (t) => {
  for (let left = 0; left < 24; left++) {
    for (const number of [7, 10 ** 15 - 1]) {
      const output = new OutputBuffer();
      const filling = 'a'.repeat(256 * 1024 - left);
      output.putText(filling);
      output.putDecimal(number);
      t.is(output.view().toString().slice(filling.length), String(number));
      const other = new OutputBuffer();
      other.putText(filling);
      other.putChunkSize(number);
      t.is(other.view().toString().slice(filling.length), `${number.toString(16)}\r\n`);
    }
  }
});
