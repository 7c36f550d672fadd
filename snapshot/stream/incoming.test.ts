import test from 'ava';
import fc from 'fast-check';
import { decodeResponse, IncomingMessage, readInSteps, type Decoded } from './index.ts';
import type { DeltaResponse } from './messages.ts';
import { resourceFault } from './codec.ts';

function* nothing(): Generator<undefined, void> {}

/** Each piece comes when nothing can be done without it. */
function run(pieces: readonly string[], prepare = nothing): { readonly decoded: Decoded<DeltaResponse>; readonly steps: number } {
  const message = new IncomingMessage();
  const reading = readInSteps(message, prepare);
  let next = 0;
  for (let steps = 0; ; steps++) {
    const { done, value } = reading.next();
    if (done === true) return { decoded: value, steps };
    if (value !== 'more') continue;
    message.add(pieces[next]!, next + 1 === pieces.length ? 'last' : 'more follow');
    next += 1;
  }
}

function cut(text: string, lengths: readonly number[]): readonly string[] {
  const pieces: string[] = [];
  let [at, turn] = [0, 0];
  while (at < text.length) {
    const length = lengths[turn++ % lengths.length]!;
    pieces.push(text.slice(at, at + length));
    at += length;
  }
  return pieces.length === 0 ? [''] : pieces;
}

const cuts = fc.oneof(fc.constant([1]), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }), fc.constant([1 << 20]));
const resource = fc.record({ kind: fc.constantFrom('RouteTable', 'Backend'), routes: fc.array(fc.jsonValue()), more: fc.jsonValue() });
const versioned = fc.record({ name: fc.string(), version: fc.string(), resource: fc.oneof(resource, fc.jsonValue()) });
const response = fc.record({ type: fc.constantFrom('RouteTable', 'Backend'), nonce: fc.string(), resources: fc.array(versioned), removed: fc.array(fc.string()), other: fc.jsonValue() });

test('in slices a message says what it says as a whole, however it is spaced and cut', (t) => {
  fc.assert(
    fc.property(response, fc.constantFrom(0, 1, '\t'), cuts, (value, space, lengths) => {
      const message = JSON.stringify(value, undefined, space);
      t.deepEqual(run(cut(message, lengths)).decoded, decodeResponse(message));
    }),
    { numRuns: 300 },
  );
});

test('what is no message as a whole is none in slices', (t) => {
  const edit = fc.tuple(fc.nat(), fc.nat(3), fc.constantFrom('', ',', '[', ']', '{', '}', '"', ':', '\\', ' ', '1', 'x'));
  fc.assert(
    fc.property(response, fc.array(edit, { minLength: 1, maxLength: 3 }), cuts, (value, edits, lengths) => {
      let message = JSON.stringify(value);
      for (const [at, length, text] of edits) message = message.slice(0, at % message.length) + text + message.slice((at % message.length) + length);
      t.deepEqual(run(cut(message, lengths)).decoded, decodeResponse(message));
    }),
    { numRuns: 1000 },
  );
});

test('texts longer than what is looked at at once come whole, with all their escapes', (t) => {
  const long = `${'\\'.repeat(40_001)}"${'é'.repeat(50_000)}\\`;
  const message = JSON.stringify({ type: 'Backend', nonce: long.slice(0, 1000), removed: [long.slice(0, 1000)], resources: [{ name: 'a', version: '1', resource: { text: long, list: [long, long], inner: { long, number: 12 } } }] });
  for (const lengths of [[1000], [16_384], [7, 100_000]]) t.deepEqual(run(cut(message, lengths)).decoded, decodeResponse(message));
});

test('a message that is too long is refused for it', (t) => {
  const { decoded } = run(['{"type":"', ...Array.from({ length: 65 }, () => ' '.repeat(1 << 20))]);
  t.deepEqual(decoded, { ok: false, error: 'message longer than 67108864' });
});

test('a long table takes many steps, is checked on the way, and is known at the end', (t) => {
  const match = { index: 0, path: { type: 'PathPrefix', value: '/' }, headers: [], query: [] };
  const route = (index: number): object => ({ ref: { kind: 'HTTPRoute', namespace: 'a', name: `r${index}` }, createdAt: 0, hostnames: [], rules: [{ index: 0, matches: [match], filters: [], backends: [] }] });
  const message = (routes: readonly unknown[]): string =>
    JSON.stringify({ type: 'RouteTable', nonce: '1', removed: [], resources: [{ name: 't', version: '1', resource: { kind: 'RouteTable', name: 't', routes, policies: [] } }] });
  const routes = Array.from({ length: 5000 }, (_, index) => route(index));
  let prepared = 0;
  const prepare = function* (): Generator<undefined, void> {
    prepared += 1;
    yield;
  };
  const { decoded, steps } = run(cut(message(routes), [16_384]), prepare);
  t.true(steps > 500, String(steps));
  t.is(prepared, 1);
  t.is(decoded.ok ? resourceFault('RouteTable', decoded.value.resources[0]!) : 'no', undefined);
  const bad = run([message([...routes, { ...route(1), rules: 'none' }])], prepare).decoded;
  t.is(prepared, 1, 'what has the wrong shape is not prepared');
  t.is(bad.ok ? resourceFault('RouteTable', bad.value.resources[0]!) : 'no', 'RouteTable.routes[5000].rules: not a list; this proxy is of another version than the controller');
});
