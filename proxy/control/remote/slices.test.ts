import test from 'ava';
import { decodeResponse, type Channel } from '#snapshot';
import { inSlices } from './slices.ts';

const route = (index: number): object => ({
  ref: { kind: 'HTTPRoute', namespace: 'a', name: `r${index}` },
  createdAt: 0,
  hostnames: [],
  rules: [{ index: 0, matches: [{ index: 0, path: { type: 'PathPrefix', value: `/${index}` }, headers: [], query: [] }], filters: [], backends: [] }],
});
const table = (count: number, name: string): string =>
  JSON.stringify({ type: 'RouteTable', nonce: name, removed: [], resources: [{ name, version: '1', resource: { kind: 'RouteTable', name, routes: Array.from({ length: count }, (_, index) => route(index)), policies: [] } }] });

test('long messages take turns with what else is to be done; all arrive once, in order', async (t) => {
  let give: (message: string) => void = () => {};
  const channel: Channel = { send: () => {}, onMessage: (listener) => (give = listener), onClose: () => {}, close: () => {} };
  const heard: string[] = [];
  let turns = 0;
  let clock = 0;
  const messages = [table(1, 'short'), table(4000, 'long'), table(1, 'behind'), table(3000, 'longer'), 'no JSON'];
  await new Promise<void>((resolve) => {
    inSlices(channel, () => clock++).onMessage((message) => {
      const decoded = decodeResponse(message);
      heard.push(decoded.ok ? decoded.value.nonce : decoded.error);
      if (heard.length === messages.length) resolve();
    });
    const tick = (): void => {
      turns += 1;
      if (heard.length < messages.length) setImmediate(tick);
    };
    setImmediate(tick);
    for (const message of messages) give(message);
    t.deepEqual(heard, ['short'], 'what is short does not wait');
  });
  t.deepEqual(heard, ['short', 'long', 'behind', 'longer', 'message is not JSON']);
  t.true(turns > 10, String(turns));
});
