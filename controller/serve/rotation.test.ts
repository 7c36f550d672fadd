import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import test from 'ava';
import { fakeServer, json, type FakeServer } from '../kube/fake.ts';
import { createAuthority, issueServing, loadAuthority, type Trust, type TrustEnvironment } from './index.ts';

const day = 86_400_000;
const name = 'weft-controller.weft-system.svc';

interface Secret {
  readonly metadata: { readonly resourceVersion: string; readonly labels: object; readonly annotations?: Readonly<Record<string, string>> };
  readonly data: Readonly<Record<string, string>>;
}

/** An API server that holds one Secret, with its version. */
async function store(labels: object = { 'app.kubernetes.io/managed-by': 'weft' }): Promise<{ readonly server: FakeServer; readonly said: string[]; secret: Secret | undefined; readonly writes: string[]; env(now: number): TrustEnvironment }> {
  const holder = {
    secret: undefined as Secret | undefined,
    writes: [] as string[],
    said: [] as string[],
    server: await fakeServer(({ method, body }, response) => {
      const { secret } = holder;
      if (method === 'GET') return secret === undefined ? json(response, {}, 404) : json(response, secret);
      const sent = JSON.parse(body) as Secret;
      if (method === 'POST' ? secret !== undefined : sent.metadata.resourceVersion !== secret?.metadata.resourceVersion) return json(response, {}, 409);
      holder.writes.push(method);
      const { annotations = {} } = sent.metadata;
      holder.secret = { metadata: { resourceVersion: String(holder.writes.length), labels, annotations }, data: sent.data };
      json(response, holder.secret, method === 'POST' ? 201 : 200);
    }),
    env: (now: number): TrustEnvironment => ({ api: holder.server.api, namespace: 'weft-system', now: () => now, failed: (message) => void holder.said.push(message), signal: new AbortController().signal }),
  };
  return holder;
}

/** Whether a proxy that has this bundle connects to a replica that serves with this authority. */
async function connects(bundle: string, { authority }: Trust, now: number): Promise<boolean> {
  const { chain: cert, key } = await issueServing(authority, [name], now);
  const server = createServer({ cert, key, minVersion: 'TLSv1.3' }, (socket) => socket.end());
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, servername: name, ca: bundle }, () => {
        resolve(true);
        socket.destroy();
      });
      socket.once('error', () => resolve(false));
    });
  } finally {
    server.close();
  }
}

test('an authority that comes near its end is replaced: first trusted, a day later in use, the old one trusted on', async (t) => {
  const kept = await store();
  const { server, env } = kept;
  // Certificates are judged by the real clock, so that is where the replacement happens.
  const turned = Date.now();
  const made = turned - 3650 * day + 300 * day;
  const first = await loadAuthority(env(made));
  t.is((await loadAuthority(env(made + 3000 * day))).bundle, first.bundle);
  t.deepEqual(kept.writes, ['POST']);

  const prepared = await loadAuthority(env(turned));
  t.is(prepared.authority.key, first.authority.key);
  t.is(prepared.bundle.match(/BEGIN CERTIFICATE/g)?.length, 2);
  t.is((await loadAuthority(env(turned + 0.9 * day))).bundle, prepared.bundle);
  t.deepEqual(kept.writes, ['POST', 'PUT']);

  const [one, other] = await Promise.all([loadAuthority(env(turned + 1.1 * day)), loadAuthority(env(turned + 1.1 * day))]);
  t.deepEqual(one, other);
  t.not(one.authority.key, first.authority.key);
  t.deepEqual(kept.writes, ['POST', 'PUT', 'PUT']);
  t.true(await connects(first.bundle, first, turned));
  t.true(await connects(prepared.bundle, one, turned), 'a proxy with the bundle of yesterday');
  t.true(await connects(one.bundle, first, turned), 'a replica that has not heard yet');
  t.false(await connects(first.bundle, one, turned));

  const later = await loadAuthority(env(turned + 400 * day));
  t.is(later.authority.key, one.authority.key);
  await server.close();
});

test('an authority that somebody else brought is theirs to replace', async (t) => {
  const kept = await store({});
  const made = Date.now() - 3640 * day;
  const first = await loadAuthority(kept.env(made));
  t.is((await loadAuthority(kept.env(Date.now()))).bundle, first.bundle);
  t.deepEqual(kept.writes, ['POST']);
  await kept.server.close();
});

test('an authority whose Secret was deleted is put back as it was', async (t) => {
  const kept = await store();
  const now = Date.now();
  const first = await loadAuthority(kept.env(now));
  kept.secret = undefined;
  t.deepEqual(await loadAuthority(kept.env(now), first), first);
  t.is(kept.writes.length, 2);
  await kept.server.close();
});

test('a next authority that was spoilt is made anew', async (t) => {
  const kept = await store();
  const turned = Date.now();
  await loadAuthority(kept.env(turned - 3400 * day));
  const prepared = await loadAuthority(kept.env(turned));
  kept.secret = { ...kept.secret!, data: { ...kept.secret!.data, 'next.key': Buffer.from((await createAuthority(turned)).key).toString('base64') } };
  const again = await loadAuthority(kept.env(turned + 2 * day));
  t.is(again.authority.key, prepared.authority.key);
  t.not(again.bundle, prepared.bundle);
  await kept.server.close();
});

/** As `kubectl annotate` does. */
function annotate(kept: Awaited<ReturnType<typeof store>>, annotations: Readonly<Record<string, string>>): void {
  const { metadata, data } = kept.secret!;
  kept.secret = { metadata: { ...metadata, annotations }, data };
}

test('an authority is replaced when an annotation asks for it, after the time that it says, once', async (t) => {
  const kept = await store();
  const now = Date.now();
  const first = await loadAuthority(kept.env(now));
  annotate(kept, { 'weft-mesh.io/replace-after': '10m', other: 'stays' });
  const prepared = await loadAuthority(kept.env(now));
  t.is(prepared.authority.key, first.authority.key);
  t.is(prepared.bundle.match(/BEGIN CERTIFICATE/g)?.length, 2);
  t.is((await loadAuthority(kept.env(now + 599_000))).authority.key, first.authority.key);
  const turned = await loadAuthority(kept.env(now + 601_000));
  t.not(turned.authority.key, first.authority.key);
  t.true(await connects(prepared.bundle, turned, now));
  t.true(await connects(turned.bundle, first, now));
  t.deepEqual(kept.secret?.metadata.annotations, { other: 'stays' });
  t.deepEqual(await loadAuthority(kept.env(now + 3 * day)), turned);
  t.deepEqual([kept.writes, kept.said], [['POST', 'PUT', 'PUT'], []]);
  await kept.server.close();
});

test('a wish that can not be met is told, and harms nothing', async (t) => {
  const [kept, theirs] = await Promise.all([store(), store({})]);
  for (const [each, wish] of [[kept, 'soon'], [theirs, '10m']] as const) {
    const first = await loadAuthority(each.env(Date.now()));
    annotate(each, { 'weft-mesh.io/replace-after': wish });
    t.deepEqual(await loadAuthority(each.env(Date.now())), first);
  }
  t.regex(kept.said.join(), /must be a duration such as/);
  t.regex(theirs.said.join(), /has no label .* no effect/);
  await Promise.all([kept.server.close(), theirs.server.close()]);
});
