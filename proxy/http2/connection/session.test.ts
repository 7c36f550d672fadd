import test from 'ava';
import { errorCode, flag, frameType, preface } from '../frames/index.ts';
import { clientBench, frame, goawayCode, pairBench, Recorder, requestBlock, responseBlock, serverBench, text, trailerBlock, uint32, type Frame } from '../testing/rig.ts';

const { data, headers, reset, settings, ping, goaway, windowUpdate, continuation } = frameType;
const END = flag.endStream;
const WHOLE = flag.endHeaders;

function open(id: number, fields: Record<string, string> = {}, flags: number = WHOLE): Buffer {
  return frame(headers, flags, id, requestBlock(fields, 'POST'));
}

function resets(frames: readonly Frame[]): [number, number][] {
  return frames.filter((sent) => sent.type === reset).map((sent) => [sent.id, sent.payload.readUInt32BE(0)]);
}

test('a request and a response, both sides', (t) => {
  const { bench, acceptor, client, server, keeper } = pairBench();
  t.deepEqual(keeper.events, ['ready']);
  const user = new Recorder();
  const stream = client.open(requestBlock({ 'x-a': 'b' }, 'POST'), 'POST', user);
  stream.send(Buffer.from('hello'), 0, 5);
  stream.trailers(trailerBlock({ 'x-t': '1' }));
  bench.turn();
  const request = acceptor.requests[0]!;
  t.is(request.body, 'hello');
  t.deepEqual(request.events, ['trailers [["x-t","1"]]', 'ended']);
  request.stream!.headers(responseBlock(103));
  request.stream!.headers(responseBlock(200));
  request.stream!.send(Buffer.from('world'), 0, 5);
  request.stream!.end();
  bench.turn();
  t.deepEqual(user.events, ['interim 103', 'responded 200', 'ended']);
  t.is(user.body, 'world');
  t.is(client.streams.size + server.streams.size, 0);
});

test('the end rides on the last frame, and a whole response is one write', (t) => {
  const { session, send, bench, transport, acceptor } = serverBench();
  send(open(1, {}, WHOLE | END));
  const stream = acceptor.requests[0]!.stream!;
  stream.headers(responseBlock(200));
  stream.send(Buffer.from('abc'), 0, 3);
  stream.end();
  bench.turn();
  t.is(transport.written.length, 1);
  t.deepEqual(transport.frames().map(({ type, flags }) => [type, flags]), [[headers, WHOLE], [data, END]]);
  t.is(session.streams.size, 0);
  send(open(3, {}, WHOLE | END));
  const second = acceptor.requests[1]!.stream!;
  second.headers(responseBlock(204));
  second.end();
  bench.turn();
  t.deepEqual(transport.frames().map(({ type, flags }) => [type, flags]), [[headers, WHOLE | END]]);
  send(open(5, {}, WHOLE | END));
  const third = acceptor.requests[2]!.stream!;
  third.headers(responseBlock(200));
  bench.turn();
  third.end();
  bench.turn();
  t.deepEqual(transport.frames().map(({ type, flags }) => [type, flags]), [[headers, WHOLE], [data, END]]);
});

test('windows: what does not fit waits, and leaves when they open; the source is told', (t) => {
  const { send, bench, transport, acceptor } = serverBench();
  send(open(1, {}, WHOLE | END), open(3, {}, WHOLE | END));
  const [one, two] = acceptor.requests;
  const body = Buffer.alloc(100_000, 0x61);
  one!.stream!.headers(responseBlock(200));
  one!.stream!.send(body, 0, body.length);
  body.fill(0x62);
  bench.turn();
  const sent = (): number => transport.frames().filter((f) => f.type === data).reduce((sum, f) => sum + (text(f.payload).replaceAll('a', '') === '' ? f.payload.length : NaN), 0);
  t.is(sent(), 65_535);
  t.is(one!.stream!.queued, 100_000 - 65_535);
  two!.stream!.headers(responseBlock(200));
  two!.stream!.send(Buffer.from('a'), 0, 1);
  two!.stream!.end();
  t.is(sent(), 0);
  const opened = send(frame(windowUpdate, 0, 0, uint32(100_000)));
  t.deepEqual(opened.map(({ type, id, flags }) => [type, id, flags]), [[headers, 3, WHOLE], [data, 3, END]]);
  one!.stream!.trailers(trailerBlock({ 'x-t': '1' }));
  const rest = send(frame(windowUpdate, 0, 1, uint32(100_000)));
  t.deepEqual(rest.map(({ type, id, flags }) => [type, id, flags]), [[data, 1, 0], [data, 1, 0], [data, 1, 0], [headers, 1, WHOLE | END]]);
});

test('streams take turns at the connection window', (t) => {
  const { send, bench, transport, acceptor } = serverBench();
  send(frame(settings, 0, 0, Buffer.of(0, 4, 0, 16, 0, 0)));
  send(open(1, {}, WHOLE | END), open(3, {}, WHOLE | END));
  const body = Buffer.alloc(100_000);
  for (const { stream } of acceptor.requests) {
    stream!.headers(responseBlock(200));
    stream!.send(body, 0, body.length);
  }
  bench.turn();
  transport.frames();
  const ids = send(frame(windowUpdate, 0, 0, uint32(16_384 * 4))).map(({ id }) => id);
  t.deepEqual(ids, [1, 3, 1, 3]);
});

test('a paused stream gives no window back, until it goes on', (t) => {
  const { bench, client, server, acceptor } = pairBench({ streamWindow: 65_535, connectionWindow: 131_072 });
  const stream = client.open(requestBlock({}, 'POST'), 'POST', new Recorder());
  const request = acceptor.requests;
  bench.turn();
  request[0]!.stream!.pause();
  const body = Buffer.alloc(200_000);
  stream.send(body, 0, body.length);
  bench.turn();
  t.is(request[0]!.bytes, 65_535);
  const other = client.open(requestBlock({}, 'POST'), 'POST', new Recorder());
  other.send(body, 0, 20_000);
  other.end();
  bench.turn();
  t.is(request[1]!.bytes, 20_000);
  request[0]!.stream!.resume();
  bench.turn();
  t.is(request[0]!.bytes, 200_000);
  t.is(server.streams.size, 2);
});

test('what a stream held when it was reset is given back to the connection', (t) => {
  const { bench, client, acceptor } = pairBench({ streamWindow: 65_535, connectionWindow: 65_535 });
  for (let round = 0; round < 5; round++) {
    const stream = client.open(requestBlock({}, 'POST'), 'POST', new Recorder());
    bench.turn();
    const request = acceptor.requests.at(-1)!;
    request.stream!.pause();
    stream.send(Buffer.alloc(60_000), 0, 60_000);
    bench.turn();
    t.is(request.bytes, 60_000, `round ${round}`);
    request.stream!.reset(errorCode.cancel);
    bench.turn();
  }
});

test('a peer that exceeds a window is stopped', (t) => {
  const stream = serverBench({ streamWindow: 65_535, connectionWindow: 200_000 });
  stream.acceptor.onRequest = (opened) => void opened.pause();
  const full = frame(data, 0, 1, Buffer.alloc(16_384));
  t.deepEqual(resets(stream.send(open(1), full, full, full, full)), [[1, errorCode.flowControl]]);
  const connection = serverBench({ streamWindow: 200_000, connectionWindow: 65_535 });
  connection.acceptor.onRequest = (opened) => void opened.pause();
  t.is(goawayCode(connection.send(open(1), full, full, full, full)), errorCode.flowControl);
});

test('content-length is held against the body', (t) => {
  for (const pieces of [
    [open(1, { 'content-length': '5' }), frame(data, END, 1, Buffer.from('1234'))],
    [open(1, { 'content-length': '5' }), frame(data, 0, 1, Buffer.from('123456'))],
    [open(1, { 'content-length': '5' }, WHOLE | END)],
    [open(1, { 'content-length': '5' }), frame(headers, WHOLE | END, 1, trailerBlock({ a: 'b' }))],
  ]) {
    const { send, acceptor } = serverBench();
    t.deepEqual(resets(send(...pieces)), [[1, errorCode.protocol]]);
    t.false(acceptor.requests.some(({ events }) => events.includes('ended') || events.some((event) => event.startsWith('trailers'))));
  }
  const { send, acceptor } = serverBench();
  t.deepEqual(send(open(1, { 'content-length': '5' }), frame(data, END, 1, Buffer.from('12345'))), []);
  t.deepEqual(acceptor.requests[0]!.events, ['ended']);
});

test('padding counts and is not delivered', (t) => {
  const { send, acceptor } = serverBench();
  send(open(1), frame(data, flag.padded, 1, Buffer.from('\x03abc\0\0\0', 'latin1')), frame(data, flag.padded | END, 1, Buffer.of(4, 0, 0, 0, 0)));
  t.is(acceptor.requests[0]!.body, 'abc');
  t.deepEqual(acceptor.requests[0]!.events, ['ended']);
  t.is(goawayCode(send(open(3), frame(data, flag.padded, 3, Buffer.of(2, 0)))), errorCode.protocol);
});

test('any cut of the bytes reads the same', (t) => {
  const block = requestBlock({ 'x-a': 'b'.repeat(50) }, 'POST');
  const bytes = Buffer.concat([
    frame(headers, 0, 1, block.subarray(0, 7)),
    frame(continuation, 0, 1, block.subarray(7, 20)),
    frame(continuation, WHOLE, 1, block.subarray(20)),
    frame(data, flag.padded, 1, Buffer.from('\x02hello\0\0', 'latin1')),
    frame(ping, 0, 0, Buffer.from('12345678')),
    frame(data, 0, 1),
    frame(headers, WHOLE | END, 1, trailerBlock({ 'x-t': '2' })),
  ]);
  for (let size = 1; size < bytes.length; size++) {
    const { send, acceptor } = serverBench();
    const sent: Frame[] = [];
    for (let p = 0; p < bytes.length; p += size) sent.push(...send(bytes.subarray(p, p + size)));
    t.is(acceptor.requests[0]!.body, 'hello');
    t.deepEqual(acceptor.requests[0]!.events, ['trailers [["x-t","2"]]', 'ended']);
    t.deepEqual(sent.map(({ type, flags }) => [type, flags]), [[ping, flag.ack]]);
  }
});

test('frames on streams that are over: after our reset dropped, after theirs refused, after the end a fault', (t) => {
  const { send, acceptor, bench, transport } = serverBench();
  send(open(1), open(3), open(5, {}, WHOLE | END));
  acceptor.requests[0]!.stream!.reset(errorCode.cancel);
  bench.turn();
  transport.frames();
  t.deepEqual(send(frame(data, 0, 1, Buffer.from('x')), frame(headers, WHOLE | END, 1, trailerBlock({ a: 'b' })), frame(windowUpdate, 0, 1, uint32(1)), frame(reset, 0, 1, uint32(8))), []);
  t.deepEqual(resets(send(frame(reset, 0, 3, uint32(8)), frame(data, 0, 3, Buffer.from('x')))), [[3, errorCode.streamClosed]]);
  const last = acceptor.requests[2]!.stream!;
  last.headers(responseBlock(200));
  last.end();
  t.is(goawayCode(send(frame(data, 0, 5, Buffer.from('x')))), errorCode.streamClosed);
});

test('the decoder keeps pace with blocks that are not wanted', (t) => {
  const { send, acceptor, bench } = serverBench();
  send(open(1));
  acceptor.requests[0]!.stream!.reset(errorCode.cancel);
  bench.turn();
  const indexing = Buffer.from('400161', 'hex');
  send(frame(headers, WHOLE | END, 1, Buffer.concat([indexing, Buffer.from('\x01b')])));
  send(frame(headers, WHOLE | END, 3, Buffer.concat([requestBlock(), Buffer.of(0xbe)])));
  t.is(acceptor.requests.length, 2);
});

test('more streams than allowed are refused, and can be tried again', (t) => {
  const { send, acceptor, bench, transport } = serverBench({ maxConcurrentStreams: 2 });
  t.deepEqual(resets(send(open(1), open(3), open(5))), [[5, errorCode.refusedStream]]);
  acceptor.requests[0]!.stream!.reset(errorCode.cancel);
  bench.turn();
  transport.frames();
  t.deepEqual(resets(send(open(7))), []);
  t.is(acceptor.requests.length, 3);
});

test('malformed requests are reset and never seen; those that are too large are answered', (t) => {
  const { send, acceptor } = serverBench();
  t.deepEqual(resets(send(frame(headers, WHOLE, 1, requestBlock({ connection: 'close' })))), [[1, errorCode.protocol]]);
  t.deepEqual(acceptor.events, ['refused connection-field']);
  const sent = send(open(3, { 'x-a': 'y'.repeat(16_000), 'x-b': 'y'.repeat(100) }, WHOLE | END));
  t.deepEqual(sent, []);
  const big = requestBlock(Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`x-${index}`, 'y'.repeat(14_000)])));
  const pieces = [frame(headers, END, 5, big.subarray(0, 16_384))];
  for (let p = 16_384; p < 65_536; p += 16_384) pieces.push(frame(continuation, p + 16_384 >= 65_536 ? WHOLE : 0, 5, big.subarray(p, Math.min(p + 16_384, 65_530))));
  t.is(goawayCode(send(...pieces)), errorCode.compression);
  const fresh = serverBench();
  const bomb = Buffer.concat([requestBlock(), Buffer.from('4001787f811e', 'hex'), Buffer.alloc(3968, 0x61), Buffer.alloc(100, 0xbe)]);
  const answered = fresh.send(frame(headers, WHOLE | END, 1, bomb));
  t.deepEqual(fresh.acceptor.events, ['head-too-large']);
  t.deepEqual(answered.map(({ type, flags }) => [type, flags]), [[headers, WHOLE | END]]);
});

test('waits: SETTINGS that are not acknowledged, a frame that does not end, a connection without streams', (t) => {
  const silent = clientBench({ settingsAckMs: 1000 });
  silent.send(frame(settings, 0, 0));
  silent.bench.advance(1100);
  t.is(goawayCode(silent.transport.frames()), errorCode.settingsTimeout);
  const slow = serverBench({ frameMs: 1000 });
  slow.send(frame(headers, 0, 1, requestBlock()));
  slow.bench.advance(500);
  slow.send(frame(continuation, 0, 1));
  slow.bench.advance(600);
  t.is(goawayCode(slow.transport.frames()), errorCode.enhanceYourCalm);
  const idle = serverBench({ idleMs: 1000 });
  idle.bench.advance(1100);
  t.is(goawayCode(idle.transport.frames()), errorCode.none);
  t.is(idle.transport.state, 'ended');
  t.deepEqual(idle.acceptor.events, ['closed 0 done']);
  idle.bench.advance(1100);
  t.is(idle.transport.state, 'destroyed');
});

test('a long upload in pieces that end amid frames is not taken for a slow frame; single bytes of a head are', (t) => {
  const { bench, session, send, acceptor } = serverBench({ frameMs: 1000 });
  send(open(1));
  const piece = frame(data, 0, 1, Buffer.alloc(1000));
  const bytes = Buffer.concat(Array.from({ length: 30 }, () => piece));
  for (let p = 0; p < bytes.length; p += 1000) {
    send(bytes.subarray(p, p + 1000));
    bench.advance(400);
  }
  t.true(session.reading);
  t.is(acceptor.requests[0]!.bytes, 30_000);
  const heads = Buffer.concat(Array.from({ length: 30 }, (_, index) => open(2 * index + 3, {}, WHOLE | END)));
  for (let p = 0; p < heads.length; p += 30) {
    send(heads.subarray(p, p + 30));
    bench.advance(400);
  }
  t.true(session.reading);
  const slow = open(99);
  for (let p = 0; p < 10; p++) {
    send(slow.subarray(p, p + 1));
    bench.advance(400);
  }
  t.false(session.reading);
});

test('keep-alive: asks for a sign of life, and gives up without one', (t) => {
  const { bench, transport, send, session } = serverBench({ keepAliveMs: 1000, keepAliveTimeoutMs: 500, idleMs: 0 });
  bench.advance(1100);
  const [asked] = transport.frames();
  t.is(asked!.type, ping);
  send(frame(ping, flag.ack, 0, asked!.payload));
  bench.advance(1100);
  t.is(transport.frames()[0]!.type, ping);
  t.true(session.reading);
  bench.advance(600);
  t.is(goawayCode(transport.frames()), errorCode.none);
  t.false(session.reading);
});

test('leaving, as a server: first notice, then the last stream, then the end; nothing that began is lost', (t) => {
  const { session, send, acceptor, bench, transport } = serverBench();
  send(open(1, {}, WHOLE | END));
  session.leave();
  bench.turn();
  const [notice, probe] = transport.frames();
  t.deepEqual([notice!.type, notice!.payload.readUInt32BE(0)], [goaway, 0x7fffffff]);
  // On its way when the client had not heard of it.
  send(open(3, {}, WHOLE | END));
  t.is(acceptor.requests.length, 2);
  const final = send(frame(ping, flag.ack, 0, probe!.payload));
  t.deepEqual([final[0]!.type, final[0]!.payload.readUInt32BE(0)], [goaway, 3]);
  t.deepEqual(resets(send(open(5, {}, WHOLE | END))), [[5, errorCode.refusedStream]]);
  for (const { stream } of acceptor.requests) {
    t.is(transport.state, 'open');
    stream!.headers(responseBlock(200));
    stream!.end();
  }
  t.is(transport.state, 'ended');
  t.is(acceptor.events.at(-1), 'closed 0 done');
});

test('a client that answers no PING gets the final GOAWAY all the same', (t) => {
  const { session, send, bench, transport } = serverBench({ drainNoticeMs: 1000 });
  send(open(1, {}, WHOLE | END));
  session.leave();
  bench.turn();
  transport.frames();
  bench.advance(1100);
  t.is(transport.frames()[0]!.payload.readUInt32BE(0), 1);
});

test('leaving, as a client: what the server has not begun with is told to be tried again', (t) => {
  const { session, send, keeper, transport } = clientBench();
  send(frame(settings, 0, 0), frame(settings, flag.ack, 0));
  const users = [new Recorder(), new Recorder()];
  for (const user of users) session.open(requestBlock(), 'GET', user).end();
  send(frame(goaway, 0, 0, uint32(1, 0)));
  t.false(session.canOpen);
  t.deepEqual(users[1]!.events, [`failed ${errorCode.refusedStream} goaway`]);
  t.is(transport.state, 'open');
  send(frame(headers, WHOLE | END, 1, responseBlock(200)));
  t.deepEqual(users[0]!.events, ['responded 200', 'ended']);
  t.deepEqual(keeper.events, ['ready', 'leaving', 'closed 0 done']);
  t.is(transport.state, 'ended');
});

test('a client respects the bound of the server, and is told when there is room', (t) => {
  const { session, send, keeper } = clientBench();
  send(frame(settings, 0, 0, Buffer.of(0, 3, 0, 0, 0, 1)), frame(settings, flag.ack, 0));
  t.true(session.canOpen);
  session.open(requestBlock(), 'GET', new Recorder()).end();
  t.false(session.canOpen);
  send(frame(headers, WHOLE | END, 1, responseBlock(200)));
  t.true(session.canOpen);
  t.deepEqual(keeper.events, ['ready', 'available']);
});

test('what a client does not take from a server', (t) => {
  const cases: Record<string, readonly [readonly Buffer[], number]> = {
    push: [[frame(frameType.pushPromise, WHOLE, 1, Buffer.concat([uint32(2), responseBlock(200)]))], errorCode.protocol],
    'a stream of its own': [[frame(headers, WHOLE, 2, responseBlock(200))], errorCode.protocol],
    'a stream that was not opened': [[frame(headers, WHOLE, 3, responseBlock(200))], errorCode.protocol],
    'push allowed': [[frame(settings, 0, 0, Buffer.of(0, 2, 0, 0, 0, 1))], errorCode.protocol],
  };
  for (const [what, [frames, code]] of Object.entries(cases)) {
    const { session, send } = clientBench();
    send(frame(settings, 0, 0));
    session.open(requestBlock(), 'GET', new Recorder());
    t.is(goawayCode(send(...frames)), code, what);
  }
});

test('responses that are malformed', (t) => {
  const cases: Record<string, readonly Buffer[]> = {
    'data before the head': [frame(data, 0, 1, Buffer.from('x'))],
    'an interim response that ends': [frame(headers, WHOLE | END, 1, responseBlock(103))],
    '101': [frame(headers, WHOLE, 1, responseBlock(101))],
    'a second head': [frame(headers, WHOLE, 1, responseBlock(200)), frame(headers, WHOLE, 1, responseBlock(200))],
    'trailers without an end': [frame(headers, WHOLE, 1, responseBlock(200)), frame(headers, WHOLE, 1, trailerBlock({ a: 'b' }))],
    'less than its length': [frame(headers, WHOLE | END, 1, responseBlock(200, { 'content-length': '5' }))],
  };
  for (const [what, frames] of Object.entries(cases)) {
    const { session, send } = clientBench();
    send(frame(settings, 0, 0));
    const user = new Recorder();
    session.open(requestBlock(), 'GET', user);
    t.deepEqual(resets(send(...frames)), [[1, errorCode.protocol]], what);
    t.regex(user.events.at(-1)!, /^failed 1 /, what);
    t.false(user.events.includes('ended'));
  }
});

test('a response to HEAD has a length and no body', (t) => {
  const { session, send } = clientBench();
  send(frame(settings, 0, 0));
  const user = new Recorder();
  session.open(requestBlock({}, 'HEAD'), 'HEAD', user).end();
  t.deepEqual(resets(send(frame(headers, WHOLE | END, 1, responseBlock(200, { 'content-length': '5' })))), []);
  t.deepEqual(user.events, ['responded 200', 'ended']);
});

test('a decoder with a smaller table is told that we know', (t) => {
  const { session, send, bench, transport } = clientBench();
  send(frame(settings, 0, 0, Buffer.of(0, 1, 0, 0, 0, 0)));
  session.open(requestBlock(), 'GET', new Recorder());
  bench.turn();
  t.is(transport.frames()[0]!.payload[0], 0x20);
  session.open(requestBlock(), 'GET', new Recorder());
  bench.turn();
  t.deepEqual(transport.frames()[0]!.payload, requestBlock());
});

test('head blocks larger than a frame are continued', (t) => {
  const { bench, client, acceptor } = pairBench();
  const fields = Object.fromEntries(Array.from({ length: 4 }, (_, index) => [`x-${index}`, String(index).repeat(12_000)]));
  client.open(requestBlock(fields), 'GET', new Recorder()).end();
  bench.turn();
  t.deepEqual(acceptor.requests[0]!.events, ['ended']);
});

test('a transport that is gone fails what is open, once', (t) => {
  const { session, send, acceptor } = serverBench();
  send(open(1));
  session.gone('ECONNRESET');
  session.gone('closed');
  t.deepEqual(acceptor.requests[0]!.events, [`failed ${errorCode.cancel} ECONNRESET`]);
  t.deepEqual(acceptor.events.slice(1), [`closed ${errorCode.cancel} ECONNRESET`]);
});

test('a client that ends its side still gets what it asked for in full', (t) => {
  const { session, send, acceptor, transport, bench } = serverBench();
  send(open(1, {}, WHOLE | END), open(3));
  session.ended();
  t.deepEqual(acceptor.requests[1]!.events, [`failed ${errorCode.cancel} connection-ended`]);
  const { stream } = acceptor.requests[0]!;
  stream!.headers(responseBlock(200));
  stream!.end();
  bench.turn();
  t.true(transport.frames().some(({ type, id }) => type === headers && id === 1));
  t.is(transport.state, 'ended');
});

test('a client that ended its side and is owed something is written to from time to time: its network tells where it is gone', (t) => {
  const { session, send, acceptor, transport, bench } = serverBench({ halfClosedPingMs: 1000 });
  send(open(1, {}, WHOLE | END));
  session.ended();
  bench.advance(1100);
  bench.advance(1100);
  t.is(transport.frames().filter(({ type }) => type === ping).length, 2);
  session.gone('EPIPE');
  t.is(acceptor.requests[0]!.events.at(-1), `failed ${errorCode.cancel} EPIPE`);
});

test('a preface that is none, and a first frame that is not SETTINGS', (t) => {
  const { session, transport, bench, acceptor } = serverBench();
  t.true(session.reading);
  t.is(acceptor.events.length, 0);
  transport.frames();
  const other = clientBench();
  t.is(goawayCode(other.send(frame(ping, 0, 0, Buffer.alloc(8)))), errorCode.protocol);
  t.is(preface.length, 24);
  bench.turn();
});

test('what comes behind the end of a stream is its fault, and so is a window beyond the largest', (t) => {
  const { send, bench, acceptor } = serverBench();
  send(open(1, {}, WHOLE | END), open(3, {}, WHOLE | END), open(5));
  bench.turn();
  t.deepEqual(resets(send(frame(data, 0, 1, Buffer.from('late')))), [[1, errorCode.streamClosed]]);
  t.deepEqual(resets(send(frame(headers, WHOLE | END, 3, trailerBlock({ a: 'b' })))), [[3, errorCode.streamClosed]]);
  t.deepEqual(resets(send(frame(windowUpdate, 0, 5, uint32(2 ** 31 - 1)))), [[5, errorCode.flowControl]]);
  t.is(acceptor.requests[0]!.body, '');
  t.is(goawayCode(send(open(7))), undefined, 'the connection goes on');
});

test('settings are acknowledged, once each, and an acknowledgement is not', (t) => {
  const { send, transport } = serverBench();
  transport.frames();
  const acks = (...frames: readonly Buffer[]): number => send(...frames).filter(({ type, flags }) => type === settings && flags === flag.ack).length;
  t.is(acks(frame(settings, 0, 0, Buffer.of(0, 3, 0, 0, 0, 9))), 1);
  t.is(acks(frame(settings, 0, 0), frame(settings, 0, 0)), 2);
  t.is(acks(frame(settings, flag.ack, 0)), 0);
});
