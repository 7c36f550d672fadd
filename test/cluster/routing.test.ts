import test from 'ava';
import { eventually, kubectl } from './cluster.ts';
import { appPod, appService, applyAll, Client, conditionsOf, makeSpace, route, soon, waitCondition, waitReady } from './rig.ts';

/** HTTPRoutes whose parent is a Service, among Pods with sidecars. */

const shop = makeSpace('shop', 'in the mesh');
const buyer = makeSpace('buyer', 'in the mesh');

test.before(() => {
  applyAll(
    appPod(shop.name, 'reviews-v1'),
    appPod(shop.name, 'reviews-v2'),
    appPod(shop.name, 'client'),
    appPod(buyer.name, 'client'),
    ...['v1', 'v2'].map((version) => appService(shop.name, `reviews-${version}`, { app: 'reviews', version })),
    ...['canary', 'headers', 'shared', 'plain', 'strict', 'broken'].map((name) => appService(shop.name, name, { app: 'reviews', version: 'v1' })),
  );
  waitReady(shop.name, 'reviews-v1', 'reviews-v2', 'client');
  waitReady(buyer.name, 'client');
});

test.after.always(() => {
  for (const space of [shop, buyer]) space.drop();
});

const parent = (name: string, namespace?: string): object => ({ group: '', kind: 'Service', name, ...(namespace === undefined ? {} : { namespace }) });
const backend = (version: string, weight?: number): object => ({ name: `reviews-${version}`, port: 80, ...(weight === undefined ? {} : { weight }) });
const own = (): Client => new Client(shop.name, 'client');
const other = (): Client => new Client(buyer.name, 'client');

async function versions(client: Client, url: string, count: number): Promise<readonly string[]> {
  return (await client.calls({ url, count })).map(({ status, body }) => (status === 200 ? (JSON.parse(body) as { version: string }).version : String(status)));
}

test('a canary: requests are split by weight, and a change of weights takes effect', async (t) => {
  applyAll(route(shop.name, 'canary', { parentRefs: [parent('canary')], rules: [{ backendRefs: [backend('v1', 75), backend('v2', 25)] }] }));
  await waitCondition('httproute', shop.name, 'canary', 'Accepted=True/Accepted');
  await soon(async () => (await versions(own(), 'http://canary/', 20)).includes('v2'));
  const seen = await versions(own(), 'http://canary/', 400);
  const share = seen.filter((version) => version === 'v2').length / seen.length;
  t.true(share > 0.17 && share < 0.33, `v2 got ${share}`);
  t.deepEqual([...new Set(seen)].toSorted(), ['v1', 'v2']);
  applyAll(route(shop.name, 'canary', { parentRefs: [parent('canary')], rules: [{ backendRefs: [backend('v1', 0), backend('v2', 1)] }] }));
  await soon(async () => (await versions(own(), 'http://canary/', 10)).every((version) => version === 'v2'), 5000);
  t.deepEqual([...new Set(await versions(own(), 'http://canary/', 50))], ['v2']);
});

test('matches, filters, a redirect and a rewrite', async (t) => {
  applyAll(
    route(shop.name, 'headers', {
      parentRefs: [parent('headers')],
      rules: [
        { matches: [{ path: { type: 'PathPrefix', value: '/plain' }, headers: [{ name: 'end-user', value: 'jason' }] }], backendRefs: [backend('v2')] },
        { matches: [{ path: { type: 'PathPrefix', value: '/old' } }], filters: [{ type: 'RequestRedirect', requestRedirect: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' }, statusCode: 301 } }] },
        { matches: [{ path: { type: 'PathPrefix', value: '/in' } }], filters: [{ type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/out' } } }, { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-by', value: 'weft' }] } }], backendRefs: [backend('v1')] },
        { matches: [{ path: { type: 'PathPrefix', value: '/plain' } }], backendRefs: [backend('v1')] },
      ],
    }),
  );
  await soon(async () => (await own().call('http://headers/nothing')).status === 404);
  t.is((await own().echo('http://headers/plain', { headers: { 'end-user': 'jason' } })).version, 'v2');
  t.is((await own().echo('http://headers/plain')).version, 'v1');
  const redirect = await own().call('http://headers/old/page');
  t.like(redirect, { status: 301 });
  t.is(redirect.headers['location'], 'http://headers/new/page');
  const rewritten = await own().echo('http://headers/in/page');
  t.is(rewritten.path, '/out/page');
  t.is(rewritten.headers['x-by'], 'weft');
});

test("a producer's route holds for everybody; a consumer's only for clients of its own namespace", async (t) => {
  const url = `http://shared.${shop.name}/`;
  applyAll(route(shop.name, 'shared', { parentRefs: [parent('shared')], rules: [{ backendRefs: [backend('v2')] }] }));
  await soon(async () => (await other().echo(url)).version === 'v2');
  t.is((await own().echo(url)).version, 'v2');
  applyAll(
    route(buyer.name, 'mine', { parentRefs: [parent('shared', shop.name)], rules: [{ filters: [{ type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-route', value: 'consumer' }] } }], backendRefs: [{ name: 'shared', namespace: shop.name, port: 80 }] }] }),
    JSON.stringify({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'ReferenceGrant', metadata: { namespace: shop.name, name: 'buyers' }, spec: { from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: buyer.name }], to: [{ group: '', kind: 'Service' }] } }),
  );
  await soon(async () => (await other().call(url)).headers['x-route'] === 'consumer');
  t.is((await other().echo(url)).version, 'v1');
  t.is((await own().call(url)).headers['x-route'], undefined);
  t.is((await own().echo(url)).version, 'v2');
});

test('who is called, not the Host, decides the routes; a Service without any is forwarded to', async (t) => {
  applyAll(route(shop.name, 'strict', { parentRefs: [parent('strict')], rules: [{ matches: [{ path: { value: '/only' } }], backendRefs: [backend('v2')] }] }));
  await soon(async () => (await own().call('http://strict/else')).status === 404);
  t.is((await own().echo('http://strict/only', { headers: { host: 'plain' } })).version, 'v2');
  t.is((await own().echo('http://plain/else', { headers: { host: 'strict' } })).version, 'v1');
});

test('a route whose backend is not there answers 500, and its status says why', async (t) => {
  applyAll(route(shop.name, 'broken', { parentRefs: [parent('broken')], rules: [{ backendRefs: [{ name: 'nowhere', port: 80 }] }] }));
  await waitCondition('httproute', shop.name, 'broken', 'ResolvedRefs=False/BackendNotFound');
  t.true(conditionsOf('httproute', shop.name, 'broken').includes('Accepted=True/Accepted'));
  await soon(async () => (await own().call('http://broken/')).status === 500);
  kubectl(['delete', 'httproute', '-n', shop.name, 'broken']);
  await soon(async () => (await own().call('http://broken/')).status === 200);
  t.pass();
});

test('endpoints that come and go are followed without a failed request', async (t) => {
  applyAll(appService(shop.name, 'scaled', { app: 'scaled' }), appPod(shop.name, 'scaled-v1', { spec: {} }));
  waitReady(shop.name, 'scaled-v1');
  await soon(async () => (await own().call('http://scaled/')).status === 200);
  const statuses: number[] = [];
  let going = true;
  const client = own();
  const lane = (async () => {
    while (going) for (const { status } of await client.calls({ url: 'http://scaled/', count: 20 })) statuses.push(status);
  })();
  for (const version of ['v2', 'v3']) applyAll(appPod(shop.name, `scaled-${version}`, { container: { lifecycle: { preStop: { sleep: { seconds: 1 } } } }, spec: { terminationGracePeriodSeconds: 5 } }));
  await eventually(() => kubectl(['get', 'pods', '-n', shop.name, '-l', 'app=scaled', '-o', 'jsonpath={.items[*].status.containerStatuses[0].ready}']) === 'true true true', 60_000);
  await soon(async () => new Set(await versions(other(), `http://scaled.${shop.name}/`, 30)).size === 3);
  kubectl(['delete', 'pod', '-n', shop.name, 'scaled-v2', 'scaled-v3', '--wait=false']);
  await eventually(() => kubectl(['get', 'pods', '-n', shop.name, '-l', 'app=scaled', '-o', 'name']).trim() === 'pod/scaled-v1', 30_000);
  going = false;
  await lane;
  t.deepEqual(statuses.filter((status) => status !== 200), []);
  t.true(statuses.length > 40, `${statuses.length} requests`);
});
