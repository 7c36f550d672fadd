import { connect } from 'node:net';
import { connect as connectSecurely, type ConnectionOptions } from 'node:tls';
import test from 'ava';
import { ticketKeysMs } from '#proxy';
import type { ClientValidation, ListenerSection } from '#snapshot';
import { clientHello } from '../strict/hostile/attacks/hello.ts';
import { applyTo } from './proxy-rig.ts';
import { certificateFor, startStreamRig, tlsExchange, type StreamRig } from './streams-rig.ts';
import { handshake } from './tls-sessions.ts';

const day = 86_400_000;
const good = certificateFor('good');
const asGood: ConnectionOptions = { cert: good.chain, key: good.key };

interface Up {
  readonly rig: StreamRig;
  readonly port: number;
}

/** A proxy with an HTTPS listener, of a gateway whose processes share the secret. */
async function up(secret?: string, { validation, ...options }: Parameters<typeof startStreamRig>[0] & { readonly validation?: ClientValidation } = {}): Promise<Up> {
  const rig = await startStreamRig(options);
  if (secret !== undefined) rig.proxy.useTicketSecret(Buffer.from(secret));
  applyTo(rig.proxy, { certificates: { changed: [{ kind: 'Certificate', name: 'one', ...certificateFor('one.example') }] } });
  const section: ListenerSection = { name: 'web', hostname: '', protocol: 'HTTPS', certificates: ['one'], routes: 'listener/shop/gw/web', ...(validation === undefined ? {} : { clientValidation: validation }) };
  const { port } = await rig.listen([section]);
  return { rig, port };
}

for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
  test(`${maxVersion}: processes with one secret resume each other's sessions, those with another do not, and serve all`, async (t) => {
    const [a, b, other] = [await up('one'), await up('one'), await up('two')];
    const { session, resumed } = await handshake(a.port, { maxVersion });
    t.false(resumed);
    t.true((await handshake(a.port, { maxVersion, session })).resumed);
    t.true((await handshake(b.port, { maxVersion, session })).resumed);
    t.false((await handshake(other.port, { maxVersion, session })).resumed);
    // Certificates may change meanwhile.
    applyTo(b.rig.proxy, { certificates: { changed: [{ kind: 'Certificate', name: 'one', ...certificateFor('another.example') }] } });
    t.true((await handshake(b.port, { maxVersion, session })).resumed);
    // A new secret: what was begun under the one before is forgotten.
    b.rig.proxy.useTicketSecret(Buffer.from('two'));
    const next = await handshake(b.port, { maxVersion, session });
    t.false(next.resumed);
    t.true((await handshake(other.port, { maxVersion, session: next.session })).resumed);
    for (const { rig } of [a, b, other]) {
      t.deepEqual(rig.faults, []);
      await rig.close();
    }
  });
}

test('a session is worth nothing where clients are validated in another way', async (t) => {
  const open = await up('one');
  const validation: ClientValidation = { mode: 'AllowValidOnly', authorities: good.chain };
  const [strict, same] = [await up('one', { validation }), await up('one', { validation })];
  const { session } = await handshake(open.port);
  await t.throwsAsync(handshake(strict.port, { session }), { message: /alert|certificate required|ECONNRESET|closed/i });
  const shown = await handshake(strict.port, { session, ...asGood });
  t.false(shown.resumed);
  t.true((await handshake(same.port, { session: shown.session })).resumed);
  t.false((await handshake(open.port, { session: shown.session })).resumed);
  for (const { rig } of [open, strict, same]) await rig.close();
});

test('a session does not outlive the certificate that its client showed', async (t) => {
  let wallClock = Date.now();
  const { rig, port } = await up('one', { validation: { mode: 'AllowValidOnly', authorities: good.chain }, wallClock: () => wallClock });
  const { session } = await handshake(port, asGood);
  t.true((await handshake(port, { session })).resumed);
  wallClock += 3 * day;
  await t.throwsAsync(handshake(port, { session }), { message: /ECONNRESET|closed/ });
  t.true((await rig.metricLines('weft_client_tls_handshakes_failed_total')).some((line) => line.endsWith(' 1')));
  t.deepEqual(rig.faults, []);
  await rig.close();
});

test('without a secret keys are drawn anew twice a day', async (t) => {
  let ahead = 0;
  const { rig, port } = await up(undefined, { now: () => performance.now() + ahead });
  const { session } = await handshake(port);
  t.true((await handshake(port, { session })).resumed);
  ahead = ticketKeysMs + 60_000;
  t.false((await handshake(port, { session })).resumed);
  await rig.close();
});

test('of what a client offers, the suite with SHA-256 is taken, and ChaCha20 where a client wants it before all others', async (t) => {
  const { rig, port } = await up();
  const cipher = async (ciphers?: string) => (await handshake(port, ciphers === undefined ? {} : { ciphers })).cipher;
  t.is(await cipher(), 'TLS_AES_128_GCM_SHA256');
  t.is(await cipher('TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'), 'TLS_AES_256_GCM_SHA384');
  t.is(await cipher('TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256'), 'TLS_CHACHA20_POLY1305_SHA256');
  await rig.close();
});

test('who ends its side in the middle of a handshake is let go at once; after it, it still gets its answer', async (t) => {
  const { rig, port } = await up();
  const hello = await clientHello();
  const start = performance.now();
  await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(hello));
    socket.on('error', () => {}).once('data', () => socket.end());
    socket.resume().on('close', resolve);
  });
  t.true(performance.now() - start < 5000);
  t.true((await rig.metricLines('weft_client_tls_handshakes_failed_total')).some((line) => line.endsWith(' 1')));
  t.regex(await tlsExchange(port, 'one.example', 'GET / HTTP/1.1\r\nHost: one.example\r\n\r\n'), /^HTTP\/1\.1 503 /);
  await rig.close();
});

test('TLS 1.2: nobody has a second handshake on a connection, with or without a server name; it goes on', async (t) => {
  const { rig, port } = await up();
  for (const servername of ['one.example', undefined]) {
    const socket = connectSecurely({ port, host: '127.0.0.1', maxVersion: 'TLSv1.2', rejectUnauthorized: false, ...(servername === undefined ? {} : { servername }) });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const ended = new Promise<string>((resolve) => socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? '')));
    const again = new Promise<string>((resolve) => void socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error === null ? 'a second handshake' : 'none')));
    // The alert is a warning; it is the client that gives up.
    t.is(await Promise.race([again, ended]), 'ERR_SSL_NO_RENEGOTIATION');
    socket.destroy();
  }
  t.deepEqual(rig.faults, []);
  await rig.close();
});

test('without a secret a session outlives what has nothing to do with certificates', async (t) => {
  const { rig, port } = await up();
  const { session } = await handshake(port);
  applyTo(rig.proxy, { certificates: { changed: [], removed: [] }, endpoints: { changed: [{ kind: 'Endpoints', name: 'a', endpoints: [] }] } });
  t.true((await handshake(port, { session })).resumed);
  await rig.close();
});
