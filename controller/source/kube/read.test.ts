import test from 'ava';
import { builtInKinds, KindRegistry } from '#crds';
import { fakeServer, json, type Script } from '../../kube/fake.ts';
import { readCluster, type ClusterReading } from './read.ts';

const registry = new KindRegistry(builtInKinds.definitions.filter(({ kind }) => ['Service', 'Secret', 'Gateway', 'GRPCRoute'].includes(kind)));

async function reading(script: Script): Promise<ClusterReading> {
  const server = await fakeServer(script);
  try {
    return await readCluster({ api: server.api, registry, signal: AbortSignal.timeout(5000) });
  } finally {
    await server.close();
  }
}

const service = (name: string): object => ({ metadata: { namespace: 'shop', name, uid: name, resourceVersion: '1' }, spec: { ports: [{ port: 80 }] } });
const gateway = {
  metadata: { namespace: 'shop', name: 'front', uid: 'front', resourceVersion: '1' },
  spec: { gatewayClassName: 'weft', listeners: [{ name: 'tls', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'cert' }] } }] },
};
const list = (...items: readonly object[]): object => ({ metadata: { resourceVersion: '9' }, items });

const script: Script = ({ path, query }, response) => {
  switch (path) {
    case '/api/v1':
      return json(response, { resources: [{ kind: 'Service', name: 'services', namespaced: true }] });
    case '/apis/gateway.networking.k8s.io/v1':
      return json(response, { resources: [{ kind: 'Gateway', name: 'gateways', namespaced: true }] });
    case '/api/v1/services':
      return json(response, query.get('continue') === 'more' ? list(service('b'), { metadata: { namespace: 'shop', name: 'broken' }, spec: { ports: 'none' } }) : { ...list(service('a')), metadata: { resourceVersion: '9', continue: 'more' } });
    case '/apis/gateway.networking.k8s.io/v1/gateways':
      return json(response, list(gateway));
    case '/api/v1/namespaces/shop/secrets':
      return json(response, { message: 'secrets is forbidden' }, 403);
    default:
      return json(response, {}, 404);
  }
};

test('all pages of every kind are read; what can not be read is told, and which kinds are not there', async (t) => {
  const { state, problems, absent, unread } = await reading(script);
  t.deepEqual([...state.services.keys()], ['shop/a', 'shop/b']);
  t.deepEqual([...state.gateways.keys()], ['shop/front']);
  t.deepEqual(problems.map(({ object }) => object.name), ['broken']);
  t.deepEqual(absent, ['GRPCRoute']);
  t.deepEqual(unread.map(({ what }) => what), ['Secret shop/cert']);
  t.regex(unread[0]!.reason, /403 secrets is forbidden/);
});
