import test from 'ava';
import { errorCode, flag, frameType, preface } from '../frames/index.ts';
import { ServerSession } from './server.ts';
import { frame, goawayCode, MemoryTransport, RecordingAcceptor, requestBlock, responseBlock, serverBench, trailerBlock, uint32, type Frame } from '../testing/rig.ts';

const { data, headers, reset, settings, ping, windowUpdate, continuation } = frameType;
const END = flag.endStream;
const WHOLE = flag.endHeaders;

function open(id: number, flags: number = WHOLE): Buffer {
  return frame(headers, flags, id, requestBlock({}, 'POST'));
}

test('floods end the connection', (t) => {
  const calm = errorCode.enhanceYourCalm;
  const floods: Record<string, () => (readonly Frame[])> = {
    ping: () => serverBench().send(...Array.from({ length: 2001 }, () => frame(ping, 0, 0, Buffer.alloc(8)))),
    settings: () => serverBench().send(...Array.from({ length: 101 }, () => frame(settings, 0, 0))),
    priority: () => serverBench().send(...Array.from({ length: 2001 }, () => frame(2, 0, 1, Buffer.alloc(5)))),
    unknown: () => serverBench().send(...Array.from({ length: 2001 }, () => frame(77, 0, 1, Buffer.alloc(5)))),
    'window updates': () => serverBench().send(...Array.from({ length: 2001 }, () => frame(windowUpdate, 0, 0, uint32(1)))),
    'empty data': () => serverBench().send(open(1), ...Array.from({ length: 501 }, () => frame(data, 0, 1))),
    'data of padding': () => serverBench().send(open(1), ...Array.from({ length: 501 }, () => frame(data, flag.padded, 1, Buffer.of(1, 0)))),
    continuation: () => serverBench().send(frame(headers, 0, 1), ...Array.from({ length: 9 }, () => frame(continuation, 0, 1))),
    'rapid reset': () => serverBench().send(...Array.from({ length: 202 }, (_, index) => [open(2 * index + 1), frame(reset, 0, 2 * index + 1, uint32(8))]).flat()),
    'made to reset': () => serverBench().send(...Array.from({ length: 202 }, (_, index) => [open(2 * index + 1), frame(windowUpdate, 0, 2 * index + 1, uint32(0))]).flat()),
    'malformed requests': () => serverBench().send(...Array.from({ length: 202 }, (_, index) => frame(headers, WHOLE, 2 * index + 1, requestBlock({ te: 'x' })))),
    'refused streams': () => serverBench({ maxConcurrentStreams: 1 }).send(...Array.from({ length: 405 }, (_, index) => open(2 * index + 1))),
  };
  for (const [what, flood] of Object.entries(floods)) t.is(goawayCode(flood()), calm, what);
});

test('who takes requests back: what was sent behind a request is looked at before it begins', (t) => {
  const { send, acceptor, session } = serverBench();
  const takenBack = (id: number): Buffer[] => [open(id), frame(reset, 0, id, uint32(8))];
  send(...Array.from({ length: 100 }, (_, index) => takenBack(2 * index + 1)).flat());
  t.is(acceptor.requests.length, 1, 'of the first nobody knew');
  t.is(acceptor.events.filter((event) => event === 'refused taken-back').length, 99);
  // All sorts that stay, among others that don't: a body, trailers, an end without either, more than are held back.
  send(open(301), frame(data, 0, 301, Buffer.from('ab')), frame(data, END, 301, Buffer.from('c')), ...takenBack(303), open(305, WHOLE | END), open(307), frame(data, END, 307));
  send(open(309), frame(headers, WHOLE | END, 309, trailerBlock({ a: 'b' })), ...takenBack(311));
  t.deepEqual(acceptor.requests.slice(1).map(({ events }) => events), [['ended'], ['ended'], ['ended'], ['trailers [["a","b"]]', 'ended']]);
  t.is(acceptor.requests[1]!.body, 'abc');
  send(...Array.from({ length: 20 }, (_, index) => open(401 + 2 * index, WHOLE | END)), frame(reset, 0, 401, uint32(8)), frame(reset, 0, 439, uint32(8)));
  t.is(acceptor.requests.length, 5 + 19, 'the first had begun, the last had not');
  t.deepEqual(acceptor.requests.at(-1)!.events, ['ended']);
  t.true(session.reading);
});

test('who is new: what came first is looked at to its end before a request begins', (t) => {
  const first = (...pieces: readonly Buffer[]) => {
    const { bench, transport, acceptor } = serverBench();
    const session = new ServerSession(bench.environment, transport, acceptor);
    const bytes = Buffer.concat([preface, frame(settings, 0, 0), ...pieces]);
    session.receive(bytes, 0, bytes.length);
    return { session, acceptor };
  };
  const bad = first(open(1, WHOLE | END), frame(data, 0, 0));
  t.deepEqual([bad.session.reading, bad.acceptor.requests.length], [false, 0]);
  const back = first(open(1, WHOLE | END), frame(reset, 0, 1, uint32(8)));
  t.deepEqual([back.session.reading, back.acceptor.requests.length], [true, 0]);
  const good = first(open(1), frame(data, END, 1, Buffer.from('ab')), open(3, WHOLE | END));
  t.deepEqual(good.acceptor.requests.map(({ events, body }) => [events, body]), [[['ended'], 'ab'], [['ended'], '']]);
  const next = Buffer.concat([open(5, WHOLE | END), frame(data, 0, 0)]);
  good.session.receive(next, 0, next.length);
  t.is(good.acceptor.requests.length, 3, 'that was the first only');
});

test('a request that is held back is over with its connection', (t) => {
  const { send, acceptor, session } = serverBench();
  send(open(1), frame(reset, 0, 1, uint32(8)), open(3), frame(data, 0, 0));
  t.is(acceptor.requests.length, 1);
  t.true(acceptor.events.includes('refused taken-back'));
  t.false(session.reading);
});

test('an acknowledgement for each frame that we send is no flood', (t) => {
  const { send, session, transport, acceptor, bench } = serverBench();
  send(open(1, WHOLE | END));
  const { stream } = acceptor.requests[0]!;
  stream!.headers(responseBlock(200));
  for (let index = 0; index < 5000; index++) {
    stream!.send(Buffer.alloc(10_000), 0, 10_000);
    bench.turn();
    transport.frames();
    send(frame(windowUpdate, 0, 0, uint32(10_000)), frame(windowUpdate, 0, 1, uint32(10_000)));
  }
  t.true(session.reading);
});

test('a client that has not heard of the bound on streams may exceed it', (t) => {
  const { bench, transport, acceptor } = serverBench();
  const session = new ServerSession(bench.environment, transport, acceptor);
  const bytes = Buffer.concat([preface, frame(settings, 0, 0), ...Array.from({ length: 600 }, (_, index) => open(2 * index + 1))]);
  session.receive(bytes, 0, bytes.length);
  bench.turn();
  t.true(session.reading);
  t.is(transport.frames().filter(({ type }) => type === reset).length, 500);
});

test('resets among many good requests are no flood; nor are old ones', (t) => {
  const { send, acceptor, bench, session } = serverBench();
  for (let index = 0; index < 1000; index++) {
    const id = 2 * index + 1;
    send(open(id, WHOLE | END));
    if (index % 3 === 0) send(frame(reset, 0, id, uint32(8)));
    else {
      const { stream } = acceptor.requests.at(-1)!;
      stream!.headers(responseBlock(204));
      stream!.end();
    }
    if (index % 100 === 0) bench.advance(1);
  }
  t.true(session.reading);
});

test('a peer that takes nothing: DATA stops, control frames are bounded, then it is given up', (t) => {
  const { send, session, transport, acceptor, bench } = serverBench({ maxIdleFrames: 1_000_000, stallMs: 5000 });
  transport.room = 65_536;
  send(frame(settings, 0, 0, Buffer.of(0, 4, 0x7f, 0xff, 0xff, 0xff)), frame(windowUpdate, 0, 0, uint32(0x7fffffff - 65_535)), open(1, WHOLE | END));
  const { stream } = acceptor.requests[0]!;
  stream!.headers(responseBlock(200));
  const body = Buffer.alloc(16_384);
  for (let index = 0; index < 64; index++) stream!.send(body, 0, body.length);
  bench.turn();
  t.true(transport.pending < 200_000);
  t.true(stream!.queued > 800_000);
  for (let index = 0; index < 1000 && !transport.paused; index++) send(...Array.from({ length: 1000 }, () => frame(ping, 0, 0, Buffer.alloc(8))));
  t.true(transport.paused);
  t.true(transport.pending < 400_000);
  bench.advance(4000);
  t.is(session.closed, false);
  bench.advance(2000);
  t.true(session.closed);
  t.true(acceptor.requests[0]!.events[0] === 'ended');
  t.regex(acceptor.requests[0]!.events[1]!, /^failed/);
});

test('a peer that takes nothing is given up even where it sends nothing either', (t) => {
  const { send, session, transport, acceptor, bench } = serverBench({ stallMs: 5000 });
  transport.room = 20_000;
  send(open(1, WHOLE | END));
  bench.advance(20_000);
  const { stream } = acceptor.requests[0]!;
  stream!.headers(responseBlock(200));
  stream!.send(Buffer.alloc(60_000), 0, 60_000);
  bench.turn();
  bench.advance(4000);
  t.true(session.reading);
  bench.advance(1100);
  t.true(session.closed);
});

test('a slow peer gets everything', (t) => {
  const { send, session, transport, acceptor, bench } = serverBench({ stallMs: 5000 });
  transport.room = 20_000;
  send(frame(settings, 0, 0, Buffer.of(0, 4, 0x7f, 0xff, 0xff, 0xff)), frame(windowUpdate, 0, 0, uint32(1_000_000)), open(1, WHOLE | END));
  const { stream } = acceptor.requests[0]!;
  stream!.headers(responseBlock(200));
  stream!.send(Buffer.alloc(500_000), 0, 500_000);
  stream!.end();
  let bytes = 0;
  for (let round = 0; round < 100 && !stream!.closed; round++) {
    bench.advance(2000);
    transport.drain(session);
    bench.turn();
    bytes += transport.frames().filter((f) => f.type === data).reduce((sum, f) => sum + f.payload.length, 0);
  }
  t.is(bytes, 500_000);
  t.true(stream!.closed);
});

test('heads that stay open: beyond what all clients may have, each has as much as one head, until others are over', (t) => {
  const { bench, acceptor, session, send } = serverBench({ maxOpenHeadBytes: 100_000 });
  const { environment } = bench;
  const block = requestBlock({ 'x-large': 'a'.repeat(15_000) }, 'POST');
  const large = (id: number): Buffer => frame(headers, WHOLE, id, block);
  const refused = (frames: readonly Frame[]): number[] => frames.filter(({ type, payload }) => type === reset && payload.readUInt32BE() === errorCode.refusedStream).map(({ id }) => id);
  t.deepEqual(refused(send(large(1), large(3), large(5), large(7), large(9), large(11), large(13), large(15))), [13, 15]);
  t.is(acceptor.requests.length, 6);
  t.deepEqual(acceptor.events.slice(-2), ['refused open-heads', 'refused open-heads']);
  const transport = new MemoryTransport(environment.slabs);
  const other = new ServerSession(environment, transport, new RecordingAcceptor());
  const bytes = Buffer.concat([preface, frame(settings, 0, 0), frame(settings, 1, 0), large(1), large(3), large(5), large(7), large(9)]);
  other.receive(bytes, 0, bytes.length);
  bench.turn();
  t.deepEqual(refused(transport.frames()), [9]);
  t.deepEqual(refused(send(...[1, 3, 5].map((id) => frame(reset, 0, id, uint32(8))), large(17), large(19))), [19]);
  session.gone('cut');
  other.gone('cut');
  t.is(environment.openHeads.bytes, 0);
});

test('who is refused for the room that others took is not ended for asking again with heads as they are used', (t) => {
  const { acceptor, session, send } = serverBench({ maxOpenHeadBytes: 0, maxHeaderListBytes: 600 });
  const small = requestBlock({ 'x-small': 'a'.repeat(300) }, 'POST');
  send(frame(headers, WHOLE, 1, small));
  for (let id = 3; id < 1000; id += 2) send(frame(headers, WHOLE, id, small));
  t.true(session.reading);
  t.is(acceptor.requests.length, 1);
  t.is(acceptor.events.filter((event) => event === 'refused open-heads').length, 499);
});
