import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { weft } from './testing/run.ts';

async function json(...words: string[]): Promise<Record<string, unknown>> {
  const { out, err } = await weft(...words, '-o', 'json');
  return JSON.parse(out === '' ? `{"error":${JSON.stringify(err)}}` : out) as Record<string, unknown>;
}

const bookinfo = ['-f', 'examples/bookinfo'];

test('explain names the route, rule and match that won, the backends with their shares, and why the others lost', async (t) => {
  const answer = await json('explain', ...bookinfo, '--from', 'shop/productpage-v1', 'http://reviews:9080/reviews/0');
  t.is(answer['outcome'], 'forward');
  t.deepEqual(answer['service'], { kind: 'Service', namespace: 'shop', name: 'reviews', port: 9080 });
  t.deepEqual(answer['route'], { kind: 'HTTPRoute', namespace: 'shop', name: 'reviews' });
  t.deepEqual(answer['rule'], { index: 1, name: 'canary' });
  t.deepEqual(answer['match'], { index: 0 });
  t.deepEqual((answer['backends'] as { name: string; weight: number; valid: boolean; endpoints: string[] }[]).map(({ name, weight, valid, endpoints }) => ({ name, weight, valid, endpoints })), [
    { name: 'reviews-v1', weight: 70, valid: true, endpoints: ['127.0.1.3:9080'] },
    { name: 'reviews-v2', weight: 20, valid: true, endpoints: ['127.0.1.4:9080'] },
    { name: 'reviews-v3', weight: 10, valid: true, endpoints: ['127.0.1.5:9080'] },
  ]);
  t.deepEqual(answer['origins'], { 'timeouts.request': { kind: 'TimeoutPolicy', namespace: 'shop', name: 'shop', stanza: 'default', level: 'Namespace' } });
  t.deepEqual(answer['rejected'], [{ route: { kind: 'HTTPRoute', namespace: 'shop', name: 'reviews' }, rule: 0, match: 0, reason: 'header end-user is absent, not "jason"' }]);
});

test('a header decides', async (t) => {
  const answer = await json('explain', ...bookinfo, '--from-namespace', 'shop', '-H', 'End-User: jason', 'http://reviews.shop.svc.cluster.local:9080/');
  t.deepEqual(answer['rule'], { index: 0, name: 'testers' });
});

test('what the mesh does not know passes through; a Service without routes is forwarded to, with its policy', async (t) => {
  t.is((await json('explain', ...bookinfo, '--from-namespace', 'shop', 'http://example.com/'))['outcome'], 'passthrough');
  const ratings = await json('explain', ...bookinfo, '--from-namespace', 'shop', 'http://ratings:9080/');
  t.is(ratings['outcome'], 'forward');
  t.is(ratings['route'], undefined);
  t.like(ratings['retry'], { maxRetries: 3 });
});

test('at a Gateway the listener is named; a request that no rule matches is answered 404', async (t) => {
  const answer = await json('explain', ...bookinfo, '--gateway', 'shop/bookinfo', 'http://localhost:8080/nowhere');
  t.like(answer, { outcome: 'respond', status: 404, listener: { name: 'http', port: 8080 } });
  t.is((answer['rejected'] as unknown[]).length, 2);
});

test('a call that can not be answered says what there is, with exit status 2', async (t) => {
  const cases: [string[], RegExp][] = [
    [['explain', ...bookinfo, 'http://x/'], /--gateway.*--from/],
    [['explain', ...bookinfo, '--from', 'shop/nobody', 'http://x/'], /no Pod or workload shop\/nobody; there are shop\/productpage-v1/],
    [['explain', ...bookinfo, '--gateway', 'shop/nobody', 'http://x/'], /no Gateway shop\/nobody.*shop\/bookinfo/],
    [['explain', ...bookinfo, '--gateway', 'shop/bookinfo', 'http://x:81/'], /no HTTP listener on port 81; it has http \(HTTP 8080\)/],
    [['explain', ...bookinfo, '--from-namespace', 'shop', '-H', 'nonsense', 'http://x/'], /"nonsense" is no header/],
    [['explain', '-f', 'examples/nowhere', '--from-namespace', 'shop', 'http://x/'], /examples\/nowhere: no such file/],
    [['policy', '-f', 'examples/policies', '--route', 'HTTPRoute/orders/foo'], /--gateway.*--from-namespace/],
    [['policy', '-f', 'examples/policies', '--gateway', 'platform/edge', '--route', 'HTTPRoute/orders/bar'], /no such path by HTTPRoute\/orders\/bar; there is HTTPRoute\/orders\/foo\/all/],
    [['policy', 'affects', '-f', 'examples/policies', 'RetryPolicy/orders/bar'], /no policy RetryPolicy\/orders\/bar; there are/],
  ];
  for (const [words, message] of cases) {
    const { err, status } = await weft(...words);
    t.regex(err, message, words.join(' '));
    t.is(status, 2);
  }
});

test('policy shows every field with its origin, and what lost to whom', async (t) => {
  const answer = await json('policy', '-f', 'examples/policies', '--gateway', 'platform/edge/http', '--route', 'HTTPRoute/orders/foo/all', '--backend', 'orders/foo:8080');
  t.deepEqual(answer['retry'], { maxRetries: 2, backoff: { base: '50ms' }, perTryTimeout: '2s', retryOn: { codes: [502, 503] } });
  t.deepEqual(answer['timeouts'], { request: '10s', connect: '500ms' });
  t.deepEqual((answer['origins'] as Record<string, unknown>)['retry.maxRetries'], { kind: 'RetryPolicy', namespace: 'platform', name: 'edge', stanza: 'override', level: 'Gateway' });
  t.like((answer['lost'] as object[])[0], { kind: 'RetryPolicy', namespace: 'orders', name: 'foo', stanza: 'override', level: 'Route', field: 'retry.maxRetries', value: 5 });
});

test('policy affects lists the paths of a policy, what it decides there and what it loses', async (t) => {
  const { out } = await weft('policy', 'affects', '-f', 'examples/policies', 'RetryPolicy/orders/foo');
  t.regex(out, /Gateway platform\/edge\/http → HTTPRoute\/orders\/foo\/all → orders\/foo:8080/);
  t.regex(out, /retry\.backoff\.base +50ms +decides/);
  t.regex(out, /retry\.maxRetries +5 +loses to RetryPolicy\/platform\/edge/);
});

test('analyze finds nothing in the examples', async (t) => {
  const { out, status } = await weft('analyze', '-f', 'examples');
  t.regex(out.trim().split('\n').at(-1)!, /^no problems in \d+ objects$/);
  t.is(status, 0);
});

test('analyze tells every problem with file, line and column, and ends with 1', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'weft-analyze-')), 'broken.yaml');
  writeFileSync(file, `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: foo, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: foo }]
  rules:
    - backendRefs:
        - name: nowhere
          port: 80
---
apiVersion: v1
kind: Service
metadata: { name: foo, namespace: shop }
spec: { ports: [{ port: 80 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: shop }
spec: { gatewayClassName: weft, listeners: [], colour: blue }
`);
  const { out, status } = await weft('analyze', '-f', file);
  t.is(status, 1);
  t.regex(out, new RegExp(`${file}:8:\\d+: error: HTTPRoute shop/foo: .*shop/nowhere.*\\[BackendNotFound\\]`));
  t.regex(out, new RegExp(`${file}:1\\d:\\d+: error: Gateway shop/edge: .*colour.*\\[InvalidObject\\]`));
});

test('translate shows statuses and the snapshot of each proxy, but no private key', async (t) => {
  const answer = await json('translate', '-f', 'examples/shared-gateway');
  const proxies = answer['proxies'] as Record<string, { kind: string; name: string }[]>;
  t.deepEqual(Object.keys(proxies), ['gateway/infra/shared']);
  t.deepEqual([...new Set(proxies['gateway/infra/shared']!.map(({ kind }) => kind))].sort(), ['Backend', 'Certificate', 'Endpoints', 'Listener', 'RouteTable']);
  t.notRegex(JSON.stringify(answer), /PRIVATE KEY/);
  t.true((answer['statuses'] as { kind: string }[]).some(({ kind }) => kind === 'HTTPRoute'));
});

test('a workload stands for one of its Pods, and the answer says which', async (t) => {
  const answer = await json('explain', ...bookinfo, '--from', 'shop/productpage', 'http://reviews:9080/reviews/0');
  t.is(answer['outcome'], 'forward');
  t.deepEqual(answer['notes'], ['shop/productpage is taken for Pod shop/productpage-v1']);
  const { err, status } = await weft('explain', ...bookinfo, '--from', 'shop/nobody', 'http://reviews:9080/');
  t.regex(err, /no Pod or workload shop\/nobody; there are shop\//);
  t.is(status, 2);
});

test('explain also names routes of other listeners and producer routes, and why they do not count here', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'weft-explain-')), 'all.yaml');
  const route = (name: string, namespace: string, parent: string): string => `apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: ${name}, namespace: ${namespace} }\nspec: { parentRefs: [${parent}], rules: [{ backendRefs: [{ name: a, namespace: shop, port: 80 }] }] }\n`;
  writeFileSync(file, [
    'apiVersion: v1\nkind: Service\nmetadata: { name: a, namespace: shop }\nspec: { ports: [{ port: 80 }] }\n',
    'apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: web, namespace: shop }\nspec: { gatewayClassName: weft, listeners: [{ name: any, protocol: HTTP, port: 80 }, { name: foo, protocol: HTTP, port: 80, hostname: "*.foo.com" }, { name: bar, protocol: HTTP, port: 80, hostname: bar.com }] }\n',
    route('web', 'shop', '{ name: web, sectionName: any }'),
    route('bar', 'shop', '{ name: web, sectionName: bar }'),
    route('producer', 'shop', '{ group: "", kind: Service, name: a }'),
    route('consumer', 'client', '{ group: "", kind: Service, name: a, namespace: shop }'),
  ].join('---\n'));
  const rejected = async (...words: string[]): Promise<unknown> => (await json('explain', '-f', file, ...words))['rejected'];
  const lost = (name: string, reason: string): object => ({ route: { kind: 'HTTPRoute', namespace: 'shop', name }, rule: 0, match: 0, reason });
  t.deepEqual(await rejected('--gateway', 'shop/web', 'http://x.foo.com/'), [lost('web', 'attached to listener any; for this host listener foo (*.foo.com) is more specific')]);
  t.deepEqual(await rejected('--from-namespace', 'client', 'http://a.shop/'), [lost('producer', 'a producer route; for clients in client the consumer routes there take its place')]);
  t.deepEqual(await rejected('--from-namespace', 'shop', 'http://a/'), []);
});

test('explain knows an Ingress by its name, takes the Host from the URL, and names the session in force', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'weft-explain-')), 'ingress.yaml');
  writeFileSync(file, `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: web, namespace: shop }
spec:
  ingressClassName: weft
  rules: [{ host: "*.foo.com", http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: web, port: { number: 80 } } } }] } }]
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { ports: [{ port: 80 }] }
---
apiVersion: gateway.networking.x-k8s.io/v1alpha1
kind: XBackendTrafficPolicy
metadata: { name: sticky, namespace: shop }
spec:
  targetRefs: [{ group: "", kind: Service, name: web }]
  sessionPersistence: { type: Cookie, cookie: { name: sid } }
`);
  const place = ['-f', file, '--gateway', 'weft-system/weft-ingress'];
  const answer = await json('explain', ...place, 'http://a.foo.com/');
  t.deepEqual(answer['route'], { kind: 'Ingress', namespace: 'shop', name: 'web' });
  t.deepEqual(answer['session'], { type: 'Cookie', name: 'sid', lifetime: 'Session', path: '/' });
  t.like((answer['origins'] as Record<string, object>)['session'], { kind: 'XBackendTrafficPolicy', name: 'sticky', level: 'Service' });
  t.is((await json('explain', ...place, 'http://a.b.foo.com/'))['status'], 404);
  t.regex((await weft('explain', ...place, 'http://a.foo.com/')).out, /session +.*sid.*written in XBackendTrafficPolicy shop\/sticky/);
  t.regex((await weft('policy', 'affects', 'XBackendTrafficPolicy/shop/sticky', '-f', file)).out, /session/);
});
