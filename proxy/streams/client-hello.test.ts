import { connect, createServer, type AddressInfo } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import test from 'ava';
import fc from 'fast-check';
import { maxHelloBytes, readClientHello } from './client-hello.ts';

const u8 = (value: number): Buffer => Buffer.from([value]);
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const u24 = (value: number): Buffer => Buffer.from([value >> 16, (value >> 8) & 255, value & 255]);
const vector8 = (bytes: Buffer): Buffer => Buffer.concat([u8(bytes.length), bytes]);
const vector16 = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);
const extension = (type: number, data: Buffer): Buffer => Buffer.concat([u16(type), vector16(data)]);
const nameEntry = (name: string, type = 0): Buffer => Buffer.concat([u8(type), vector16(Buffer.from(name, 'latin1'))]);
const serverName = (...names: readonly string[]): Buffer => extension(0, vector16(Buffer.concat(names.map((name) => nameEntry(name)))));
const record = (bytes: Buffer, type = 22): Buffer => Buffer.concat([u8(type), Buffer.from([3, 1]), vector16(bytes)]);
const message = (body: Buffer): Buffer => Buffer.concat([u8(1), u24(body.length), body]);

function body(extensions: Buffer | undefined, parts: { readonly session?: Buffer; readonly ciphers?: Buffer; readonly compressions?: Buffer } = {}): Buffer {
  const head = [Buffer.from([3, 3]), Buffer.alloc(32, 7), vector8(parts.session ?? Buffer.alloc(32)), vector16(parts.ciphers ?? Buffer.from([0x13, 1])), vector8(parts.compressions ?? Buffer.alloc(1))];
  return Buffer.concat(extensions === undefined ? head : [...head, vector16(extensions)]);
}

const hello = (...extensions: readonly Buffer[]): Buffer => record(message(body(Buffer.concat(extensions))));
const named = (name: string) => ({ kind: 'hello', serverName: name }) as const;

/** What Node's own client sends first. */
async function realHello(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (bytes: Buffer) => {
        resolve(bytes);
        socket.destroy();
        server.close();
      });
    });
    server.listen(0, '127.0.0.1', () => {
      connectTls({ socket: connect((server.address() as AddressInfo).port, '127.0.0.1'), ...options }).on('error', () => {});
    });
  });
}

test('hellos of a real client, with and without server name, 1.2 and 1.3', async (t) => {
  t.deepEqual(readClientHello(await realHello({ servername: 'Shop.Example' })), named('shop.example'));
  t.deepEqual(readClientHello(await realHello({ servername: 'a.example', maxVersion: 'TLSv1.2', ALPNProtocols: ['h2', 'http/1.1'] })), named('a.example'));
  t.deepEqual(readClientHello(await realHello({})), named(''));
});

test('GREASE, encrypted hellos, padding and a hundred unknown extensions are passed over', (t) => {
  const unknown = Array.from({ length: 100 }, (_, index) => extension(0x8000 + index, Buffer.alloc(index)));
  const ech = extension(0xfe0d, Buffer.alloc(300, 9));
  t.deepEqual(readClientHello(hello(extension(0x0a0a, Buffer.alloc(0)), ech, serverName('outer.example'), ...unknown, extension(21, Buffer.alloc(2000)), extension(0x1a1a, Buffer.alloc(1)))), named('outer.example'));
  t.deepEqual(readClientHello(record(message(body(undefined)))), named(''));
  t.deepEqual(readClientHello(Buffer.concat([hello(serverName('a.example.')), record(Buffer.alloc(50), 23)])), named('a.example'));
});

test('a hello in single bytes, and one spread over records, says the same; before its end it asks for what is missing', (t) => {
  const whole = message(body(serverName('a.example')));
  const spread = Buffer.concat(Array.from({ length: Math.ceil(whole.length / 3) }, (_, index) => record(whole.subarray(index * 3, index * 3 + 3))));
  for (const bytes of [record(whole), spread]) {
    for (let length = 0; length < bytes.length; length++) {
      const verdict = readClientHello(bytes.subarray(0, length));
      if (verdict.kind !== 'more') return t.fail(`${length}: ${JSON.stringify(verdict)}`);
      t.true(verdict.bytes > length && verdict.bytes <= bytes.length);
    }
    t.deepEqual(readClientHello(bytes), named('a.example'));
  }
});

const faults: readonly [name: string, bytes: Buffer, reason: string][] = [
  ['another message', record(Buffer.from([2, 0, 0, 0])), 'no-client-hello'],
  ['an empty record', Buffer.concat([record(message(body(undefined)).subarray(0, 10)), record(Buffer.alloc(0))]), 'record-length'],
  ['a record over the limit', Buffer.from([22, 3, 1, 0x40, 1]), 'record-length'],
  ['an alert in the middle', Buffer.concat([record(message(body(undefined)).subarray(0, 10)), record(Buffer.from([1, 0]), 21)]), 'record-type'],
  ['a message over the limit', record(Buffer.concat([u8(1), u24(65_537)])), 'hello-length'],
  ['too many records', Buffer.concat(Array.from({ length: 300 }, (_, index) => record(message(body(extension(21, Buffer.alloc(400)))).subarray(index, index + 1)))), 'records'],
  ['something behind the hello', record(Buffer.concat([message(body(undefined)), u8(0)])), 'bytes-behind-hello'],
  ['a body that ends early', record(message(Buffer.alloc(20, 3))), 'short'],
  ['SSL 2', record(message(Buffer.concat([Buffer.from([2, 0]), body(undefined).subarray(2)]))), 'version'],
  ['a long session id', record(message(body(undefined, { session: Buffer.alloc(33) }))), 'lengths'],
  ['half a cipher suite', record(message(body(undefined, { ciphers: Buffer.alloc(3) }))), 'lengths'],
  ['no compression', record(message(body(undefined, { compressions: Buffer.alloc(0) }))), 'lengths'],
  ['bytes behind the extensions', record(message(Buffer.concat([body(Buffer.alloc(0)), u8(0)]))), 'extensions-length'],
  ['an extension that ends early', hello(Buffer.from([0, 5, 0, 9, 1])), 'extension-length'],
  ['two server name extensions', hello(serverName('a'), serverName('a')), 'two-server-names'],
  ['two names', hello(serverName('a', 'b')), 'server-name'],
  ['no name', hello(serverName()), 'server-name'],
  ['an empty name', hello(serverName('')), 'server-name'],
  ['another type of name', hello(extension(0, vector16(nameEntry('a', 1)))), 'server-name'],
  ['a name with a zero byte', hello(serverName('a\0.example')), 'server-name'],
  ['an empty label', hello(serverName('a..example')), 'server-name'],
  ['a wildcard', hello(serverName('*.example')), 'server-name'],
  ['a name that is too long', hello(serverName(`${'a'.repeat(60)}.`.repeat(5))), 'server-name'],
];

for (const [name, bytes, reason] of faults) {
  test(`refused: ${name}`, (t) => {
    t.deepEqual(readClientHello(bytes), { kind: 'malformed', reason });
  });
}

test('what is not TLS is told apart by its first bytes', (t) => {
  for (const text of ['GET / HTTP/1.1\r\n', '\x80\x2e\x01\x03\x01', 'SSH-2.0', '\x16\x02']) t.is(readClientHello(Buffer.from(text, 'latin1')).kind, 'foreign');
});

test('property: no bytes make it throw, and it never waits for more than it would keep', (t) => {
  const base = hello(extension(0x0a0a, Buffer.alloc(0)), serverName('a.example'), extension(16, Buffer.alloc(30)));
  const mutated = fc.tuple(fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 4 }), fc.nat(base.length)).map(([changes, length]) => {
    const copy = Buffer.from(base);
    for (const [at, value] of changes) copy[at] = value;
    return copy.subarray(0, length);
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated, fc.uint8Array({ maxLength: 100 }).map((rest) => record(message(Buffer.from(rest))))), (bytes) => {
      const verdict = readClientHello(bytes);
      if (verdict.kind === 'more') return verdict.bytes > bytes.length && verdict.bytes <= maxHelloBytes;
      return verdict.kind !== 'hello' || /^[a-z0-9._-]*$/.test(verdict.serverName);
    }),
    { numRuns: 5000 },
  );
  t.pass();
});
