import test from 'ava';
import type { ServerResponse } from 'node:http';
import { fakeServer, json, watching, type FakeServer } from '../kube/fake.ts';
import type { Rejection } from '../push/index.ts';
import { readRefusals, writeRefusals, type RefusalsEnvironment } from './refusals.ts';

/** An API server with one ConfigMap: server-side apply by managers that own one key each, merge patches, and a watch. */
async function store(): Promise<FakeServer & { readonly data: Map<string, string> }> {
  const data = new Map<string, string>();
  const owners = new Map<string, readonly string[]>();
  const watches: ServerResponse[] = [];
  let version = 1;
  const object = (): object => ({ metadata: { namespace: 'weft-system', name: 'weft-refusals', resourceVersion: String(version) }, data: Object.fromEntries(data) });
  const server = await fakeServer(({ method, query, body }, response) => {
    if (method === 'GET') {
      if (query.has('watch')) return void watches.push(watching(response));
      return json(response, { metadata: { resourceVersion: String(version) }, items: [object()] });
    }
    const sent = (JSON.parse(body) as { data: Record<string, string | null> }).data;
    const manager = query.get('fieldManager');
    if (manager !== null) for (const key of owners.get(manager) ?? []) data.delete(key);
    if (manager !== null) owners.set(manager, Object.keys(sent));
    for (const [key, value] of Object.entries(sent)) if (value === null) data.delete(key); else data.set(key, value);
    version += 1;
    for (const watch of watches) watch.write(`${JSON.stringify({ type: 'MODIFIED', object: object() })}\n`);
    json(response, object());
  });
  return { ...server, data };
}

const refusal = (pod: string, reason: string): Rejection => ({ proxy: { id: `gateway/shop/edge/${pod}`, role: 'gateway', namespace: 'shop', name: 'edge' }, type: 'Listener', name: 'shop/edge/80', reason });

async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !what(); tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  if (!what()) throw new Error('not within 5 s');
}

test('what a proxy of one replica refuses is heard by the leader, changed and taken back; its own is not', async (t) => {
  const server = await store();
  const end = new AbortController();
  const env = (identity: string): RefusalsEnvironment => ({ api: server.api, namespace: 'weft-system', identity, now: () => 0, monotonic: () => performance.now(), random: () => 0, failed: (message) => t.log(message), signal: end.signal });
  const [a, b] = [writeRefusals(env('a')), writeRefusals(env('b'))];
  const heard: (readonly Rejection[])[] = [];
  readRefusals({ ...env('a'), heard: (rejections) => void heard.push(rejections) });
  a.want([refusal('1', 'own')]);
  b.want([]);
  b.want([refusal('2', 'EADDRINUSE')]);
  await until(() => heard.length === 1 && server.data.size === 2);
  t.deepEqual(heard[0], [refusal('2', 'EADDRINUSE')]);
  b.want([refusal('2', 'EACCES'), refusal('3', 'x'.repeat(5000))]);
  await until(() => heard.length === 2);
  t.deepEqual(heard[1], [refusal('2', 'EACCES'), refusal('3', 'x'.repeat(300))]);
  b.want([]);
  await until(() => heard.length === 3);
  t.deepEqual(heard[2], []);
  await a.close();
  t.deepEqual([...server.data.keys()], []);
  end.abort();
  await server.close();
});

test('a replica that is gone is forgotten after a while; what is no entry counts as nothing', async (t) => {
  const server = await store();
  const end = new AbortController();
  let clock = 0;
  const heard: (readonly Rejection[])[] = [];
  server.data.set('gone', JSON.stringify({ refusals: [refusal('1', 'old'), { proxy: 1 }, { ...refusal('1', 'x'), type: 'Secret' }] }));
  server.data.set('odd', '{');
  readRefusals({ api: server.api, namespace: 'weft-system', identity: 'a', now: () => 0, monotonic: () => clock, random: () => 0, failed: (message) => t.log(message), heard: (rejections) => void heard.push(rejections), signal: end.signal });
  await until(() => heard.length === 1);
  t.deepEqual(heard[0], [refusal('1', 'old')]);
  clock = 200_000;
  // Anything that happens makes it look again.
  await server.api.send({ method: 'PATCH', path: '/api/v1/namespaces/weft-system/configmaps/weft-refusals', body: { data: { b: '{}' } } });
  await until(() => heard.length === 2);
  t.deepEqual(heard[1], []);
  end.abort();
  await server.close();
});
