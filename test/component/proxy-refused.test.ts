import test from 'ava';
import type { ListenerSection } from '#snapshot';
import { applyTo, backendNamed, RawClient, tableOf } from './proxy-rig.ts';
import { eventually, startStreamRig, type StreamRig } from './streams-rig.ts';

/** What the access log says of requests that are refused: who asked for what, as far as it can be told. */

const section: ListenerSection = { name: 'http', hostname: '', protocol: 'HTTP', routes: 'listener/shop/gw/http', policy: { origins: {}, timeouts: { requestHeaders: '200ms' } } };

async function start(): Promise<{ readonly rig: StreamRig; readonly port: number }> {
  const rig = await startStreamRig({ limits: { maxTargetBytes: 8192 } });
  applyTo(rig.proxy, { backends: { changed: [backendNamed('a')] }, routeTables: { changed: [tableOf([{}])] } });
  const { port } = await rig.listen([section]);
  return { rig, port };
}

async function lineFor(request: string): Promise<Record<string, unknown>> {
  const { rig, port } = await start();
  const client = new RawClient(port);
  client.send(request);
  await eventually(async () => (await rig.logged()).length > 0);
  client.close();
  await rig.close();
  return rig.log[0]!;
}

const host = 'Host: shop.example:81\r\n';
const cases: Readonly<Record<string, readonly [request: string, line: Readonly<Record<string, unknown>>]>> = {
  'an escaped slash': [`GET /a%2Fb?c=d HTTP/1.1\r\n${host}\r\n`, { method: 'GET', host: 'shop.example:81', path: '/a%2Fb?c=d', status: 400, failure: 'bad-request', reason: 'path' }],
  'a host that is none': ['POST /a HTTP/1.1\r\nA: b\r\nhost:   me@shop \r\n\r\n', { method: 'POST', host: 'me@shop', path: '/a', status: 400, reason: 'host' }],
  'no host': [`GET /a HTTP/1.1\r\n\r\nHost: of-a-body\r\n\r\n`, { host: '', path: '/a', reason: 'host-missing' }],
  'two hosts': [`GET /a HTTP/1.1\r\n${host}Host: other\r\n\r\n`, { host: 'shop.example:81', path: '/a', reason: 'several-hosts' }],
  'a target with a control byte': [`GET /a\x01b HTTP/1.1\r\n${host}\r\n`, { host: 'shop.example:81', path: '/a\x01b', reason: 'target' }],
  'a target with a space': [`GET /a b HTTP/1.1\r\n${host}\r\n`, { host: 'shop.example:81', path: '/a b', reason: 'not-http' }],
  'another scheme': [`GET ftp://shop.example/a HTTP/1.1\r\n${host}\r\n`, { host: 'shop.example:81', path: 'ftp://shop.example/a', reason: 'target' }],
  'a target that is too long': [`GET /${'a'.repeat(20_000)} HTTP/1.1\r\n${host}\r\n`, { method: 'GET', host: '', path: `/${'a'.repeat(1023)}…`, status: 414, failure: 'target-too-long' }],
  'a head that is too long': [`GET /a HTTP/1.1\r\n${host}A: ${'b'.repeat(70_000)}\r\n\r\n`, { host: 'shop.example:81', path: '/a', status: 431, failure: 'head-too-large' }],
  'a broken field': [`GET /a HTTP/1.1\r\n${host}A : b\r\n\r\n`, { host: 'shop.example:81', path: '/a', reason: 'field-name' }],
  'another version': [`GET /a HTTP/1.9\r\n${host}\r\n`, { host: 'shop.example:81', path: '/a', status: 505, failure: 'unsupported-version' }],
  'an expectation': [`PUT /a HTTP/1.1\r\n${host}Expect: more\r\n\r\n`, { method: 'PUT', host: 'shop.example:81', path: '/a', status: 417, failure: 'expectation-failed' }],
  'a coding': [`PUT /a HTTP/1.1\r\n${host}Transfer-Encoding: gzip\r\n\r\n`, { host: 'shop.example:81', path: '/a', status: 501, failure: 'unsupported-transfer-coding' }],
  'a head without end': [`GET /slow HTTP/1.1\r\n${host}A: b`, { host: 'shop.example:81', path: '/slow', status: 408, failure: 'header-timeout' }],
  'TLS on a port without': ['\x16\x03\x01\x02\x00\x01\x00\x01', { method: '', host: '', path: '', status: 400, reason: 'tls' }],
  'empty lines before it': [`\r\n\r\nGET /a%2Fb HTTP/1.1\r\n${host}\r\n`, { method: 'GET', host: 'shop.example:81', path: '/a%2Fb', status: 400, reason: 'path' }],
  'no HTTP at all': ['\x00\x01GET / \r\n\r\n', { method: '', host: '', path: '', status: 400, reason: 'method' }],
};

for (const [title, [request, line]] of Object.entries(cases)) {
  test(`the log says what was asked for: ${title}`, async (t) => {
    t.like(await lineFor(request), line);
  });
}

test('a head that comes in pieces, and never whole, is shown as far as it came', async (t) => {
  const { rig, port } = await start();
  const client = new RawClient(port);
  client.socket.setNoDelay(true);
  for (const piece of ['GET /sl', 'ow HTTP/1.1\r\nHo', 'st: shop.example\r\nA: ', 'b', 'c']) {
    client.socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await eventually(async () => (await rig.logged()).length > 0);
  t.like(rig.log[0], { method: 'GET', host: 'shop.example', path: '/slow', failure: 'header-timeout' });
  client.close();
  await rig.close();
});

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');

/** HEADERS of one request, all literal. */
function headers(stream: number, fields: readonly (readonly [string, string])[]): Buffer {
  const block = Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), lengthOf(value), Buffer.from(value, 'latin1')])));
  const head = Buffer.alloc(9);
  head.writeUIntBE(block.length, 0, 3);
  head[3] = 1;
  head[4] = 5;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, block]);
}

/** RFC 7541, 5.1, seven bits. */
function lengthOf({ length }: string): Buffer {
  if (length < 127) return Buffer.of(length);
  const bytes = [127];
  for (let rest = length - 127; ; rest = Math.floor(rest / 128)) {
    bytes.push(rest < 128 ? rest : 128 | rest % 128);
    if (rest < 128) return Buffer.from(bytes);
  }
}

const common = [[':method', 'GET'], [':scheme', 'http'], [':authority', 'shop.example'], [':path', '/a']] as const;
const http2Cases: Readonly<Record<string, readonly [fields: readonly (readonly [string, string])[], line: Readonly<Record<string, unknown>>]>> = {
  'an escaped slash': [[...common.slice(0, 3), [':path', '/a%2Fb']], { host: 'shop.example', path: '/a%2Fb', status: 400, reason: 'path' }],
  'a field of HTTP/1.1': [[...common, ['connection', 'close']], { host: 'shop.example', path: '/a', status: 0, failure: 'bad-request', reason: 'connection-field' }],
  'a path with a control byte': [[...common.slice(0, 3), [':path', '/a\x01']], { method: 'GET', host: 'shop.example', path: '', reason: 'field-value' }],
  'no path': [common.slice(0, 3), { method: 'GET', host: 'shop.example', path: '', reason: 'path-missing' }],
  'no method': [common.slice(1), { method: '', host: 'shop.example', path: '/a', reason: 'method-missing' }],
  'a field before the authority': [[...common.slice(0, 2), ['a', 'b'], ...common.slice(2)], { method: 'GET', host: '', path: '', reason: 'pseudo-after-field' }],
  'too large a list': [[...common, ...Array.from({ length: 130 }, (_, index) => [`a${index}`, 'b'] as const)], { host: 'shop.example', path: '/a', status: 431, failure: 'head-too-large' }],
  'too long a path': [[[':method', 'GET'], [':path', `/${'a'.repeat(9000)}`], [':scheme', 'http']], { host: '', failure: 'target-too-long', status: 414 }],
};

for (const [title, [fields, line]] of Object.entries(http2Cases)) {
  test(`the log says what was asked for, HTTP/2: ${title}`, async (t) => {
    const { rig, port } = await start();
    // What another client asked for is nobody else's.
    const other = new RawClient(port);
    other.socket.write(Buffer.concat([preface, headers(1, [[':method', 'POST'], [':scheme', 'http'], [':authority', 'secret.example'], [':path', '/secret']])]));
    await eventually(async () => (await rig.logged()).length === 1);
    const client = new RawClient(port);
    client.socket.write(Buffer.concat([preface, headers(1, fields)]));
    await eventually(async () => (await rig.logged()).length === 2);
    t.like(rig.log[1], { protocol: 'HTTP/2', ...line });
    other.close();
    client.close();
    await rig.close();
  });
}

test('a connection of HTTP/2 that is ended for what its client sent leaves a line', async (t) => {
  const { rig, port } = await start();
  const client = new RawClient(port);
  client.socket.write(Buffer.concat([preface, headers(2, common)]));
  await eventually(async () => (await rig.logged()).length === 1);
  t.like(rig.log[0], { protocol: 'HTTP/2', client: '127.0.0.1', status: 0, failure: 'bad-request', reason: 'stream-even' });
  t.deepEqual(await rig.metricLines('weft_client_sessions_broken'), ['weft_client_sessions_broken_total 1']);
  client.close();
  await rig.close();
});
