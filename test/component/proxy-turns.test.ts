import { createHash } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import { applyTo, answering, fetchRaw, getRequest, ok, rawServer, startRig, statusOf } from './proxy-rig.ts';
import { frame, preface, settings, type as frameType } from '../strict/http2/wire.ts';
import { eventually, setBackends, startStreamRig, streamBackend, streamTable } from './streams-rig.ts';
import { stopped, type Stopped } from './stopped.ts';

/**
 * Who sends much is read no further after so much before others had their turn. Turns are stopped here, so what passes between two of them can
 * be counted, on real sockets.
 */

const total = 6 * 1024 * 1024;
/** A slice, and the read by which it is exceeded. */
const atOnce = 131_072 + 65_536;
const acceptedBy = (head: string): string =>
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${createHash('sha1').update(`${/^sec-websocket-key: (.*)\r$/im.exec(head)![1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')}\r\n\r\n`;
const handshake = 'GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n\r\n';

class Sink {
  bytes = 0;

  constructor(socket: Duplex) {
    socket.on('data', ({ length }) => (this.bytes += length)).on('error', () => {});
  }

  /** What comes until nothing does. */
  async settled(): Promise<number> {
    for (let before = -1; before !== this.bytes; ) {
      before = this.bytes;
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    return this.bytes;
  }
}

/**
 * `much` was sent before: no turn brings more than a slice of it, others are served, and all of it arrives. Over HTTP/2 turns were needed before, for what
 * the proxy writes leaves in turns, too; and not each brings something, for windows have to be opened.
 */
async function judge(t: ExecutionContext, { turn, goOn }: Stopped<unknown>, sink: Sink, others?: () => Promise<void>, protocol: 'HTTP/1.1' | 'HTTP/2' = 'HTTP/1.1'): Promise<void> {
  let before = await sink.settled();
  t.true(protocol === 'HTTP/2' || (before > 0 && before <= atOnce), `${before} at once`);
  await others?.();
  t.is(await sink.settled(), before, 'nothing passes without a turn');
  // The one in which connections were accepted is for those that may stand behind them.
  turn();
  const then = await sink.settled();
  t.true(protocol === 'HTTP/2' ? then - before <= atOnce : then === before, `${then - before} in the first turn`);
  before = then;
  for (let count = 0; count < 4; count++) {
    turn();
    const now = await sink.settled();
    t.true((now > before || protocol === 'HTTP/2') && now - before <= atOnce, `${now - before} in a turn`);
    before = now;
  }
  t.true(before > 0 && before < total);
  goOn();
  await eventually(() => sink.bytes >= total);
}

/** What the client of a WebSocket reads and writes. */
function webSocketOver(protocol: 'HTTP/1.1' | 'HTTP/2', port: number): { readonly bytes: Duplex; readonly opened: Promise<unknown>; close(): void } {
  if (protocol === 'HTTP/2') {
    const session = connectHttp2(`http://127.0.0.1:${port}`).on('error', () => {});
    const bytes = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/chat', ':authority': 'x' }).on('error', () => {});
    return { bytes, opened: new Promise((resolve) => bytes.once('response', resolve)), close: () => session.destroy() };
  }
  const bytes = connect(port, '127.0.0.1').on('error', () => {});
  bytes.write(handshake);
  return { bytes, opened: new Promise((resolve) => bytes.once('data', resolve)), close: () => bytes.destroy() };
}

async function listening(t: ExecutionContext, serve: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    serve(socket);
  });
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

for (const direction of ['to the endpoint', 'to the client'] as const) {
  for (const protocol of ['HTTP/1.1', 'HTTP/2'] as const) test.serial(`a WebSocket over ${protocol} with much ${direction}: a request beside it is served meanwhile`, async (t) => {
    let sink: Sink | undefined;
    const port = await listening(t, (socket) =>
      socket.once('data', (head) => {
        socket.write(acceptedBy(head.toString('latin1')));
        if (direction === 'to the endpoint') sink = new Sink(socket);
        else socket.write(Buffer.alloc(total));
      }),
    );
    const small = await rawServer(answering(ok('small')));
    const parts = await stopped(() => startRig({ backends: { a: [port] } }));
    const other = await startRig({ backends: { a: [small.port] } });
    const client = webSocketOver(protocol, parts.rig.listener.port);
    t.teardown(async () => {
      client.close();
      await Promise.all([parts.rig.close(), other.close(), small.close()]);
    });
    if (direction === 'to the client') sink = new Sink(client.bytes);
    const turning = protocol === 'HTTP/2' ? setInterval(parts.turn, 5) : undefined;
    await client.opened;
    clearInterval(turning);
    if (direction === 'to the endpoint') client.bytes.resume().write(Buffer.alloc(total));
    await eventually(() => sink !== undefined);
    await judge(t, parts, sink!, async () => {
      t.is(statusOf(await fetchRaw(other.listener.port, getRequest('/', 'Connection: close\r\n'))), 200);
      t.is(statusOf(await fetchRaw(parts.rig.listener.port, 'GET /%2F HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')), 400);
    }, protocol);
  });

  test.serial(`a TCP route with much ${direction}`, async (t) => {
    let sink: Sink | undefined;
    const port = await listening(t, (socket) => {
      if (direction === 'to the endpoint') sink = new Sink(socket);
      else socket.write(Buffer.alloc(total));
    });
    const parts = await stopped(() => startStreamRig());
    setBackends(parts.rig.proxy, { a: [port] });
    applyTo(parts.rig.proxy, { streamTables: { changed: [streamTable('tcp', [{ kind: 'TCPRoute', backends: [streamBackend('a')] }])] } });
    const listener = await parts.rig.listen([{ name: 'tcp', hostname: '', protocol: 'TCP', routes: 'listener/shop/gw/tcp' }]);
    const client = connect(listener.port, '127.0.0.1').on('error', () => {});
    t.teardown(async () => {
      client.destroy();
      await parts.rig.close();
    });
    if (direction === 'to the client') sink = new Sink(client);
    else client.resume().write(Buffer.alloc(total));
    await eventually(() => sink !== undefined && sink.bytes > 0);
    await judge(t, parts, sink!);
  });
}

test.serial('a client of HTTP/2 that sends on behind a fault is not read any more: not ahead either', async (t) => {
  const accepted: Socket[] = [];
  const note = (message: unknown): void => void accepted.push((message as { readonly socket: Socket }).socket);
  subscribe('net.server.socket', note);
  const rig = await startRig({ backends: {} });
  const client = connect(rig.listener.port, '127.0.0.1').on('error', () => {});
  t.teardown(async () => {
    unsubscribe('net.server.socket', note);
    client.destroy();
    await rig.close();
  });
  const sink = new Sink(client);
  const wrong = frame(frameType.ping, 0, 1, 'xxxxxxxx');
  client.write(Buffer.concat([preface, settings({}), wrong, Buffer.alloc(1_000_000)]));
  await eventually(() => sink.bytes > 0);
  await sink.settled();
  t.is(accepted.length, 1);
  t.true(accepted[0]!.bytesRead <= 65_536 + 16_384, `${accepted[0]!.bytesRead}`);
});
