import test from 'ava';
import { fakeServer, json, type FakeServer, type Script } from '../../kube/fake.ts';
import type { LiveObject } from '../../source/kube/index.ts';
import type { ObjectStatus } from '../../types.ts';
import { createStatusWriter, type StatusWriter } from './writer.ts';

const location = { apiVersion: 'gateway.networking.k8s.io/v1', plural: 'gateways', namespaced: true };
const path = '/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways/front';

function live(resourceVersion: string, status: object, more: Partial<LiveObject> = {}): LiveObject {
  return { apiVersion: location.apiVersion, kind: 'Gateway', namespace: 'shop', name: 'front', uid: 'u1', resourceVersion, status: { ...status }, statusIsOurs: false, location, ...more };
}

function draft(message: string, more: Partial<ObjectStatus> = {}): ObjectStatus {
  return { apiVersion: location.apiVersion, kind: 'Gateway', namespace: 'shop', name: 'front', status: { conditions: [{ type: 'Accepted', status: 'True', reason: 'Accepted', message }] }, ...more };
}

interface Run {
  readonly server: FakeServer;
  readonly writer: StatusWriter;
  readonly objects: LiveObject[];
  readonly failures: string[];
  patches(): readonly { readonly metadata: { readonly resourceVersion: string }; readonly status: { readonly conditions: readonly { readonly message: string }[] } }[];
  settled(): Promise<void>;
}

async function run(t: { teardown(undo: () => Promise<void>): void }, script: Script): Promise<Run> {
  const server = await fakeServer(script);
  const stop = new AbortController();
  const objects: LiveObject[] = [live('1', {})];
  const failures: string[] = [];
  const writer = createStatusWriter({
    api: server.api,
    live: () => objects,
    now: () => Date.UTC(2026, 0, 1),
    random: () => 0,
    failed: (message) => failures.push(message),
    signal: stop.signal,
  });
  t.teardown(async () => {
    stop.abort();
    await server.close();
  });
  return {
    server,
    writer,
    objects,
    failures,
    patches: () => server.seen.filter(({ method }) => method === 'PATCH').map(({ body }) => JSON.parse(body)),
    settled: async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      for (let turn = 0; turn < 300 && !writer.settled(); turn++) await new Promise((resolve) => setTimeout(resolve, 10));
    },
  };
}

/** Takes every patch, as the API server would. */
const accepts: Script = (seen, response) => json(response, { metadata: { resourceVersion: '2' }, status: JSON.parse(seen.body).status });

test('only the leader writes, and each change once, also while the watch lags behind', async (t) => {
  const { writer, patches, settled, objects, server } = await run(t, accepts);
  writer.want([draft('one')]);
  await settled();
  t.is(server.seen.length, 0);
  writer.start();
  await settled();
  t.deepEqual(patches(), [{ metadata: { resourceVersion: '1' }, status: { conditions: [{ ...(draft('one').status['conditions'] as object[])[0], lastTransitionTime: '2026-01-01T00:00:00Z' }] } }] as never);
  t.is(server.seen[0]?.path, `${path}/status`);
  writer.want([draft('one')]);
  writer.review();
  await settled();
  t.is(patches().length, 1);
  objects[0] = live('2', patches()[0]?.status ?? {});
  writer.review();
  await settled();
  t.is(patches().length, 1);
  objects[0] = live('3', {});
  writer.review();
  await settled();
  t.is(patches().length, 2);
});

test('an Ingress that is of another class now loses the addresses that we wrote, once', async (t) => {
  const { writer, objects, server, patches, settled } = await run(t, accepts);
  const ingress = (resourceVersion: string, statusIsOurs: boolean): LiveObject => ({ ...live(resourceVersion, { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } }), kind: 'Ingress', statusIsOurs });
  objects[0] = ingress('1', false);
  writer.start();
  writer.want([]);
  await settled();
  t.is(server.seen.length, 0, 'another controller wrote them');
  objects[0] = ingress('5', true);
  writer.review();
  await settled();
  t.deepEqual(patches().map(({ metadata, status }) => [metadata.resourceVersion, { ...status }]), [['5', { loadBalancer: { ingress: [] } } as object]]);
  writer.review();
  await settled();
  t.is(patches().length, 1);
});

const noted = (manager: string): object => ({ managedFields: [{ manager, subresource: 'status', fieldsV1: { 'f:status': { 'f:conditions': { 'k:{"type":"Accepted"}': { 'f:message': {}, 'f:observedGeneration': {} } } } } }] });
const orphan = (resourceVersion: string, status: object, more: Partial<LiveObject> = {}): LiveObject => live(resourceVersion, status, { kind: 'ListenerSet', generation: 1, statusIsOurs: true, ...more });
const accepted = { conditions: [{ type: 'Accepted', status: 'True', reason: 'Accepted', message: '', observedGeneration: 1 }] };

test('a ListenerSet without a Gateway of ours loses what we said of it, once for each generation', async (t) => {
  const { writer, objects, server, patches, settled } = await run(t, (seen, response) => json(response, { metadata: { resourceVersion: '2', ...noted('weft') }, status: JSON.parse(seen.body).status }));
  objects[0] = orphan('1', accepted, { statusIsOurs: false });
  writer.start();
  writer.want([]);
  await settled();
  t.is(server.seen.length, 0, 'another controller said it');
  objects[0] = orphan('1', accepted);
  writer.review();
  await settled();
  t.deepEqual(patches().map(({ status }) => (status.conditions as readonly { readonly type?: string; readonly status?: string; readonly reason?: string }[]).map(({ type, status: is, reason }) => `${type} ${is} ${reason}`)), [['Accepted False ParentNotAccepted', 'Programmed False ParentNotProgrammed']]);
  writer.review();
  objects[0] = orphan('2', patches()[0]?.status ?? {});
  writer.review();
  await settled();
  t.is(patches().length, 1);
  objects[0] = orphan('3', patches()[0]?.status ?? {}, { generation: 2 });
  writer.review();
  await settled();
  t.is(patches().length, 2);
});

test('what another controller says of a ListenerSet while ours is taken back stays', async (t) => {
  const { writer, objects, patches, settled } = await run(t, (seen, response) => {
    if (seen.method === 'GET') return json(response, { metadata: { resourceVersion: '7', ...noted('other') }, status: accepted });
    json(response, { message: 'conflict' }, 409);
  });
  objects[0] = orphan('1', accepted);
  writer.start();
  writer.want([]);
  await settled();
  t.deepEqual(patches().map(({ metadata }) => metadata.resourceVersion), ['1']);
});

test('a conflict is answered by reading and merging anew', async (t) => {
  let conflicts = 0;
  const { writer, patches, settled } = await run(t, (seen, response) => {
    if (seen.method === 'GET') return json(response, { metadata: { resourceVersion: '7' }, status: { conditions: [{ type: 'example.com/X', status: 'True' }] } });
    if (conflicts++ === 0) return json(response, { message: 'conflict' }, 409);
    return accepts(seen, response);
  });
  writer.start();
  writer.want([draft('one')]);
  await settled();
  t.deepEqual(patches().map(({ metadata }) => metadata.resourceVersion), ['1', '7']);
  t.is(patches()[1]?.status.conditions.length, 2);
});

test('while a write is under way only the newest draft waits', async (t) => {
  let first = true;
  const { writer, patches, settled } = await run(t, (seen, response) => {
    if (!first) return accepts(seen, response);
    first = false;
    setTimeout(() => accepts(seen, response), 60);
  });
  writer.start();
  writer.want([draft('one')]);
  while (first) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const message of ['two', 'three', 'four']) writer.want([draft(message)]);
  await settled();
  t.deepEqual(patches().map(({ status }) => status.conditions[0]?.message), ['one', 'four']);
});

test('what the server refuses is not sent again until something changes; what fails otherwise is', async (t) => {
  const answers = [503, 422];
  const { writer, patches, settled, failures } = await run(t, (seen, response) => {
    const status = answers.shift();
    if (status === undefined) return accepts(seen, response);
    json(response, { message: 'no' }, status);
  });
  writer.start();
  writer.want([draft('one')]);
  await settled();
  t.is(patches().length, 2);
  t.is(failures.length, 2);
  writer.review();
  await settled();
  t.is(patches().length, 2);
  writer.want([draft('two')]);
  await settled();
  t.is(patches().length, 3);
});

test('who no longer leads writes no more', async (t) => {
  const { writer, patches, settled } = await run(t, accepts);
  writer.start();
  writer.want([draft('one')]);
  writer.stop();
  await settled();
  t.is(patches().length, 0);
});

test('what fails is in nobody\'s way while it waits for its next try', async (t) => {
  const { writer, patches, objects } = await run(t, (seen, response) => (seen.path.endsWith('/front/status') ? accepts(seen, response) : json(response, { message: 'later' }, 503, { 'retry-after': '30' })));
  const others = Array.from({ length: 12 }, (_, index) => `other${index}`);
  const written = async (count: number): Promise<void> => {
    for (let turn = 0; turn < 1000 && patches().length < count; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  objects.push(...others.map((name) => live('1', {}, { name })));
  writer.start();
  writer.want(others.map((name) => draft('one', { name })));
  await written(others.length);
  t.is(patches().length, others.length);
  // Nor does what is new call them back.
  writer.want([...others.map((name) => draft('two', { name })), draft('one')]);
  await written(others.length + 1);
  t.is(patches().length, others.length + 1);
});

test('what the server takes and does not keep is told, and not written again and again', async (t) => {
  const { writer, patches, settled, failures } = await run(t, (seen, response) => {
    const { conditions } = JSON.parse(seen.body).status;
    json(response, { metadata: { resourceVersion: '2' }, status: conditions === undefined ? {} : { conditions } });
  });
  const status = { ...draft('one').status, attachedListenerSets: 0 };
  writer.start();
  writer.want([draft('one', { status })]);
  await settled();
  writer.review();
  await settled();
  t.is(patches().length, 1);
  t.regex(failures.join(), /does not keep all of the status of .*front: not as written are attachedListenerSets/);
  writer.want([draft('two', { status: { ...draft('two').status, attachedListenerSets: 0 } })]);
  await settled();
  t.is(patches().length, 2);
});

test('what was found out about an object is not said of another one that was made by its name', async (t) => {
  const { writer, patches, settled, objects } = await run(t, accepts);
  objects[0] = live('5', {}, { uid: 'u2' });
  writer.start();
  writer.want([draft('one', { uid: 'u1' })]);
  await settled();
  t.is(patches().length, 0);
  writer.want([draft('one', { uid: 'u2' })]);
  await settled();
  t.is(patches().length, 1);
});

test('an object that was made anew while its status was written is left to the watch', async (t) => {
  const { writer, patches, settled, objects } = await run(t, (seen, response) => {
    if (seen.method === 'GET') return json(response, { metadata: { resourceVersion: '9', uid: 'u2' }, status: {} });
    if (JSON.parse(seen.body).metadata.resourceVersion === '1') return json(response, { message: 'conflict' }, 409);
    accepts(seen, response);
  });
  writer.start();
  writer.want([draft('one', { uid: 'u1' })]);
  await settled();
  t.is(patches().length, 1);
  objects[0] = live('9', {}, { uid: 'u2' });
  writer.want([draft('one', { uid: 'u2' })]);
  await settled();
  t.deepEqual(patches().map(({ metadata }) => metadata.resourceVersion), ['1', '9']);
});
