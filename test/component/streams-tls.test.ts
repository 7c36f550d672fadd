import { connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import test from 'ava';
import fc from 'fast-check';
import type { ListenerSection } from '#snapshot';
import { Authority } from './authority.ts';
import { applyTo, answering, backendNamed, backendTo, endpointsOf, getRequest, ok, rawServer, tableOf } from './proxy-rig.ts';
import { boundServer, certificateFor, echoServer, eventually, exchangeBytes, invalidBackend, setBackends, startStreamRig, streamBackend, streamTable, tlsExchange, type StreamRig } from './streams-rig.ts';

const passthrough = (name: string, hostname = ''): ListenerSection => ({ name, hostname, protocol: 'TLS', mode: 'Passthrough', routes: `listener/shop/gw/${name}` });
const terminate = (name: string, hostname: string, ...certificates: readonly string[]): ListenerSection => ({ name, hostname, protocol: 'TLS', mode: 'Terminate', certificates, routes: `listener/shop/gw/${name}` });
const https = (name: string, hostname: string, certificate: string): ListenerSection => ({ name, hostname, protocol: 'HTTPS', certificates: [certificate], routes: `listener/shop/gw/${name}` });

function setCertificates(rig: StreamRig, ...names: readonly string[]): void {
  applyTo(rig.proxy, { certificates: { changed: names.map((name) => ({ kind: 'Certificate', name, ...certificateFor(name) })) } });
}

/** An HTTP backend that says which section the request came through. */
async function httpSection(rig: StreamRig, name: string): Promise<{ close(): Promise<void> }> {
  const server = await rawServer((socket, text) => answering(ok(name))(socket, text));
  applyTo(rig.proxy, {
    routeTables: { changed: [{ ...tableOf([{ backends: [backendTo(name)] }], [{ origins: {} }]), name: `listener/shop/gw/${name}` }] },
    backends: { changed: [backendNamed(name)] },
    endpoints: { changed: [{ kind: 'Endpoints', name, endpoints: endpointsOf([server.port]) }] },
  });
  return server;
}

const get = (host: string): string => getRequest('/', 'Connection: close\r\n', host);

/** The certificate that a client is shown. */
function shown(port: number, servername: string, options: ConnectionOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', servername, rejectUnauthorized: false, ...options }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

test('passthrough: the server name chooses the route, the bytes stay as they are', async (t) => {
  const rig = await startStreamRig();
  const [a, wide] = [await echoServer('a', certificateFor('a.example')), await echoServer('wide', certificateFor('wide.example'))];
  setBackends(rig.proxy, { a: [a.port], wide: [wide.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tls', [
    { kind: 'TLSRoute', hostnames: ['*.example'], backends: [streamBackend('wide')] },
    { kind: 'TLSRoute', hostnames: ['a.example'], backends: [streamBackend('a')] },
    { kind: 'TLSRoute', hostnames: ['broken.test'], backends: [invalidBackend] },
  ])] } });
  const { port } = await rig.listen([passthrough('tls')]);
  t.is(await tlsExchange(port, 'a.example', 'hello'), 'a a.example\nhelloend');
  t.is(await shown(port, 'a.example'), 'a.example');
  t.is(await tlsExchange(port, 'B.C.Example', 'x', { maxVersion: 'TLSv1.2' }), 'wide B.C.Example\nxend');
  // End of stream or a reset is what a refusal looks like to the conformance tests, never an alert.
  for (const name of ['else.org', 'example', '', 'broken.test']) await t.throwsAsync(tlsExchange(port, name, ''), { message: /ECONNRESET/ }, name);
  await eventually(async () => (await rig.logged()).filter(({ failure }) => failure !== undefined).length === 4);
  t.like(rig.log.find(({ serverName }) => serverName === 'a.example'), { protocol: 'tls', route: 'TLSRoute/shop/tls-1', backend: 'a', source: 'shop/gw/tls' });
  t.deepEqual(rig.log.filter(({ failure }) => failure !== undefined).map(({ serverName, failure }) => [serverName, failure]), [['else.org', 'no-route'], ['example', 'no-route'], [undefined, 'no-route'], ['broken.test', 'invalid-backend']]);
  t.deepEqual(rig.faults, []);
  await rig.close();
  a.close();
  wide.close();
});

test('passthrough: a hello byte by byte, one that is none, one that never ends', async (t) => {
  const rig = await startStreamRig({ limits: { tlsHandshakeMs: 600 } });
  const a = await echoServer('a', certificateFor('a.example'));
  setBackends(rig.proxy, { a: [a.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tls', [{ hostnames: ['a.example'], backends: [streamBackend('a')] }])] } });
  const { port } = await rig.listen([passthrough('tls')]);
  // Between client and proxy somebody who sends each byte by itself.
  const drip = async (socket: Socket): Promise<void> => {
    const onward = connect({ port, host: '127.0.0.1', noDelay: true }).on('error', () => {});
    onward.pipe(socket);
    socket.on('error', () => {});
    for await (const bytes of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) for (const byte of bytes) await new Promise((resolve) => onward.write(Uint8Array.of(byte), resolve));
    onward.end();
  };
  const dripping = createServer({ allowHalfOpen: true }, (socket) => void drip(socket));
  await new Promise<void>((resolve) => dripping.listen(0, '127.0.0.1', resolve));
  t.is(await tlsExchange((dripping.address() as AddressInfo).port, 'a.example', 'x'), 'a a.example\nxend');
  dripping.close();
  const answerTo = (bytes: string): Promise<string> => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.write(bytes, 'latin1');
    return new Promise((resolve) => {
      let got: Buffer = Buffer.alloc(0);
      socket.on('data', (more: Buffer) => (got = Buffer.concat([got, more])));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code!));
      socket.on('end', () => {
        resolve(got.toString('hex'));
        socket.destroy();
      });
    });
  };
  t.is(await answerTo('GET / HTTP/1.1\r\n\r\n'), 'ECONNRESET');
  t.is(await answerTo('\x16\x03\x01\x00\x04\x02\x00\x00\x00'), '15030100020232');
  t.is(await answerTo('\x16\x03\x01'), 'ECONNRESET');
  t.deepEqual(await rig.metricLines('weft_client_hellos_refused'), ['weft_client_hellos_refused_total 3']);
  await eventually(async () => (await rig.logged()).length >= 4);
  t.deepEqual(rig.log.flatMap(({ failure, reason }) => (failure === undefined ? [] : [`${String(failure)} ${String(reason)}`])), ['client-hello not-tls', 'client-hello no-client-hello', 'client-hello not-in-time']);
  // Whoever only looks whether somebody listens leaves no trace.
  const probe = connect({ port, host: '127.0.0.1' });
  await new Promise((resolve) => probe.once('connect', resolve));
  probe.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.is((await rig.logged()).length, 4);
  await rig.close();
  a.close();
});

test('who speaks HTTP without TLS to a port where HTTPS stands beside what passes through is told; who speaks something else is not', async (t) => {
  const rig = await startStreamRig();
  setCertificates(rig, 'a.example');
  const { port } = await rig.listen([passthrough('tls', 'p.example'), https('https', 'a.example', 'a.example')]);
  const answer = await exchangeBytes(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), get('a.example'));
  t.regex(answer, /^HTTP\/1\.1 400 Bad Request\r\n(?:.+\r\n)*connection: close\r\n\r\nThis port takes HTTPS: the request came without TLS\.\n$/);
  await t.throwsAsync(exchangeBytes(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), 'SSH-2.0-x\r\n'), { message: /ECONNRESET/ });
  t.deepEqual(await rig.metricLines('weft_client_hellos_refused'), ['weft_client_hellos_refused_total 2']);
  await eventually(async () => (await rig.logged()).length === 2);
  t.deepEqual(rig.log.map(({ failure, reason }) => [failure, reason]), [['client-hello', 'not-tls'], ['client-hello', 'not-tls']]);
  await rig.close();
});

test('passthrough: a client without server name gets the route for everything', async (t) => {
  const rig = await startStreamRig();
  const a = await echoServer('a', certificateFor('a.example'));
  setBackends(rig.proxy, { a: [a.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tls', [{ hostnames: ['b.example'], backends: [invalidBackend] }, { backends: [streamBackend('a')] }])] } });
  const { port } = await rig.listen([passthrough('tls')]);
  t.is(await tlsExchange(port, '', 'x', { maxVersion: 'TLSv1.2' }), 'a false\nxend');
  await rig.close();
  a.close();
});

test('terminate: TLS ends here, by the certificate for the name; the backend gets what was in it', async (t) => {
  const rig = await startStreamRig();
  const [plain, encrypted] = [await echoServer('plain'), await echoServer('encrypted', certificateFor('inner.example'))];
  setCertificates(rig, 'one.example', 'two.example');
  setBackends(rig.proxy, { plain: [plain.port], encrypted: [encrypted.port] });
  applyTo(rig.proxy, {
    backends: { changed: [{ ...backendNamed('encrypted'), protocol: 'tcp', tls: { hostname: 'inner.example', authorities: certificateFor('inner.example').chain } }] },
    streamTables: { changed: [streamTable('tls', [
      { kind: 'TLSRoute', hostnames: ['one.example'], backends: [streamBackend('plain')] },
      { kind: 'TLSRoute', hostnames: ['two.example'], backends: [streamBackend('encrypted')] },
      { kind: 'TLSRoute', hostnames: ['none.example'], backends: [invalidBackend] },
    ])] },
  });
  const { port } = await rig.listen([terminate('tls', '*.example', 'one.example', 'two.example')]);
  t.is(await tlsExchange(port, 'one.example', 'hello'), 'plain\nhelloend');
  t.is(await tlsExchange(port, 'two.example', 'hello', { maxVersion: 'TLSv1.2' }), 'encrypted inner.example\nhelloend');
  t.deepEqual([await shown(port, 'one.example'), await shown(port, 'two.example')], ['one.example', 'two.example']);
  // A protocol that a client proposes is the backend's to speak: none is chosen for it.
  t.is(await tlsExchange(port, 'one.example', 'x', { ALPNProtocols: ['imap'] }), 'plain\nxend');
  for (const name of ['three.example', 'none.example', 'else.org', '']) await t.throwsAsync(tlsExchange(port, name, ''), { message: /ECONNRESET/ }, name);
  // Not in the clear, and not to a backend that is another than it should be.
  applyTo(rig.proxy, { backends: { changed: [{ ...backendNamed('encrypted'), protocol: 'tcp', tls: { hostname: 'other.example', authorities: certificateFor('inner.example').chain } }] } });
  await tlsExchange(port, 'two.example', 'x').catch(() => {});
  await eventually(async () => (await rig.logged()).some(({ failure }) => failure === 'tls-failed'));
  t.like(rig.log[0], { protocol: 'tls', serverName: 'one.example', bytesIn: 5, bytesOut: 14 });
  t.deepEqual(rig.faults, []);
  await rig.close();
  plain.close();
  encrypted.close();
});

test('one port: HTTPS, TLS that ends here and TLS that passes through, told apart by server name', async (t) => {
  const rig = await startStreamRig();
  const [plain, through] = [await echoServer('plain'), await echoServer('through', certificateFor('pass.example'))];
  const web = await httpSection(rig, 'web');
  setCertificates(rig, 'web.example', 'end.example');
  setBackends(rig.proxy, { plain: [plain.port], through: [through.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('pass', [{ backends: [streamBackend('through')] }]), streamTable('end', [{ backends: [streamBackend('plain')] }])] } });
  const sections = [https('web', '*.example', 'web.example'), terminate('end', 'end.example', 'end.example'), passthrough('pass', 'pass.example')];
  const bound = await rig.listen(sections);
  const all = async (port: number): Promise<readonly string[]> => [
    (await tlsExchange(port, 'web.example', get('web.example'))).split('\r\n\r\n')[1]!,
    await tlsExchange(port, 'end.example', 'x'),
    await tlsExchange(port, 'pass.example', 'x'),
  ];
  t.deepEqual(await all(bound.port), ['web', 'plain\nxend', 'through pass.example\nxend']);
  // A host of another section, whatever that carries, is misdirected; a name of none gets no handshake.
  t.is((await tlsExchange(bound.port, 'web.example', get('end.example'))).slice(9, 12), '421');
  await t.throwsAsync(tlsExchange(bound.port, 'else.org', ''), { message: /ECONNRESET/ });
  await t.throwsAsync(tlsExchange(bound.port, '', ''), { message: /ECONNRESET/ });
  // Sections change while it is bound.
  bound.update({ kind: 'Listener', name: 'shop/gw/1', gateway: { kind: 'Gateway', namespace: 'shop', name: 'gw' }, address: '127.0.0.1', port: 0, sections: [https('web', '', 'web.example')] });
  t.is((await tlsExchange(bound.port, 'end.example', get('end.example'))).split('\r\n\r\n')[1], 'web');
  bound.update({ kind: 'Listener', name: 'shop/gw/1', gateway: { kind: 'Gateway', namespace: 'shop', name: 'gw' }, address: '127.0.0.1', port: 0, sections });
  t.deepEqual(await all(bound.port), ['web', 'plain\nxend', 'through pass.example\nxend']);
  t.deepEqual(rig.faults, []);
  await rig.close();
  await web.close();
  plain.close();
  through.close();
});

test('a section that no longer ends TLS while a handshake is under way: nothing of it goes on in the clear', async (t) => {
  const rig = await startStreamRig();
  const plain = await echoServer('plain');
  setCertificates(rig, 'end.example');
  setBackends(rig.proxy, { plain: [plain.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('end', [{ backends: [streamBackend('plain')] }])] } });
  const bound = await rig.listen([terminate('end', 'end.example', 'end.example')]);
  // Passes the hello, and the rest when it is told to.
  const held: Buffer[] = [];
  let through: Socket | undefined;
  const relay = createServer((client) => {
    client.on('error', () => {});
    const proxy = connect({ port: bound.port, host: '127.0.0.1' }).on('error', () => {});
    proxy.on('data', (bytes) => client.write(bytes)).on('close', () => client.destroy());
    client.once('data', (hello) => {
      proxy.write(hello);
      client.on('data', (bytes: Buffer) => held.push(bytes));
      through = proxy;
    });
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  const exchanged = tlsExchange((relay.address() as AddressInfo).port, 'end.example', 'secret').catch(() => '');
  await eventually(() => held.length > 0);
  bound.update({ kind: 'Listener', name: 'shop/gw/1', gateway: { kind: 'Gateway', namespace: 'shop', name: 'gw' }, address: '127.0.0.1', port: 0, sections: [{ ...passthrough('end', 'end.example') }] });
  for (const bytes of held) through!.write(bytes);
  await eventually(async () => (await rig.logged()).length > 0);
  t.like(rig.log[0], { protocol: 'tls', serverName: 'end.example', failure: 'no-listener' });
  t.is(plain.sockets.length, 0);
  relay.close();
  await rig.close();
  through!.destroy();
  t.is(await exchanged, '');
  plain.close();
});

test('a client that breaks off while TLS is being agreed upon, or right after, is not taken for one that has ended', async (t) => {
  const rig = await startStreamRig();
  const ended: number[] = [];
  const sockets: Socket[] = [];
  const server = await boundServer(createServer({ allowHalfOpen: true }, (socket) => {
    const connection = sockets.push(socket);
    socket.on('error', () => {}).on('end', () => ended.push(connection)).resume();
    socket.write('from the server');
  }), sockets);
  setCertificates(rig, 'a.example');
  setBackends(rig.proxy, { a: [server.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('tls', [{ kind: 'TLSRoute', backends: [streamBackend('a')] }])] } });
  const { port } = await rig.listen([terminate('tls', '', 'a.example')]);
  for (let round = 0; round < 150; round++) {
    const carrier = connect({ port, host: '127.0.0.1' }).on('error', () => {});
    const client = connectTls({ socket: carrier, rejectUnauthorized: false, servername: 'a.example' }).on('error', () => {}).resume();
    client.write('one');
    client.write('two');
    await new Promise((resolve) => setTimeout(resolve, round % 10));
    const closed = new Promise((resolve) => carrier.once('close', resolve));
    carrier.resetAndDestroy();
    await closed;
  }
  await eventually(async () => (await rig.metricLines('weft_client_connections_active'))[0] === 'weft_client_connections_active 0');
  t.true(sockets.length > 0);
  t.deepEqual(ended, []);
  await rig.close();
  server.close();
});

test('drain of a mixed port: handshakes and joined connections go on as long as is allowed, then all is cut', async (t) => {
  const rig = await startStreamRig();
  const plain = await echoServer('plain');
  setCertificates(rig, 'end.example');
  setBackends(rig.proxy, { plain: [plain.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('end', [{ backends: [streamBackend('plain')] }])] } });
  const { port } = await rig.listen([terminate('end', 'end.example', 'end.example')]);
  const joined = connectTls({ port, host: '127.0.0.1', servername: 'end.example', rejectUnauthorized: false });
  joined.on('error', () => {});
  await new Promise((resolve) => joined.once('data', resolve));
  const silent = connect({ port, host: '127.0.0.1' }).on('error', () => {});
  await new Promise((resolve) => silent.once('connect', resolve));
  const closed = Promise.all([joined, silent].map((socket) => new Promise((resolve) => socket.resume().once('close', resolve))));
  const began = performance.now();
  const drained = rig.proxy.drain(500);
  joined.write('still here');
  t.is(await new Promise((resolve) => joined.once('data', (bytes) => resolve(String(bytes)))), 'still here');
  await drained;
  const took = performance.now() - began;
  t.true(took >= 450 && took < 3000, String(took));
  await closed;
  plain.close();
});

test('clients that have to show a certificate', async (t) => {
  const rig = await startStreamRig();
  const web = await httpSection(rig, 'web');
  setCertificates(rig, 'web.example');
  const [good, bad] = [certificateFor('good'), certificateFor('bad')];
  const as = ({ chain, key }: { chain: string; key: string }): ConnectionOptions => ({ cert: chain, key });
  const section = (mode?: 'AllowValidOnly' | 'AllowInsecureFallback', authorities = good.chain): ListenerSection => ({ ...https('web', 'web.example', 'web.example'), ...(mode === undefined ? {} : { clientValidation: { mode, authorities } }) });
  const listener = (one: ListenerSection) => ({ kind: 'Listener', name: 'shop/gw/1', gateway: { kind: 'Gateway', namespace: 'shop', name: 'gw' }, address: '127.0.0.1', port: 0, sections: [one] }) as const;
  const bound = await rig.listen([section('AllowValidOnly')]);
  const ask = (options: ConnectionOptions, servername = 'web.example') => tlsExchange(bound.port, servername, get('web.example'), options).then((text) => (text === '' ? 'closed' : text.slice(9, 12)), (error: Error) => error.message);
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    t.is(await ask({ ...as(good), maxVersion }), '200');
    t.regex(await ask({ maxVersion }), /ALERT/);
    t.regex(await ask({ ...as(bad), maxVersion }), /closed|ECONNRESET|disconnected/);
  }
  // Sessions: of one that was let in, under the settings it was let in by, and no others.
  const session = await new Promise<Buffer>((resolve, reject) => {
    const socket = connectTls({ port: bound.port, host: '127.0.0.1', servername: 'web.example', rejectUnauthorized: false, ...as(good) });
    socket.on('error', reject);
    socket.on('session', (one) => {
      resolve(one);
      socket.destroy();
    });
    socket.write(getRequest('/', '', 'web.example'));
    socket.resume();
  });
  t.is(await ask({ session }), '200');
  bound.update(listener(section('AllowValidOnly', bad.chain)));
  t.regex(await ask({ session }), /ALERT/);
  t.is(await ask({ session, ...as(bad) }), '200');
  t.regex(await ask(as(good)), /closed|ECONNRESET|disconnected/);
  bound.update(listener(section('AllowInsecureFallback')));
  for (const options of [{}, as(good), as(bad), { maxVersion: 'TLSv1.2' } as const]) t.is(await ask(options), '200');
  // Signed by another key of an authority of the same name.
  const [trusted, other] = await Promise.all([Authority.named('clients', 'rsa'), Authority.named('clients', 'rsa')]);
  bound.update(listener(section('AllowInsecureFallback', trusted.certificate)));
  for (const authority of [trusted, other]) t.is(await ask(as(await authority.issue('client', {}))), '200');
  bound.update(listener(section()));
  t.is(await ask({}), '200');
  const fallen = await new Promise<Buffer>((resolve) => {
    const socket = connectTls({ port: bound.port, host: '127.0.0.1', servername: 'web.example', rejectUnauthorized: false });
    socket.on('session', resolve);
    socket.write(getRequest('/', '', 'web.example'));
    socket.resume();
  });
  // A client of before is asked to leave with its next response.
  const before = connectTls({ port: bound.port, host: '127.0.0.1', servername: 'web.example', rejectUnauthorized: false });
  await new Promise((resolve) => before.once('secureConnect', resolve));
  before.write(getRequest('/', '', 'web.example'));
  await new Promise((resolve) => before.once('data', resolve));
  const left = new Promise((resolve) => before.resume().once('end', resolve));
  bound.update(listener(section('AllowValidOnly')));
  await left;
  t.regex(await ask({ session: fallen }), /ALERT/);
  t.deepEqual(rig.faults, []);
  await rig.close();
  await web.close();
});

test('clients without server name are validated as well', async (t) => {
  const rig = await startStreamRig();
  const web = await httpSection(rig, 'web');
  setCertificates(rig, 'web.example');
  const good = certificateFor('good');
  const { port } = await rig.listen([{ ...https('web', '', 'web.example'), clientValidation: { mode: 'AllowValidOnly', authorities: good.chain } }]);
  const ask = (options: ConnectionOptions) => exchangeBytes(connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }), get('web.example'), 'secureConnect');
  t.is((await ask({ cert: good.chain, key: good.key })).slice(9, 12), '200');
  await t.throwsAsync(ask({}), { message: /ALERT/ });
  await rig.close();
  await web.close();
});

/** Status of one request over HTTP/2. */
function statusOverHttp2(port: number, servername: string, host: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`https://${host}`, { createConnection: () => connectTls({ port, host: '127.0.0.1', servername, ALPNProtocols: ['h2'], rejectUnauthorized: false }) });
    session.on('error', reject);
    const stream = session.request({ ':path': '/', ...headers });
    stream.on('error', reject);
    stream.on('response', (response) => {
      resolve(Number(response[':status']));
      session.destroy();
    });
    stream.end();
  });
}

test('HTTP/2 among other things on a port; what is misdirected is told so there too', async (t) => {
  const rig = await startStreamRig();
  const through = await echoServer('through', certificateFor('pass.example.org'));
  const web = await httpSection(rig, 'web');
  setCertificates(rig, 'c');
  setBackends(rig.proxy, { through: [through.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('pass', [{ backends: [streamBackend('through')] }])] } });
  const shared = (name: string, hostname: string): ListenerSection => ({ ...https(name, hostname, 'c'), routes: 'listener/shop/gw/web' });
  const { port } = await rig.listen([shared('all', ''), shared('second', 'second-example.org'), shared('wild', '*.wildcard.org'), shared('fourth', 'fourth-example.wildcard.org'), passthrough('pass', 'pass.example.org')]);
  // The table of the conformance test HTTPRouteHTTPSListenerDetectMisdirectedRequests, with a section that is not HTTP beside it.
  const cases: readonly [string, string, number][] = [
    ['example.org', 'example.org', 200], ['example.org', 'second-example.org', 421], ['second-example.org', 'second-example.org', 200], ['second-example.org', 'unknown-example.org', 421],
    ['third-example.wildcard.org', 'fith-example.wildcard.org', 200], ['third-example.wildcard.org', 'fourth-example.wildcard.org', 421], ['unknown-example.org', 'example.org', 200],
    ['example.org', 'pass.example.org', 421],
  ];
  for (const [servername, host, status] of cases) t.is(await statusOverHttp2(port, servername, host), status, `${servername} ${host}`);
  t.is(await tlsExchange(port, 'pass.example.org', 'x'), 'through pass.example.org\nxend');
  await rig.close();
  await web.close();
  through.close();
});

test('what a client says of its own certificate does not get past us', async (t) => {
  const rig = await startStreamRig();
  const web = await rawServer((socket, text) => answering(ok(/x[-_]forwarded[-_]client[-_]cert|forged/i.test(text) ? 'passed' : 'clean'))(socket, text));
  setCertificates(rig, 'web.example');
  applyTo(rig.proxy, {
    routeTables: { changed: [{ ...tableOf([{ backends: [backendTo('web')] }], [{ origins: {} }]), name: 'listener/shop/gw/web' }] },
    backends: { changed: [backendNamed('web')] },
    endpoints: { changed: [{ kind: 'Endpoints', name: 'web', endpoints: endpointsOf([web.port]) }] },
  });
  const { port } = await rig.listen([https('web', '', 'web.example')]);
  for (const name of ['X-Forwarded-Client-Cert', 'x_forwarded_client_cert']) {
    t.regex(await tlsExchange(port, 'web.example', getRequest('/', `Connection: close\r\n${name}: Hash=forged\r\n`, 'web.example')), /clean$/);
  }
  await rig.close();
  await web.close();
});

test('property: whatever comes first, it ends in time, is no fault of ours, and leaves nothing open', async (t) => {
  const rig = await startStreamRig({ limits: { tlsHandshakeMs: 150 } });
  const plain = await echoServer('plain');
  setCertificates(rig, 'end.example');
  setBackends(rig.proxy, { plain: [plain.port] });
  applyTo(rig.proxy, { streamTables: { changed: [streamTable('end', [{ backends: [streamBackend('plain')] }]), streamTable('pass', [{ hostnames: ['*.pass.example'], backends: [streamBackend('plain')] }])] } });
  const { port } = await rig.listen([terminate('end', 'end.example', 'end.example'), passthrough('pass', '*.pass.example'), https('web', '', 'end.example')]);
  const name = fc.constantFrom('end.example', 'a.pass.example', 'else.example', 'x'.repeat(300), '');
  const hello = fc.tuple(name, fc.uint8Array({ maxLength: 80 }), fc.nat(400)).map(([serverName, extra, cut]) => {
    const entry = Buffer.concat([Buffer.from([0, serverName.length >> 8, serverName.length & 255]), Buffer.from(serverName)]);
    const vector = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
    const extension = Buffer.concat([Buffer.from([0, 0]), vector(vector(entry))]);
    const body = Buffer.concat([Buffer.from([3, 3]), Buffer.alloc(32), Buffer.from([0, 0, 2, 0x13, 1, 1, 0]), vector(extension)]);
    const message = Buffer.concat([Buffer.from([1, 0, body.length >> 8, body.length & 255]), body]);
    const bytes = Buffer.concat([Buffer.from([22, 3, 1]), vector(message), extra]);
    return cut < bytes.length ? bytes.subarray(0, bytes.length - cut) : bytes;
  });
  const send = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1' });
      const timer = setTimeout(() => reject(new Error('still open')), 5000);
      socket.on('error', () => {}).resume();
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.end(bytes);
    });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(hello, fc.uint8Array({ maxLength: 300 })), { minLength: 10, maxLength: 10 }), async (first) => {
      await Promise.all(first.map(send));
    }),
    { numRuns: 25 },
  );
  t.deepEqual(rig.faults, []);
  await eventually(async () => (await rig.metricLines('weft_client_connections_active'))[0] === 'weft_client_connections_active 0');
  t.is(await tlsExchange(port, 'end.example', 'x'), 'plain\nxend');
  await rig.close();
  plain.close();
});
