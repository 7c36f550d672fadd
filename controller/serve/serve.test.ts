import { X509Certificate } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import test from 'ava';
import { dialController, type ControllerAddress } from '#proxy';
import { encodeFrame, type Channel, type ProxyNode } from '#snapshot';
import { fakeServer, json } from '../kube/fake.ts';
import { authorityFault, createAuthority, issueServing, loadAuthority, nodeOf, reviewToken, serveStream, type Admission, type StreamServer } from './index.ts';

const serverName = 'weft-controller.weft-system.svc';
const now = Date.now();

test('the authority signs certificates that Node trusts for the name, and says what is wrong with a broken one', async (t) => {
  const authority = await createAuthority(now);
  t.is(authorityFault(authority, now), undefined);
  const serving = await issueServing(authority, [serverName, 'weft-controller'], now);
  const certificate = new X509Certificate(serving.chain);
  t.true(certificate.verify(new X509Certificate(authority.bundle).publicKey));
  t.is(certificate.checkHost('weft-controller'), 'weft-controller');
  // An authority that replaced another one, which is still trusted.
  const both = { ...authority, bundle: `${authority.bundle}${(await createAuthority(now)).bundle}` };
  t.is(authorityFault(both, now), undefined);
  t.true(new X509Certificate((await issueServing(both, [serverName], now)).chain).verify(new X509Certificate(authority.bundle).publicKey));
  t.regex(authorityFault({ ...authority, key: serving.key }, now) ?? '', /does not belong/);
  t.regex(authorityFault({ bundle: serving.chain, key: serving.key }, now) ?? '', /not the certificate of an authority/);
  t.regex(authorityFault(authority, now + 11 * 365 * 86_400_000) ?? '', /expired/);
});

test('replicas that start together end with one authority', async (t) => {
  let stored: { readonly data: object } | undefined;
  const server = await fakeServer(({ method, body }, response) => {
    if (method === 'GET') return stored === undefined ? json(response, {}, 404) : json(response, stored);
    if (stored !== undefined) return json(response, {}, 409);
    stored = JSON.parse(body);
    json(response, stored, 201);
  });
  const env = { api: server.api, namespace: 'weft-system', now: () => now, signal: new AbortController().signal };
  const [a, b] = await Promise.all([loadAuthority(env), loadAuthority(env)]);
  t.deepEqual(a, b);
  stored = { data: { 'ca.crt': 'bm8=', 'ca.key': 'bm8=' } };
  await t.throwsAsync(loadAuthority(env), { message: /mend it, or delete it/ });
  await server.close();
});

test('only a token for our audience that is bound to a Pod is good', async (t) => {
  const extra = { 'authentication.kubernetes.io/pod-name': ['web-1'], 'authentication.kubernetes.io/pod-uid': ['u1'] };
  const good = { authenticated: true, audiences: ['weft-mesh.io'], user: { username: 'system:serviceaccount:shop:web', extra } };
  const cases: readonly (readonly [object, RegExp | undefined])[] = [
    [good, undefined],
    [{ authenticated: false, error: 'expired' }, /not valid: expired/],
    [{ ...good, audiences: undefined }, /not for the audience/],
    [{ ...good, audiences: ['other'] }, /not for the audience/],
    [{ ...good, user: { ...good.user, extra: {} } }, /not bound to a Pod/],
    [{ ...good, user: { username: 'admin', extra } }, /not that of a service account/],
  ];
  for (const [status, refusal] of cases) {
    const server = await fakeServer((_seen, response) => json(response, { status }, 201));
    const reviewed = await reviewToken(server.api, 'token', new AbortController().signal);
    if (refusal === undefined) t.deepEqual(reviewed, { ok: true, bearer: { namespace: 'shop', serviceAccount: 'web', pod: 'web-1', podUid: 'u1' } });
    else t.regex(reviewed.ok ? 'accepted' : reviewed.reason, refusal);
    t.deepEqual(JSON.parse(server.seen[0]?.body ?? '').spec, { token: 'token', audiences: ['weft-mesh.io'] });
    await server.close();
  }
});

test('a proxy is what its Pod is: a gateway by its label, in its own namespace only', (t) => {
  const bearer = { namespace: 'shop', serviceAccount: 'web', pod: 'web-1', podUid: 'u1' };
  t.deepEqual(nodeOf(bearer, { uid: 'u1', labels: {} }, undefined), { id: 'sidecar/shop/web-1', role: 'sidecar', namespace: 'shop', name: 'web-1' });
  const labels = { 'gateway.networking.k8s.io/gateway-name': 'front' };
  t.deepEqual(nodeOf(bearer, { uid: 'u1', labels }, '2'), { id: 'gateway/shop/front/web-1/2', role: 'gateway', namespace: 'shop', name: 'front' });
  t.is(typeof nodeOf(bearer, { uid: 'u2', labels }, undefined), 'string');
  t.is(typeof nodeOf(bearer, undefined, undefined), 'string');
});

interface Run {
  readonly server: StreamServer;
  readonly address: ControllerAddress;
  readonly accepted: { readonly channel: Channel; readonly node: ProxyNode; readonly messages: string[]; closed: boolean }[];
  readonly refusals: string[];
}

const node: ProxyNode = { id: 'sidecar/shop/web-1', role: 'sidecar', namespace: 'shop', name: 'web-1' };

async function run(t: { teardown(undo: () => Promise<void>): void }, admit: (token: string) => Promise<Admission>): Promise<Run> {
  const authority = await createAuthority(now);
  const accepted: Run['accepted'] = [];
  const refusals: string[] = [];
  const server = await serveStream({
    address: '127.0.0.1',
    port: 0,
    certificate: await issueServing(authority, [serverName], now),
    admit,
    accept: (channel, who) => {
      const one = { channel, node: who, messages: [] as string[], closed: false };
      accepted.push(one);
      channel.onMessage((message) => one.messages.push(message));
      channel.onClose(() => (one.closed = true));
    },
    refused: (reason) => refusals.push(reason),
    now: () => performance.now(),
    random: () => 0.5,
  });
  const folder = await mkdtemp(join(tmpdir(), 'weft-serve-'));
  const authorityFile = join(folder, 'ca.crt');
  const tokenFile = join(folder, 'token');
  await writeFile(authorityFile, authority.bundle);
  await writeFile(tokenFile, 'good\n');
  t.teardown(() => server.close());
  return { server, accepted, refusals, address: { host: '127.0.0.1', port: server.port, serverName, authorityFile, tokenFile } };
}

const admits = async (token: string): Promise<Admission> => (token === 'good' ? { ok: true, node } : { ok: false, reason: 'bad token' });
const env = { now: () => performance.now() };
const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('messages go both ways; what a proxy says of itself is replaced by what its token says', async (t) => {
  const { address, accepted, server } = await run(t, admits);
  const channel = await dialController(address, env);
  const got: string[] = [];
  let closed = false;
  channel.onMessage((message) => got.push(message));
  channel.onClose(() => (closed = true));
  const lie = { node: { id: 'gateway/other/front/x', role: 'gateway', namespace: 'other', name: 'front' }, type: 'Listener', subscribe: ['*'], unsubscribe: [] };
  channel.send(JSON.stringify(lie));
  channel.send('second');
  await later(50);
  t.deepEqual(JSON.parse(accepted[0]?.messages[0] ?? '').node, node);
  t.is(accepted[0]?.messages[1], 'second');
  accepted[0]?.channel.send('answer');
  await later(30);
  t.deepEqual(got, ['answer']);
  t.deepEqual(server.counts(), { proxies: 1, greeting: 0 });
  accepted[0]?.channel.close();
  await later(50);
  t.true(closed);
  t.true(accepted[0]?.closed);
  t.deepEqual(server.counts(), { proxies: 0, greeting: 0 });
});

test('a bad token, another authority and another name are refused', async (t) => {
  const { address, accepted, refusals } = await run(t, admits);
  await writeFile(address.tokenFile, 'stolen');
  await t.throwsAsync(dialController(address, env), { message: /refuses: bad token/ });
  t.deepEqual(refusals, ['bad token']);
  await writeFile(address.authorityFile, (await createAuthority(now)).bundle);
  await t.throwsAsync(dialController(address, env), { message: /signature|self-signed|verify/i });
  await t.throwsAsync(dialController({ ...address, serverName: 'evil' }, env));
  t.deepEqual(accepted, []);
});

test('whatever a peer sends in the place of a hello ends its connection and nothing else', async (t) => {
  const { address, accepted } = await run(t, admits);
  const plain = connect(address.port, '127.0.0.1', () => plain.write('GET / HTTP/1.1\r\n\r\n'));
  plain.on('error', () => {});
  const payloads = [Buffer.from('GET / HTTP/1.1\r\n\r\n'), encodeFrame('hello', '{}'), encodeFrame('message', '{}'), encodeFrame('hello', 'x'.repeat(100_000)), Buffer.from([255, 255, 255, 255, 4])];
  for (const payload of payloads) {
    const socket = connectTls({ host: '127.0.0.1', port: address.port, rejectUnauthorized: false }, () => socket.write(payload));
    socket.on('error', () => {});
    socket.resume();
    await new Promise((resolve) => socket.on('close', resolve));
  }
  t.deepEqual(accepted, []);
  const channel = await dialController(address, env);
  channel.close();
  await later(20);
  t.is(accepted.length, 1);
});

test('a certificate that is renewed serves the connections from then on; those before stay', async (t) => {
  const { address, server } = await run(t, admits);
  const before = await dialController(address, env);
  let closed = false;
  before.onClose(() => (closed = true));
  const other = await createAuthority(now);
  server.renew(await issueServing(other, [serverName], now));
  await t.throwsAsync(dialController(address, env));
  await writeFile(address.authorityFile, other.bundle);
  (await dialController(address, env)).close();
  t.false(closed);
});
