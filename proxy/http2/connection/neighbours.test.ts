import test from 'ava';
import { errorCode, flag, frameType } from '../frames/index.ts';
import { clientBench, frame, goawayCode, pairBench, Recorder, requestBlock, responseBlock, serverBench, trailerBlock, uint32 } from '../testing/rig.ts';

/** What one stream of a connection does must not be felt by the others. */

const { data, headers, settings } = frameType;
const END = flag.endStream;
const WHOLE = flag.endHeaders;

function setting(id: number, value: number): Buffer {
  return frame(settings, 0, 0, Buffer.concat([Buffer.of(0, id), uint32(value)]));
}

test('streams that are paused leave the rest of the connection’s window to the others', (t) => {
  const { bench, client, acceptor } = pairBench({ streamWindow: 65_535, connectionWindow: 4 * 65_535 });
  const upload = (bytes: number): void => {
    const stream = client.open(requestBlock({}, 'POST'), 'POST', new Recorder());
    stream.send(Buffer.alloc(bytes), 0, bytes);
    bench.turn();
  };
  acceptor.onRequest = (stream) => void stream.pause();
  for (let paused = 0; paused < 3; paused++) upload(70_000);
  acceptor.onRequest = () => undefined;
  upload(500_000);
  t.deepEqual(acceptor.requests.map(({ bytes }) => bytes), [65_535, 65_535, 65_535, 500_000]);
  for (const { stream } of acceptor.requests) stream!.resume();
  bench.turn();
  t.deepEqual(acceptor.requests.map(({ bytes }) => bytes), [70_000, 70_000, 70_000, 500_000]);
});

test('an empty frame on a stream that is over gives nothing back, however little of the window is left', (t) => {
  const { send, acceptor, bench, transport } = serverBench({ streamWindow: 65_535, connectionWindow: 65_535 });
  const open = (id: number): Buffer => frame(headers, WHOLE, id, requestBlock({}, 'POST'));
  send(open(1), open(3));
  acceptor.requests[0]!.stream!.pause();
  acceptor.requests[1]!.stream!.reset(errorCode.cancel);
  bench.turn();
  transport.frames();
  const body = Array.from({ length: 4 }, (_, index) => frame(data, 0, 1, Buffer.alloc(index < 3 ? 16_384 : 16_383)));
  t.deepEqual(send(...body, frame(data, 0, 3), frame(data, END, 3)), []);
});

test('hundreds of streams that we reset at once: what the peer had sent by then is dropped, and the others go on', (t) => {
  const client = clientBench();
  client.send(frame(settings, 0, 0), frame(settings, flag.ack, 0));
  const users = Array.from({ length: 600 }, () => new Recorder());
  const streams = users.map((user) => client.session.open(requestBlock(), 'GET', user));
  for (const stream of streams.slice(1)) stream.reset(errorCode.cancel);
  client.bench.turn();
  client.transport.frames();
  const answers = streams.map(({ id }) => Buffer.concat([frame(headers, WHOLE, id, responseBlock(200)), frame(data, END, id, Buffer.from('late'))]));
  t.deepEqual(client.send(...answers.toReversed()), []);
  t.deepEqual(users[0]!.events, ['responded 200', 'ended']);
  streams[0]!.end();
  t.deepEqual([client.session.reading, client.session.streams.size], [true, 0]);

  const server = serverBench({ maxConcurrentStreams: 1000 });
  const ids = streams.map(({ id }) => id);
  server.send(...ids.map((id) => frame(headers, WHOLE, id, requestBlock({}, 'POST'))));
  for (const { stream } of server.acceptor.requests.slice(1)) stream!.reset(errorCode.internal);
  server.bench.turn();
  server.transport.frames();
  t.deepEqual(server.send(...ids.map((id) => frame(data, 0, id, Buffer.from('late')))), []);
  t.is(server.acceptor.requests[0]!.body, 'late');
  t.is(goawayCode(server.send(frame(headers, WHOLE | END, 3, trailerBlock({ a: 'b' })))), errorCode.protocol, 'a head there could be a new request');
});

test('a stream that finished is remembered as such', (t) => {
  const { session, send } = clientBench();
  send(frame(settings, 0, 0), frame(settings, flag.ack, 0));
  session.open(requestBlock(), 'GET', new Recorder()).end();
  const answer = frame(headers, WHOLE | END, 1, responseBlock(200));
  t.is(goawayCode(send(answer)), undefined);
  t.is(goawayCode(send(answer)), errorCode.streamClosed);
});

test('trailers of several frames say on the first that they are the end, though it leaves before the last', (t) => {
  const { send, acceptor, bench, transport } = serverBench();
  send(frame(headers, WHOLE | END, 1, requestBlock()), frame(headers, WHOLE | END, 3, requestBlock()));
  const trailers = trailerBlock({ 'x-details': 'd'.repeat(20_000) });
  for (const [index, size] of [48_000, 10].entries()) {
    const stream = acceptor.requests[index]!.stream!;
    stream.headers(responseBlock(200));
    stream.send(Buffer.alloc(size), 0, size);
    stream.trailers(trailers);
    bench.turn();
    const [first, second, ...more] = transport.frames().filter(({ type }) => type !== data).slice(1);
    t.deepEqual([first!.type, first!.flags, second!.type, second!.flags], [headers, END, frameType.continuation, WHOLE]);
    t.deepEqual(more, []);
    t.true(stream.closed);
  }
});

test('a server that ends its side: what its requests come to begins no other stream there', (t) => {
  const { session, keeper, send, bench } = clientBench();
  send(frame(settings, 0, 0), frame(settings, flag.ack, 0));
  const seen: unknown[] = [];
  class Retrying extends Recorder {
    override failed(): void {
      seen.push(session.canOpen);
    }
  }
  for (let count = 0; count < 3; count++) session.open(requestBlock(), 'GET', new Retrying()).end();
  session.ended();
  bench.turn();
  t.deepEqual(seen, [false, false, false]);
  t.deepEqual(keeper.events, ['ready', 'leaving', 'closed 0 done']);
  t.true(bench.errors.length === 0);
});

test('there is room again: told when the server allows more, and when streams end, whatever made it full', (t) => {
  const { session, keeper, send } = clientBench({ maxOpenStreams: 3 });
  const answer = (id: number): Buffer => frame(headers, WHOLE | END, id, responseBlock(204));
  const open = (): void => session.open(requestBlock(), 'GET', new Recorder()).end();
  const told = (...frames: readonly Buffer[]): number => {
    const before = keeper.events.length;
    send(...frames);
    return keeper.events.slice(before).filter((event) => event === 'available').length;
  };
  send(setting(3, 2), frame(settings, flag.ack, 0));
  open();
  t.is(told(setting(3, 1)), 0);
  t.false(session.canOpen);
  t.is(told(setting(3, 2)), 1, 'a stream is open still');
  t.is(told(setting(3, 0)), 0);
  t.is(told(answer(1)), 0);
  t.is(told(setting(3, 1)), 1);
  t.is(told(setting(3, 0x7fffffff)), 0, 'it was not full');
  for (let count = 0; count < 3; count++) open();
  t.false(session.canOpen, 'our own bound');
  t.is(told(answer(3)), 1);
  t.true(session.canOpen);
});

test('a connection that is being dialled owes nothing: times of ours run from when the server is reached', (t) => {
  const { bench, session, transport, send } = clientBench({ settingsAckMs: 1000, frameMs: 1000, idleMs: 1000, keepAliveMs: 1000, stallMs: 1000 });
  session.dialling();
  bench.advance(30_000);
  t.false(session.closed);
  t.is(goawayCode(transport.frames()), undefined);
  session.reached();
  bench.advance(900);
  t.true(session.reading);
  send(frame(settings, 0, 0));
  bench.advance(200);
  t.is(goawayCode(transport.frames()), errorCode.settingsTimeout);
});
