import test from 'ava';
import type { ServerResponse } from 'node:http';
import { fakeServer, json, watching } from '../kube/fake.ts';
import { stateFrom } from '../testing.ts';
import { keepBundles } from './index.ts';

const namespaces = (...names: readonly string[]): ReturnType<typeof stateFrom> =>
  stateFrom(names.map((name) => `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: { weft-mesh.io/inject: enabled } }\n`).join('---\n'));

test('the bundle is written where it is missing or wrong, and at once where it is spoilt or deleted', async (t) => {
  let version = 1;
  const watches: ServerResponse[] = [];
  const objects = new Map<string, object>();
  const mapOf = (namespace: string, text: string): object => ({ metadata: { namespace, name: 'weft-ca', resourceVersion: String((version += 1)) }, data: { 'ca.crt': text } });
  const tell = (type: string, object: object): void => {
    for (const watch of watches) watch.write(`${JSON.stringify({ type, object })}\n`);
  };
  const server = await fakeServer(({ method, path, query, body }, response) => {
    if (method === 'GET') return query.has('watch') ? void watches.push(watching(response)) : json(response, { metadata: { resourceVersion: '1' }, items: [...objects.values()] });
    const namespace = path.split('/')[4] ?? '';
    const object = mapOf(namespace, (JSON.parse(body) as { data: { 'ca.crt': string } }).data['ca.crt']);
    objects.set(namespace, object);
    json(response, object);
    tell('MODIFIED', object);
  });
  const written = (): readonly string[] => server.seen.filter(({ method }) => method === 'PATCH').map(({ path, body }) => `${path.split('/')[4]} ${(JSON.parse(body) as { data: { 'ca.crt': string } }).data['ca.crt']}`);
  const until = async (count: number): Promise<number> => {
    const started = performance.now();
    while (written().length < count && performance.now() - started < 4000) await new Promise((resolve) => setTimeout(resolve, 5));
    const took = performance.now() - started;
    t.is(written().length, count);
    // The keeper has to hear of its success before the test's clock goes on, or takes that for the time of writing.
    await new Promise((resolve) => setTimeout(resolve, 100));
    return took;
  };
  objects.set('right', mapOf('right', 'one'));
  objects.set('wrong', mapOf('wrong', 'other'));
  let state = namespaces('right', 'wrong');
  let bundle = 'one';
  let leads = true;
  let clock = 0;
  const end = new AbortController();
  const keeper = keepBundles({ api: server.api, namespace: 'weft-system', now: () => 0, monotonic: () => clock, random: () => 0, leads: () => leads, bundle: () => bundle, state: () => state, failed: (message) => t.log(message), signal: end.signal });
  await until(2);
  t.deepEqual(written().toSorted(), ['weft-system one', 'wrong one']);

  state = namespaces('right', 'wrong', 'new');
  keeper.look();
  t.true((await until(3)) < 500);
  t.is(written()[2], 'new one');

  clock = 120_000;
  tell('MODIFIED', mapOf('right', 'spoilt'));
  t.true((await until(4)) < 500);
  tell('DELETED', mapOf('wrong', 'one'));
  t.true((await until(5)) < 500);
  t.deepEqual(written().slice(3), ['right one', 'wrong one']);

  // Somebody who keeps changing it is not fought with every time.
  for (let turn = 0; turn < 20; turn++) tell('MODIFIED', mapOf('right', `spoilt ${turn}`));
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.is(written().length, 5);
  clock += 5000;
  keeper.look();
  await until(6);

  clock += 120_000;
  bundle = 'two';
  keeper.look();
  await until(10);
  t.deepEqual(written().slice(6).toSorted(), ['new two', 'right two', 'weft-system two', 'wrong two']);

  // One that does not lead writes where there is none, and leaves what another one has written.
  leads = false;
  clock += 120_000;
  bundle = 'three';
  state = namespaces('right', 'wrong', 'new', 'newer');
  keeper.look();
  await until(11);
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.deepEqual(written().slice(10), ['newer three']);
  end.abort();
  await server.close();
});
