import test from 'ava';
import type { Filter } from '#snapshot';
import { bridge, type Speaks } from './proxy-http2-rig.ts';
import { answering, backendTo, behind, bodyOf, fetchRaw, ok, policyOf, RawClient, rawServer, startRig, statusOf } from './proxy-rig.ts';

/** Max-Forwards (RFC 9110, 7.6.2). */

const far = answering(ok('far'));

function request(method: string, lines: string, target = '/x'): string {
  return `${method} ${target} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n${lines}\r\n`;
}

/** Values of all such lines. */
function hops(head: string): string[] {
  return [...head.matchAll(/\r\nmax-forwards:[ \t]*([^\r]*)/gi)].map(([, value]) => value!);
}

const counted: readonly [lines: string, onward: string][] = [
  ['Max-Forwards: 1\r\n', '0'],
  ['MAX-FORWARDS:10\r\n', '9'],
  ['max-forwards: 007\r\n', '6'],
  ['Max-Forwards: 999999999999999\r\n', '2147483647'],
];

for (const method of ['OPTIONS', 'TRACE']) {
  test(`${method}: what may go on is counted down`, async (t) => {
    const { rig, server } = await behind(t, far);
    for (const [lines] of counted) t.is(bodyOf(await fetchRaw(rig.listener.port, request(method, lines))), 'far');
    t.deepEqual(hops(server.received.join('')), counted.map(([, onward]) => onward));
  });

  test(`${method}: what may not go on is answered here, whatever route there is`, async (t) => {
    const { rig, server } = await behind(t, far, { rules: [] });
    const client = new RawClient(rig.listener.port);
    const asked = `${method} /x HTTP/1.1\r\nHost: shop.example\r\nMax-Forwards: 0\r\n\r\n`;
    await client.send(asked).until((text) => text.includes('\r\n\r\n'));
    await client.send(asked).until((text) => text.split('HTTP/1.1 200 OK\r\n').length === 3);
    client.close();
    t.deepEqual(server.received, []);
  });

  test(`${method}: a number that is none, or several, is refused`, async (t) => {
    const { rig, server } = await behind(t, far);
    for (const value of ['', 'x', '-1', '+1', '1.0', '0x1', '1 2', '1000000000000000', '1\r\nMax-Forwards: 1', '1, 1']) {
      t.is(statusOf(await fetchRaw(rig.listener.port, request(method, `Max-Forwards: ${value}\r\n`))), 400, value);
    }
    t.deepEqual(server.received, []);
  });
}

test('on other methods it means nothing, and goes on as it came', async (t) => {
  const { rig, server } = await behind(t, far);
  for (const method of ['GET', 'PROPFIND', 'OPTIONSX']) await fetchRaw(rig.listener.port, request(method, 'Max-Forwards: 0\r\nMax-Forwards: x\r\n'));
  t.deepEqual(hops(server.received.join('')), ['0', 'x', '0', 'x', '0', 'x']);
});

test('a request behind one that was counted is none of its', async (t) => {
  const { rig, server } = await behind(t, far);
  const client = new RawClient(rig.listener.port);
  const asked = ['OPTIONS / HTTP/1.1\r\nMax-Forwards: 5\r\n', 'GET / HTTP/1.1\r\nMax-Forwards: 5\r\n', 'OPTIONS / HTTP/1.1\r\n'];
  for (const [index, head] of asked.entries()) await client.send(`${head}Host: x\r\n\r\n`).until((text) => text.split('far').length === index + 2);
  client.close();
  t.deepEqual(server.received.join('').split('\r\n\r\n').slice(0, 3).map((head) => hops(head)), [['4'], ['5'], []]);
});

test('TRACE: the answer is the message without what is secret', async (t) => {
  const { rig } = await behind(t, far);
  const secret = 'Authorization: Basic c2VjcmV0\r\nCookie: secret\r\nProxy-Authorization: secret\r\nConnection: X-Secret\r\nX-Secret: secret\r\n';
  const text = await fetchRaw(rig.listener.port, request('TRACE', `Max-Forwards: 0\r\n${secret}Via: 1.1 before\r\n`, '/a?b'));
  t.regex(text, /^HTTP\/1\.1 200 OK\r\ncontent-type: message\/http\r\n/);
  t.is(bodyOf(text), 'TRACE /a?b HTTP/1.1\r\nHost: shop.example\r\nMax-Forwards: 0\r\nVia: 1.1 before\r\n\r\n');
});

test('another attempt and a mirrored request have the same number', async (t) => {
  const filter: Filter = { type: 'RequestMirror', backend: backendTo('copy').target, numerator: 1, denominator: 1 };
  let copied = (): void => {};
  const mirrored = new Promise<void>((resolve) => (copied = resolve));
  const copy = await rawServer((socket) => {
    copied();
    socket.write(ok('copy'));
  });
  let attempts = 0;
  const flaky = await rawServer((socket) => socket.write(attempts++ === 0 ? 'HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n' : ok('far')));
  const rig = await startRig({
    backends: { a: [flaky.port], copy: [copy.port] },
    rules: [{ filters: [filter] }],
    policies: [policyOf({ retry: { maxRetries: 1, retryOn: { codes: [503] } } })],
  });
  t.teardown(async () => {
    await rig.close();
    await flaky.close();
    await copy.close();
  });
  t.is(bodyOf(await fetchRaw(rig.listener.port, request('OPTIONS', 'Max-Forwards: 3\r\n'))), 'far');
  t.deepEqual(hops(flaky.received.join('')), ['2', '2']);
  await mirrored;
  t.deepEqual(hops(copy.received.join('')), ['2']);
});

test('a filter has the last word', async (t) => {
  const edits: readonly [Filter, string[]][] = [
    [{ type: 'RequestHeaderModifier', set: [{ name: 'Max-Forwards', value: '1' }], add: [], remove: [] }, ['1']],
    [{ type: 'RequestHeaderModifier', set: [], add: [], remove: ['max-forwards'] }, []],
  ];
  for (const [filter, left] of edits) {
    const { rig, server } = await behind(t, far, { rules: [{ filters: [filter] }] });
    await fetchRaw(rig.listener.port, request('OPTIONS', 'Max-Forwards: 7\r\n'));
    t.deepEqual(hops(server.received[0]!), left);
  }
});

for (const speaks of ['http1', 'http2'] as const satisfies readonly Speaks[]) {
  test(`streams of HTTP/2 to ${speaks}: counted each time anew, answered at the end, refused`, async (t) => {
    const { client, origin } = await bridge(t, speaks, () => ({ body: 'far' }));
    // A head that comes again is one that is kept.
    for (let times = 0; times < 4; times++) {
      for (const [sent, onward] of [['2', '1'], ['1', '0']] as const) {
        t.is((await client.fetch({ ':method': 'OPTIONS', ':path': '/x', 'max-forwards': sent })).body, 'far');
        t.is(origin.seen.at(-1)!.headers['max-forwards'], onward);
      }
    }
    const { length } = origin.seen;
    t.like(await client.fetch({ ':method': 'OPTIONS', ':path': '/x', 'max-forwards': '0' }), { status: 200, body: '' });
    const trace = await client.fetch({ ':method': 'TRACE', ':path': '/x?y', 'max-forwards': '0', cookie: 'secret', 'x-mine': 'z' });
    t.is(trace.headers['content-type'], 'message/http');
    t.is(trace.body, 'TRACE /x?y HTTP/1.1\r\nhost: shop.example\r\nmax-forwards: 0\r\nx-mine: z\r\n\r\n');
    t.is((await client.fetch({ ':method': 'OPTIONS', ':path': '/x', 'max-forwards': 'x' })).status, 400);
    t.is(origin.seen.length, length);
    await client.fetch({ ':method': 'GET', ':path': '/x', 'max-forwards': '0' });
    t.is(origin.seen.at(-1)!.headers['max-forwards'], '0');
  });
}

test('HTTP/1.1 to http2', async (t) => {
  const { rig, origin } = await bridge(t, 'http2', () => ({ body: 'far' }));
  t.is(statusOf(await fetchRaw(rig.listener.port, request('OPTIONS', 'Max-Forwards: 2\r\n'))), 200);
  t.is(origin.seen[0]!.headers['max-forwards'], '1');
});
