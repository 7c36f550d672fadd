import test, { type ExecutionContext } from 'ava';
import { connect, type Socket } from 'node:net';
import { answering, rawServer, startRig } from './proxy-rig.ts';

/** Requests on streams of HTTP/2 that are answered before their end, frame by frame. */

const type = { data: 0, headers: 1, reset: 3, settings: 4, goaway: 7 } as const;
const endStream = 1;

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

class FrameClient {
  readonly frames: Frame[] = [];
  closed = false;
  readonly #socket: Socket;
  #input = Buffer.alloc(0);

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => (this.closed = true));
    this.#socket.on('data', (bytes: Buffer) => this.#take(bytes));
    this.#socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    this.send(type.settings, 0, 0);
    this.send(type.settings, 1, 0);
  }

  send(kind: number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)): void {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(kind, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(id, 5);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  /** A request whose body follows: POST, http, `/`, of the static table, and the authority `x`. */
  post(id: number): void {
    this.send(type.headers, 4, id, Buffer.from([0x83, 0x86, 0x84, 0x41, 0x01, 0x78]));
  }

  has(kind: number, id: number, flags = 0): boolean {
    return this.frames.some((frame) => frame.type === kind && frame.id === id && (frame.flags & flags) === flags);
  }

  async until(done: () => boolean): Promise<void> {
    const deadline = performance.now() + 8000;
    while (!done()) {
      if (performance.now() > deadline) throw new Error(`not received: ${JSON.stringify(this.frames)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#input = Buffer.concat([this.#input, bytes]);
    while (this.#input.length >= 9 && this.#input.length >= 9 + this.#input.readUIntBE(0, 3)) {
      const end = 9 + this.#input.readUIntBE(0, 3);
      this.frames.push({ type: this.#input.readUInt8(3), flags: this.#input.readUInt8(4), id: this.#input.readUInt32BE(5), payload: this.#input.subarray(9, end) });
      this.#input = this.#input.subarray(end);
    }
  }
}

async function client(t: ExecutionContext): Promise<FrameClient> {
  const server = await rawServer(answering('HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\ntoo'));
  const rig = await startRig({ backends: { a: [server.port] } });
  const one = new FrameClient(rig.listener.port);
  t.teardown(async () => {
    one.close();
    await rig.close();
    await server.close();
  });
  return one;
}

const kilobyte = Buffer.alloc(1024);

test('who ends its request behind the response is not reset', async (t) => {
  const one = await client(t);
  one.post(1);
  one.send(type.data, 0, 1, kilobyte);
  await one.until(() => one.has(type.data, 1, endStream));
  one.send(type.data, 0, 1, kilobyte);
  one.send(type.data, endStream, 1, kilobyte);
  // Another request, later than any reset would come.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  one.post(3);
  await one.until(() => one.has(type.data, 3, endStream));
  t.false(one.has(type.reset, 1));
});

test('who goes on is reset behind the response, without an error, and not at once', async (t) => {
  const one = await client(t);
  one.post(1);
  await one.until(() => one.has(type.headers, 1) && one.has(type.data, 1, endStream));
  // Whatever else is asked for is answered before.
  one.send(type.headers, 5, 3, Buffer.from([0x82, 0x86, 0x84, 0x41, 0x01, 0x78]));
  await one.until(() => one.has(type.data, 3, endStream));
  t.false(one.has(type.reset, 1));
  one.send(type.data, 0, 1, kilobyte);
  await one.until(() => one.has(type.reset, 1));
  t.is(one.frames.find((frame) => frame.type === type.reset)!.payload.readUInt32BE(0), 0);
});

test('who leaves as it has its answer may do so as often as it likes', async (t) => {
  const one = await client(t);
  for (let id = 1; id < 1000; id += 2) {
    one.post(id);
    one.send(type.data, 0, id, kilobyte);
    await one.until(() => one.has(type.data, id, endStream));
    one.send(type.reset, 0, id, Buffer.from([0, 0, 0, 8]));
  }
  one.post(1001);
  await one.until(() => one.has(type.data, 1001, endStream));
  t.false(one.closed || one.has(type.goaway, 0));
});

test('what comes behind the response takes nothing from the connection’s window', async (t) => {
  const one = await client(t);
  const frame = Buffer.alloc(16_384);
  let sent = 0;
  for (let id = 1; id < 60; id += 2) {
    one.post(id);
    await one.until(() => one.has(type.data, id, endStream));
    for (let count = 0; count < 15; count++) one.send(type.data, 0, id, frame);
    sent += 15 * frame.length;
  }
  t.true(sent > 4 * 1024 * 1024);
  const widened = (): number => one.frames.filter((each) => each.type === 8 && each.id === 0).reduce((sum, each) => sum + each.payload.readUInt32BE(0), 0);
  await one.until(() => widened() >= sent / 2);
  t.false(one.has(type.goaway, 0));
});
