import { Agent, request, type RequestOptions } from 'node:https';
import test from 'ava';
import { makePair } from '../certificate/make.ts';
import { defaultInjection } from '../configuration.ts';
import { injectionFor } from '../patch/injection.ts';
import { warmUp } from './warm-up.ts';
import { startAdmission, type AdmissionServer } from './server.ts';

const names = ['weft-injector.weft-system.svc'];
const outcomes: string[] = [];
let server: AdmissionServer;
let authority: string;

test.before(async () => {
  const pair = await makePair({ names, lifetimeMs: 3_600_000, now: Date.now() });
  authority = pair.authority;
  server = await startAdmission({
    port: 0,
    address: '127.0.0.1',
    now: () => performance.now(),
    answered: (outcome) => outcomes.push(outcome),
    inject: (pod, namespace) => injectionFor(pod, namespace, defaultInjection),
  });
  server.certify(pair);
});

test.after.always(() => server.close());

interface Reply {
  readonly status: number;
  readonly body: string;
}

function call(options: RequestOptions, body: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: server.port, ca: authority, servername: names[0], method: 'POST', agent: false, headers: { 'content-type': 'application/json' }, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => (text += part)).on('end', () => resolve({ status: response.statusCode!, body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const pod = { metadata: { name: 'a' }, spec: { containers: [{ name: 'a', image: 'a' }] } };

function review(object: object, more: object = {}): string {
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'u1', kind: { group: '', version: 'v1', kind: 'Pod' }, operation: 'CREATE', namespace: 'shop', object, dryRun: false, ...more },
  });
}

async function response(path: string, object: object): Promise<{ uid: string; allowed: boolean; patch?: string; status?: { code: number; message: string } }> {
  const { status, body } = await call({ path }, review(object));
  if (status !== 200) throw new Error(`${status} ${body}`);
  return (JSON.parse(body) as { response: { uid: string; allowed: boolean } }).response;
}

test("a Pod gets a patch; the path says whether the namespace's label is there", async (t) => {
  const patched = await response('/inject/namespace?timeout=5s', pod);
  t.like(patched, { uid: 'u1', allowed: true, patchType: 'JSONPatch' } as never);
  const operations = JSON.parse(Buffer.from(patched.patch!, 'base64').toString()) as { path: string }[];
  t.deepEqual(operations.map(({ path }) => path), ['/metadata/labels', '/spec/initContainers', '/spec/volumes', '/spec/containers/0/lifecycle']);
  t.deepEqual(await response('/inject/pod', pod), { uid: 'u1', allowed: true, auditAnnotations: { injection: 'namespace shop has no label weft-mesh.io/inject=enabled' } } as never);
  const own = await response('/inject/pod', { ...pod, metadata: { labels: { 'weft-mesh.io/inject': 'enabled' } } });
  t.truthy(own.patch);
});

test('a refusal is an answer with a message', async (t) => {
  const refused = await response('/inject/namespace', { ...pod, spec: { ...pod.spec, hostNetwork: true } });
  t.false(refused.allowed);
  t.is(refused.status!.code, 422);
  t.regex(refused.status!.message, /^hostNetwork: /);
});

test('what is no review of a new Pod is refused with the reason', async (t) => {
  const cases: readonly [string, RegExp][] = [
    ['{', /^no JSON/],
    ['[]', /^the review: must be an object/],
    [review(pod, { kind: { group: 'apps', version: 'v1', kind: 'Deployment' } }), /^request\.kind/],
    [review(pod, { operation: 'UPDATE' }), /^request\.operation/],
    [review(pod, { uid: 7 }), /^request\.uid/],
    [JSON.stringify({ apiVersion: 'admission.k8s.io/v1beta1', kind: 'AdmissionReview' }), /^apiVersion/],
  ];
  for (const [body, message] of cases) {
    const reply = await call({ path: '/inject/pod' }, body);
    t.is(reply.status, 400);
    t.regex(reply.body, message);
  }
});

test('other paths, methods, types and sizes', async (t) => {
  t.is((await call({ path: '/' }, '')).status, 404);
  t.is((await call({ path: '/inject/pod', method: 'GET' }, '')).status, 405);
  t.is((await call({ path: '/inject/pod', headers: { 'content-type': 'text/plain' } }, review(pod))).status, 415);
  const large = await call({ path: '/inject/pod' }, ' '.repeat(4 << 20)).catch((error: NodeJS.ErrnoException) => error.code);
  // Told, or cut off while the rest was still on its way.
  t.true(typeof large === 'string' || (large as Reply).status === 413);
  t.is((await response('/inject/namespace', pod)).allowed, true);
});

test('while draining, each answer ends its connection', async (t) => {
  const pair = await makePair({ names, lifetimeMs: 3_600_000, now: Date.now() });
  const going = await startAdmission({ port: 0, address: '127.0.0.1', now: () => 0, answered: () => {}, inject: () => ({ kind: 'skip', reason: '' }) });
  going.certify(pair);
  const connectionOf = (): Promise<string | undefined> =>
    new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port: going.port, ca: pair.authority, servername: names[0], path: '/inject/pod', method: 'POST', agent: new Agent({ keepAlive: true }), headers: { 'content-type': 'application/json' } }, (reply) => {
        reply.resume().on('end', () => resolve(reply.headers.connection));
      });
      sent.on('error', reject).end(review(pod));
    });
  t.is(await connectionOf(), 'keep-alive');
  going.drain();
  t.is(await connectionOf(), 'close');
  await going.close();
});

test('the warm-up reviews a Pod that gets its sidecar', (t) => {
  t.true(warmUp((pod, namespace) => injectionFor(pod, namespace, defaultInjection)) > 2000);
});
