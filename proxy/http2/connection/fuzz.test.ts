import fc from 'fast-check';
import test from 'ava';
import { flag, frameType, preface } from '../frames/index.ts';
import { clientBench, frame, Recorder, requestBlock, responseBlock, serverBench, trailerBlock, uint32 } from '../testing/rig.ts';

/** Whatever comes, a session does not throw, keeps its bounds, and tells each user its end exactly once. */

const ids = fc.constantFrom(0, 1, 2, 3, 5, 7, 101, 0x7fffffff);
const flags = fc.constantFrom<number>(0, flag.endStream, flag.endHeaders, flag.endHeaders | flag.endStream, flag.padded, flag.priority, 0x2d, 0xff);
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(
    requestBlock({ 'x-a': 'b' }),
    requestBlock({ 'content-length': '3' }, 'POST'),
    responseBlock(200),
    responseBlock(103),
    trailerBlock({ a: 'b' }),
    Buffer.from('400161' + '0162', 'hex'),
    uint32(0),
    uint32(1),
    uint32(0x7fffffff),
    Buffer.alloc(8),
    Buffer.alloc(5),
    Buffer.of(0, 4, 0x7f, 0xff, 0xff, 0xff),
    Buffer.of(0, 4, 0, 0, 0, 0),
    Buffer.alloc(16_384),
  ),
);
const frames = fc.array(
  fc.tuple(fc.oneof(fc.constantFrom<number>(...Object.values(frameType)), fc.nat(20)), flags, ids, payloads).map(([type, bits, id, payload]) => frame(type, bits, id, payload)),
  { maxLength: 30 },
);
/** Bytes that are changed, at which places. */
const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
const cuts = fc.integer({ min: 1, max: 400 });

function damaged(pieces: readonly Buffer[], changes: readonly (readonly [number, number])[]): Buffer {
  const bytes = Buffer.concat(pieces);
  for (const [place, byte] of changes) if (bytes.length > 0) bytes[place % bytes.length] = byte;
  return bytes;
}

function endings(events: readonly string[]): number {
  return events.filter((event) => event.startsWith('failed')).length;
}

test('server: mutated frames in any pieces', (t) => {
  fc.assert(
    fc.property(frames, damage, cuts, fc.nat(3), (pieces, changes, cut, behaviour) => {
      const { send, bench, session, acceptor, transport } = serverBench();
      acceptor.onRequest = (stream) => {
        if (behaviour === 1) {
          stream.headers(responseBlock(200));
          stream.send(Buffer.alloc(70_000), 0, 70_000);
          stream.end();
        } else if (behaviour === 2) stream.reset(8);
        else if (behaviour === 3) stream.pause();
        return undefined;
      };
      const bytes = damaged(pieces, changes);
      for (let p = 0; p < bytes.length; p += cut) send(bytes.subarray(p, p + cut));
      for (const { stream } of acceptor.requests) if (stream!.id % 4 === 1) stream!.trailers(trailerBlock({ a: 'b' }));
      bench.turn();
      t.deepEqual(bench.errors, []);
      t.true(session.streams.size <= 100);
      if (!session.reading) t.is(session.streams.size, 0);
      session.gone('over');
      for (const request of acceptor.requests) {
        t.true(request.stream!.closed);
        t.true(endings(request.events) <= 1);
        t.true(request.events.filter((event) => event === 'ended').length <= 1);
      }
      t.is(acceptor.events.filter((event) => event.startsWith('closed')).length, 1);
      t.is(transport.state, 'destroyed');
    }),
    { numRuns: 500 },
  );
});

test('client: mutated frames in any pieces', (t) => {
  fc.assert(
    fc.property(frames, damage, cuts, (pieces, changes, cut) => {
      const { send, bench, session, keeper } = clientBench();
      send(frame(frameType.settings, 0, 0));
      const users = [new Recorder(), new Recorder(), new Recorder()];
      const streams = users.map((user) => session.open(requestBlock({}, 'POST'), 'POST', user));
      streams[0]!.end();
      streams[1]!.send(Buffer.alloc(100_000), 0, 100_000);
      const bytes = damaged(pieces, changes);
      for (let p = 0; p < bytes.length; p += cut) send(bytes.subarray(p, p + cut));
      t.deepEqual(bench.errors, []);
      session.gone('over');
      for (const [index, user] of users.entries()) {
        t.true(streams[index]!.closed);
        const ended = user.events.includes('ended');
        t.true(endings(user.events) === 1 || ended, user.events.join());
        t.true(endings(user.events) <= 1);
        t.true(user.events.filter((event) => event.startsWith('responded')).length <= 1);
        if (ended) t.true(user.events.some((event) => event.startsWith('responded')));
      }
      t.is(keeper.events.filter((event) => event.startsWith('closed')).length, 1);
    }),
    { numRuns: 500 },
  );
});

test('random bytes behind the preface, and in its place', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), fc.boolean(), (bytes, valid) => {
      const { session, bench } = valid ? serverBench() : clientBench();
      if (valid) session.receive(preface, 0, preface.length);
      session.receive(Buffer.from(bytes), 0, bytes.length);
      bench.turn();
      t.deepEqual(bench.errors, []);
    }),
    { numRuns: 500 },
  );
});
