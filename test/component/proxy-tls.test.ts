import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import test from 'ava';
import { StreamClient } from './proxy-http2-rig.ts';
import type { ListenerSection } from '#snapshot';
import { applyTo, answering, backendTo, getRequest, listenerWith, ok, rawServer, startRig, statusOf, tableOf } from './proxy-rig.ts';

interface Pem {
  readonly chain: string;
  readonly key: string;
}

const made = new Map<string, Pem>();

async function certificate(name: string): Promise<Pem> {
  const known = made.get(name);
  if (known !== undefined) return known;
  const folder = await mkdtemp(join(tmpdir(), 'weft-'));
  const at = (file: string): string => join(folder, file);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-keyout', at('key'), '-out', at('crt')], { stdio: 'ignore' });
  const pem = { chain: readFileSync(at('crt'), 'utf8'), key: readFileSync(at('key'), 'utf8') };
  await rm(folder, { recursive: true });
  made.set(name, pem);
  return pem;
}

interface Answer {
  readonly text: string;
  readonly subject: string;
  readonly protocol: string | null;
  readonly alpn: string | false | null;
}

async function ask(port: number, options: ConnectionOptions, request: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    let text = '';
    let answer: Omit<Answer, 'text'> | undefined;
    socket.on('secureConnect', () => {
      answer = { subject: String(socket.getPeerCertificate().subject?.CN), protocol: socket.getProtocol(), alpn: socket.alpnProtocol };
      socket.write(request, 'latin1');
    });
    socket.on('data', (bytes) => (text += bytes.toString('latin1')));
    socket.on('error', reject);
    socket.on('end', () => resolve({ text, ...answer! }));
  });
}

const closing = 'Connection: close\r\n';

function section(name: string, hostname: string, cert: string): ListenerSection {
  return { name, hostname, protocol: 'HTTPS', certificates: [cert], routes: `listener/shop/gw/${name}` };
}

async function secureRig(sections: readonly ListenerSection[]) {
  const server = await rawServer((socket, text) => answering(ok(/x-section: (\S+)/.exec(text)?.[1] ?? '?'))(socket, text));
  const rig = await startRig({ backends: { a: [server.port] } });
  const tables = sections.map(({ name, routes }) => ({
    ...tableOf([{ filters: [{ type: 'RequestHeaderModifier', set: [{ name: 'x-section', value: name }], add: [], remove: [] }], backends: [backendTo('a')] }]),
    name: routes,
  }));
  const names = new Set(sections.map(({ certificates }) => certificates![0]!));
  const certificates = await Promise.all([...names].map(async (name) => ({ kind: 'Certificate', name, ...(await certificate(name)) }) as const));
  const refusals = applyTo(rig.proxy, { routeTables: { changed: tables }, certificates: { changed: certificates } });
  const listener = await rig.proxy.listen({ ...listenerWith(sections), name: 'shop/gw/443' });
  return {
    refusals,
    rig,
    listener,
    server,
    close: async () => {
      await rig.close();
      await server.close();
    },
  };
}

test('the server name chooses certificate and section; TLS 1.2 and 1.3, ALPN', async (t) => {
  const { listener, refusals, server, close } = await secureRig([section('one', 'one.example', 'one'), section('wide', '*.example', 'wide'), section('all', '', 'all')]);
  t.deepEqual(refusals, []);
  const at = (servername: string, options: ConnectionOptions = {}) => ask(listener.port, { servername, ...options }, getRequest('/', closing, servername));
  const one = await at('one.example', { ALPNProtocols: ['http/1.1'] });
  t.deepEqual([one.subject, one.alpn, one.protocol, one.text.endsWith('\r\n\r\none')], ['one', 'http/1.1', 'TLSv1.3', true]);
  t.is((await at('one.example', { ALPNProtocols: ['http/1.0'] })).alpn, 'http/1.0');
  t.is((await at('one.example', { ALPNProtocols: ['http/1.0', 'http/1.1'] })).alpn, 'http/1.1');
  const wide = await at('two.example', { maxVersion: 'TLSv1.2' });
  t.deepEqual([wide.subject, wide.protocol, wide.text.endsWith('wide')], ['wide', 'TLSv1.2', true]);
  t.deepEqual((await at('else.org')).subject, 'all');
  t.true(server.received.join('').includes('x-forwarded-proto: https\r\n'));
  await t.throwsAsync(at('one.example', { ALPNProtocols: ['h3'] }), { message: /alert|ALPN/i });
  await t.throwsAsync(at('one.example', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' }));
  await close();
});

test('a server name of no section is refused with an alert', async (t) => {
  const { listener, rig, close } = await secureRig([section('one', 'one.example', 'one')]);
  await t.throwsAsync(ask(listener.port, { servername: 'two.example' }, ''), { message: /alert/i });
  await t.throwsAsync(ask(listener.port, {}, ''), { message: /alert/i });
  t.is((await ask(listener.port, { servername: 'ONE.example' }, getRequest('/', closing, 'one.example'))).subject, 'one');
  t.true(rig.metrics.counters.some((value) => value === 2));
  await close();
});

test('a host of another section than the connection’s is misdirected, one of none not found', async (t) => {
  // The table of the conformance test HTTPRouteHTTPSListenerDetectMisdirectedRequests.
  const { listener, close } = await secureRig([
    section('https', '', 'c'),
    section('second', 'second-example.org', 'c'),
    section('wild', '*.wildcard.org', 'c'),
    section('fourth', 'fourth-example.wildcard.org', 'c'),
  ]);
  const cases: readonly [string, string, number][] = [
    ['example.org', 'example.org', 200],
    ['example.org', 'second-example.org', 421],
    ['second-example.org', 'second-example.org', 200],
    ['second-example.org', 'example.org', 421],
    ['third-example.wildcard.org', 'fith-example.wildcard.org', 200],
    ['third-example.wildcard.org', 'fourth-example.wildcard.org', 421],
    ['third-example.wildcard.org', 'unknown-example.org', 421],
    ['unknown-example.org', 'example.org', 200],
  ];
  for (const [servername, host, status] of cases) {
    t.is(statusOf((await ask(listener.port, { servername }, getRequest('/', closing, host))).text), status, `${servername} ${host}`);
  }
  await close();
  const narrow = await secureRig([section('one', 'one.example', 'c')]);
  t.is(statusOf((await ask(narrow.listener.port, { servername: 'one.example' }, getRequest('/', closing, 'two.example'))).text), 404);
  await narrow.close();
});

test('a new certificate serves new connections at once; an unusable one is refused and changes nothing', async (t) => {
  const { listener, rig, close } = await secureRig([section('one', 'one.example', 'one')]);
  const get = () => ask(listener.port, { servername: 'one.example' }, getRequest('/', closing, 'one.example'));
  t.is((await get()).subject, 'one');
  const next = await certificate('next');
  t.deepEqual(applyTo(rig.proxy, { certificates: { changed: [{ kind: 'Certificate', name: 'one', ...next }] } }), []);
  t.is((await get()).subject, 'next');
  const [refusal] = applyTo(rig.proxy, { certificates: { changed: [{ kind: 'Certificate', name: 'one', chain: 'no', key: next.key }] } });
  t.is(refusal?.name, 'one');
  t.is((await get()).subject, 'next');
  await close();
});

test('a session is resumed', async (t) => {
  const { listener, close } = await secureRig([section('one', 'one.example', 'one')]);
  const reused = await new Promise<boolean>((resolve, reject) => {
    const first = connect({ port: listener.port, host: '127.0.0.1', servername: 'one.example', rejectUnauthorized: false });
    first.on('error', reject);
    first.once('session', (session) => {
      first.destroy();
      const second = connect({ port: listener.port, host: '127.0.0.1', servername: 'one.example', rejectUnauthorized: false, session });
      second.on('error', reject);
      second.on('secureConnect', () => {
        resolve(second.isSessionReused());
        second.destroy();
      });
    });
    first.write(getRequest('/', '', 'one.example'));
    first.resume();
  });
  t.true(reused);
  await close();
});

test('large bodies over TLS, and garbage instead of a handshake', async (t) => {
  const size = 4 * 1024 * 1024;
  const { listener, rig, server, close } = await secureRig([section('one', 'one.example', 'one')]);
  const big = await rawServer(answering(ok('z'.repeat(size))));
  applyTo(rig.proxy, { endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: [{ address: '127.0.0.1', port: big.port }] }] } });
  const { text } = await ask(listener.port, { servername: 'one.example' }, getRequest('/', closing, 'one.example'));
  t.true(text.endsWith('z'.repeat(1000)) && text.length > size);
  const { RawClient } = await import('./proxy-rig.ts');
  const garbage = new RawClient(listener.port).send('GET / HTTP/1.1\r\n\r\n');
  await garbage.all();
  t.pass();
  await big.close();
  await close();
  await server.close();
});

test('HTTP/2 by ALPN: a connection that is used for another section is told so', async (t) => {
  const { listener, server, close } = await secureRig([section('one', 'one.example', 'one'), section('wide', '*.example', 'wide')]);
  const client = new StreamClient(`https://127.0.0.1:${listener.port}`, { servername: 'one.example', rejectUnauthorized: false });
  const own = await client.fetch({ ':authority': 'one.example' });
  t.deepEqual([own.status, own.body], [200, 'one']);
  const other = await client.fetch({ ':authority': 'two.example' });
  t.deepEqual([other.status, other.headers['x-weft-error']], [421, 'misdirected-request']);
  t.is((await client.fetch({ ':authority': 'one.example' })).status, 200);
  t.true(server.received.join('').includes('x-forwarded-proto: https\r\n'));
  client.close();
  await close();
});
