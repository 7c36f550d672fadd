import test from 'ava';
import fc from 'fast-check';
import { decodeInSlices, decodeResponse, type Decoded } from './index.ts';
import type { DeltaResponse } from './messages.ts';
import { resourceFault } from './codec.ts';

function* nothing(): Generator<undefined, void> {}

function run(message: string, prepare = nothing): { readonly decoded: Decoded<DeltaResponse>; readonly steps: number } {
  const running = decodeInSlices(message, prepare);
  for (let steps = 0; ; steps++) {
    const { done, value } = running.next();
    if (done === true) return { decoded: value, steps };
  }
}

/** A turn later nothing is remembered. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const resource = fc.record({ kind: fc.constantFrom('RouteTable', 'Backend'), routes: fc.array(fc.jsonValue()), more: fc.jsonValue() });
const versioned = fc.record({ name: fc.string(), version: fc.string(), resource: fc.oneof(resource, fc.jsonValue()) });
const response = fc.record({ type: fc.constantFrom('RouteTable', 'Backend'), nonce: fc.string(), resources: fc.array(versioned), removed: fc.array(fc.string()), other: fc.jsonValue() });

test('in slices a message says what it says as a whole, however it is spaced', async (t) => {
  await fc.assert(
    fc.asyncProperty(response, fc.constantFrom(0, 1, '\t'), async (value, space) => {
      const message = JSON.stringify(value, undefined, space);
      const { decoded } = run(message);
      await turn();
      t.deepEqual(decoded, decodeResponse(message));
      await turn();
    }),
    { numRuns: 200 },
  );
});

test('what is no message as a whole is none in slices', async (t) => {
  const edit = fc.tuple(fc.nat(), fc.nat(3), fc.constantFrom('', ',', '[', ']', '{', '}', '"', ':', '\\', ' ', '1', 'x'));
  await fc.assert(
    fc.asyncProperty(response, fc.array(edit, { minLength: 1, maxLength: 3 }), async (value, edits) => {
      let message = JSON.stringify(value);
      for (const [at, length, text] of edits) message = message.slice(0, at % message.length) + text + message.slice((at % message.length) + length);
      const { decoded } = run(message);
      await turn();
      t.deepEqual(decoded, decodeResponse(message));
      await turn();
    }),
    { numRuns: 500 },
  );
});

test('a long table takes many steps, is checked on the way, and is known at the end', async (t) => {
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
  const { decoded, steps } = run(message(routes), prepare);
  t.true(steps > 60, String(steps));
  t.is(prepared, 1);
  t.is(decodeResponse(message(routes)), decoded, 'the same objects in the same turn');
  t.is(decoded.ok ? resourceFault('RouteTable', decoded.value.resources[0]!) : 'no', undefined);
  await turn();
  t.not(decodeResponse(message(routes)), decoded);
  await turn();
  const bad = run(message([...routes, { ...route(1), rules: 'none' }]), prepare).decoded;
  t.is(prepared, 1, 'what has the wrong shape is not prepared');
  t.is(bad.ok ? resourceFault('RouteTable', bad.value.resources[0]!) : 'no', 'RouteTable.routes[5000].rules: not a list');
});
