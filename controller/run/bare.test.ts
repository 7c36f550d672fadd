import test from 'ava';
import { fakeServer, json } from '../kube/fake.ts';
import { stateFrom } from '../testing.ts';
import { barePods, reportBarePods } from './bare.ts';

const pod = (name: string, more = '', spec = ''): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, uid: uid-${name}${more} }
spec: { containers: [{ name: app }]${spec} }
---`;

const state = stateFrom(`
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { weft-mesh.io/inject: enabled } }
---
${pod('bare')}
${pod('whole', '', ', initContainers: [{ name: weft-proxy }]')}
${pod('out', ', labels: { weft-mesh.io/inject: disabled }')}
${pod('host', '', ', hostNetwork: true')}
${pod('static', ', annotations: { kubernetes.io/config.mirror: x }')}
apiVersion: v1
kind: Pod
metadata: { name: ended, namespace: shop }
spec: { containers: [{ name: app }] }
status: { phase: Succeeded }
`);

test('a Pod is bare where it should have a sidecar and runs without one', (t) => {
  t.deepEqual(barePods(state, 'weft-system').map(({ metadata }) => metadata.name), ['bare']);
  t.deepEqual(barePods(state, 'shop'), []);
});

test('it gets one Event, also from a leader that finds it told already', async (t) => {
  for (const status of [201, 409]) {
    const server = await fakeServer((_seen, response) => json(response, {}, status));
    const stop = new AbortController();
    const faults: string[] = [];
    const reporting = reportBarePods({ api: server.api, namespace: 'weft-system', identity: 'one', state: () => state, now: () => 0, failed: (message) => void faults.push(message), signal: stop.signal });
    while (server.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 50));
    stop.abort();
    await reporting;
    await server.close();
    t.deepEqual(server.seen.map(({ method, path }) => `${method} ${path}`), ['POST /api/v1/namespaces/shop/events']);
    t.like(JSON.parse(server.seen[0]!.body), { reason: 'NoSidecar', type: 'Warning', involvedObject: { kind: 'Pod', name: 'bare', uid: 'uid-bare' } });
    t.deepEqual(faults, []);
  }
});
