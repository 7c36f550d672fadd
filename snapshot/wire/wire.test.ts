import { duplexPair, type Duplex } from 'node:stream';
import test from 'ava';
import fc from 'fast-check';
import { decodeHello, encodeFrame, FrameReader, WireChannel, type Frame } from './index.ts';

test('frames come out as they went in, however the bytes are cut', (t) => {
  const frames = fc.array(fc.record({ type: fc.constantFrom('hello', 'message', 'beat' as const), text: fc.string({ unit: 'grapheme', maxLength: 40 }) }), { maxLength: 8 });
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 50 }), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map(({ type, text }) => encodeFrame(type as Frame['type'], text)));
      const reader = new FrameReader(1000);
      const got: Frame[] = [];
      let text = '';
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const length = cuts[turn % cuts.length] ?? 1;
        t.is(reader.push(bytes.subarray(at, at + length), (type, piece, place) => {
          text += piece;
          if (place !== 'last') return;
          got.push({ type, text });
          text = '';
        }), undefined);
        at += length;
      }
      t.deepEqual(got, sent as Frame[]);
    }),
    { numRuns: 200 },
  );
});

test('a frame that is too long or of an unknown type is refused by its head', (t) => {
  t.regex(new FrameReader(10).push(encodeFrame('message', 'x'.repeat(11)).subarray(0, 5), () => {}) ?? '', /more than 10/);
  t.regex(new FrameReader(10).push(Buffer.from([0, 0, 0, 1, 99]), () => {}) ?? '', /unknown type/);
  t.regex(new FrameReader(10).push(Buffer.from([0, 0, 0, 0, 4]), () => {}) ?? '', /more than 10/);
});

test('a hello is checked', (t) => {
  t.deepEqual(decodeHello('{"version":1,"token":"x","instance":"0"}'), { version: 1, token: 'x', instance: '0' });
  for (const bad of ['', '{}', '{"version":2,"token":"x"}', '{"version":1,"token":"x","instance":"a b"}', '{"version":1,"token":7}']) t.is(typeof decodeHello(bad), 'string', bad);
});

interface Side {
  readonly channel: WireChannel;
  readonly socket: Duplex;
  readonly got: string[];
  closed: boolean;
  reason: string;
}

function pair(options: { readonly beatMs?: number; readonly deadMs?: number; readonly maxReceived?: number; readonly maxQueued?: number } = {}): readonly [Side, Side] {
  const sides = duplexPair().map((socket) => {
    const side: Side = {
      socket,
      got: [],
      closed: false,
      reason: '',
      channel: new WireChannel(socket, { ...options, now: () => performance.now(), ended: (reason) => (side.reason = reason) }),
    };
    side.channel.open();
    side.channel.onMessage((message) => side.got.push(message));
    side.channel.onClose(() => (side.closed = true));
    return side;
  });
  return sides as unknown as readonly [Side, Side];
}

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('messages arrive in order; what was sent before a close does too, and both sides hear of the end', async (t) => {
  const [a, b] = pair();
  for (const message of ['one', 'two', 'drei ü', 'x'.repeat(100_000)]) a.channel.send(message);
  a.channel.close();
  await later(20);
  t.deepEqual(b.got.map((message) => message.slice(0, 6)), ['one', 'two', 'drei ü', 'xxxxxx']);
  t.true(a.closed && b.closed);
});

test('a peer that falls silent is noticed; one that only has nothing to say is not', async (t) => {
  const [a, b] = pair({ beatMs: 20, deadMs: 80 });
  await later(200);
  t.false(a.closed || b.closed);
  // b's process hangs.
  b.socket.pause();
  b.socket.write = () => true;
  await later(150);
  t.true(a.closed);
  t.regex(a.reason, /nothing came for/);
});

test('a message that is too long, and one that is no message, end the connection', async (t) => {
  const [a, b] = pair({ maxReceived: 100 });
  a.channel.send('x'.repeat(101));
  await later(20);
  t.true(a.closed && b.closed);
  t.regex(b.reason, /101 bytes/);
  const [c, d] = pair();
  c.channel.sendFrame('hello', '{}');
  await later(20);
  t.true(c.closed && d.closed);
});

test('a peer that does not read is cut off before it costs too much memory', async (t) => {
  const [a, b] = pair({ maxQueued: 100_000 });
  b.socket.pause();
  for (let count = 0; count < 30; count++) a.channel.send('x'.repeat(10_000));
  await later(10);
  t.true(a.closed);
  t.regex(a.reason, /wait for the peer/);
});
