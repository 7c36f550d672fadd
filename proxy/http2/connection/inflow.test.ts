import test from 'ava';
import { flag, frameType } from '../frames/index.ts';
import { clientBench, frame, Recorder, requestBlock, responseBlock, serverBench } from '../testing/rig.ts';

/** A server whose turn of the event loop goes on. */
function server(limits: Parameters<typeof serverBench>[0] = {}) {
  const parts = serverBench(limits);
  return { ...parts, send: (bytes: Buffer): void => parts.session.receive(bytes, 0, bytes.length) };
}

const get = (id: number): Buffer => frame(frameType.headers, flag.endHeaders | flag.endStream, id, requestBlock());
const ids = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => 2 * index + 1);
const pong = flag.ack;

test('of a read full of requests so many are taken as a moment allows; the rest is held back, and taken in order', (t) => {
  const { bench, transport, acceptor, send } = server();
  bench.lookMs = 0.2;
  send(Buffer.concat(ids(50).map(get)));
  const first = acceptor.requests.length;
  t.true(first > 0 && first < 10, `${first} at once`);
  t.true(transport.paused, 'nothing more is read meanwhile');
  bench.turn();
  t.deepEqual(acceptor.requests.map(({ stream }) => stream!.id), ids(50));
  t.false(transport.paused);
});

test('the same with frames that carry nothing', (t) => {
  const { bench, transport, send } = server();
  transport.frames();
  bench.lookMs = 0.2;
  send(Buffer.concat(ids(500).map(() => frame(frameType.ping, 0, 0, Buffer.alloc(8)))));
  t.true(transport.paused);
  bench.turn();
  t.is(transport.frames().filter(({ type, flags }) => type === frameType.ping && flags === pong).length, 500);
  t.false(transport.paused);
});

test('a list that is too large is enough for a moment, however long it took', (t) => {
  const { bench, transport, acceptor, send } = server({ maxHeaders: 1 });
  const large = (id: number): Buffer => frame(frameType.headers, flag.endHeaders | flag.endStream, id, requestBlock({ a: 'b', c: 'd' }));
  send(Buffer.concat([get(1), get(3), large(5), large(7), get(9)]));
  t.deepEqual([acceptor.events, transport.paused], [['GET /a', 'GET /a', 'head-too-large'], true]);
  bench.turn();
  t.deepEqual([acceptor.events.slice(3), transport.paused], [['head-too-large', 'GET /a'], false]);
});

test('what is held back is not the client\'s to finish: no deadline runs for it', (t) => {
  const { bench, transport, session, acceptor, send } = server({ frameMs: 1000 });
  bench.lookMs = 0.2;
  const whole = Buffer.concat(ids(20).map(get));
  // The last frame is cut.
  send(whole.subarray(0, whole.length - 3));
  bench.lookMs = 0;
  t.true(transport.paused);
  bench.environment.wheel.advance((bench.time += 5000));
  t.true(session.reading);
  bench.turn();
  t.is(acceptor.requests.length, 19);
  bench.advance(2000);
  t.false(session.reading, 'for what it has begun it runs');
});

test('a body that comes fast is read no further after 128 KiB before the others had their turn', (t) => {
  const { bench, transport, acceptor, send } = server();
  send(frame(frameType.headers, flag.endHeaders, 1, requestBlock({}, 'POST')));
  bench.turn();
  const piece = frame(frameType.data, 0, 1, Buffer.alloc(16_375));
  for (let count = 0; count < 8; count++) {
    t.false(transport.paused);
    send(Buffer.concat([piece, frame(frameType.ping, 0, 0, Buffer.alloc(8))]));
  }
  t.true(transport.paused);
  bench.turn();
  t.false(transport.paused);
  t.is(acceptor.requests[0]!.bytes, 8 * 16_375);
});

test('a client that is not read because it reads nothing stays so when its turn comes', (t) => {
  const { bench, transport, session, send } = server();
  bench.lookMs = 0.2;
  transport.pending = 10 ** 6;
  send(Buffer.concat(ids(20).map(get)));
  bench.turn();
  t.true(transport.paused);
  transport.drain(session);
  t.false(transport.paused);
});

test('what comes after the end is dropped for as long as it is little', (t) => {
  const { bench, transport, session, send } = server();
  send(frame(frameType.ping, 0, 1, Buffer.alloc(8)));
  bench.turn();
  t.false(session.reading);
  send(Buffer.alloc(15_000));
  t.false(transport.paused);
  send(Buffer.alloc(2000));
  t.true(transport.paused);
  bench.advance(1100);
  t.is(transport.state, 'destroyed');
});

test('a connection that ends in a large read is not read any more', (t) => {
  const wrong = frame(frameType.ping, 0, 1, Buffer.alloc(8));
  const { bench, transport, session, send } = server();
  send(Buffer.concat([wrong, Buffer.alloc(30_000)]));
  bench.turn();
  t.false(session.reading);
  t.true(transport.paused);
  // Nor where it ends of itself while that much is held back.
  const other = server();
  other.bench.lookMs = 0.2;
  other.send(Buffer.concat(Array.from({ length: 2000 }, () => frame(frameType.ping, 0, 0, Buffer.alloc(8)))));
  other.session.abort(0, 'over');
  other.bench.turn();
  t.true(other.transport.paused);
});

test('a transport that was paused before goes on, unless the session waits for its turn, or has ended in much', (t) => {
  const { bench, transport, session, send } = server();
  transport.paused = true;
  session.resume();
  t.false(transport.paused);
  bench.lookMs = 0.2;
  send(Buffer.concat(ids(50).map(get)));
  session.resume();
  t.true(transport.paused);
  bench.turn();
  t.false(transport.paused);
  send(Buffer.concat([frame(frameType.ping, 0, 1, Buffer.alloc(8)), Buffer.alloc(30_000)]));
  session.resume();
  t.true(transport.paused);
});

test('a connection that ends while bytes are held back forgets them, and hears its peer', (t) => {
  const { bench, transport, session, acceptor, send } = server();
  bench.lookMs = 0.2;
  send(Buffer.concat(ids(50).map(get)));
  const first = acceptor.requests.length;
  for (const { stream } of acceptor.requests) stream!.headers(responseBlock(200));
  session.abort(0, 'over');
  t.false(transport.paused);
  bench.turn();
  t.is(acceptor.requests.length, first);
});

test('what an endpoint sends fast is read no further after 128 KiB before the others had their turn', (t) => {
  const { bench, transport, session, send } = clientBench();
  send(frame(frameType.settings, 0, 0));
  const user = new Recorder();
  const stream = session.open(requestBlock(), 'GET', user);
  bench.turn();
  const receive = (bytes: Buffer): void => session.receive(bytes, 0, bytes.length);
  receive(frame(frameType.headers, flag.endHeaders, stream.id, responseBlock(200)));
  const piece = frame(frameType.data, 0, stream.id, Buffer.alloc(16_375));
  for (let count = 0; count < 8; count++) {
    t.false(transport.paused);
    receive(Buffer.concat([piece, frame(frameType.ping, flag.ack, 0, Buffer.alloc(8))]));
  }
  t.true(transport.paused);
  bench.turn();
  t.false(transport.paused);
  t.is(user.bytes, 8 * 16_375);
});

test('a large read is held back as a whole when others were read much in this turn of the loop; a small one is not', (t) => {
  const { bench, transport, acceptor, send } = server();
  t.true(bench.environment.turns.mayGoOn());
  bench.time += 1;
  send(Buffer.concat(ids(10).map(get)));
  t.is(acceptor.requests.length, 10);
  const pings = Buffer.concat(Array.from({ length: 300 }, () => frame(frameType.ping, 0, 0, Buffer.alloc(8))));
  t.true(pings.length >= 4096);
  transport.frames();
  send(pings);
  t.deepEqual([transport.frames().length, transport.paused], [0, true]);
  bench.turn();
  t.is(transport.frames().filter(({ type }) => type === frameType.ping).length, 300);
  t.false(transport.paused);
});
