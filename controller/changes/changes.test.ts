import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import { parse } from 'yaml';
import { emptyState, parseObject, type KubernetesObject } from '#crds';
import { settle } from '#policy';
import { Pace, runSteps, type RouteTable, type StreamTable } from '#snapshot';
import { withBuiltIns } from '../built-ins.ts';
import { buildGraph } from '../graph/graph.ts';
import { pathIndex } from '../paths.ts';
import { environmentOf, translateState } from '../testing.ts';
import type { SettledPath } from '../types.ts';
import { knownKinds } from '../source/kinds.ts';
import { after, filled, firstStale, histories, textOf, type Batch } from './history.ts';
import { objectsOfKind, refusals } from './objects.ts';

test('objects of every kind are made, and most are taken', (t) => {
  const found = refusals(2000, 1);
  const taken = [...found].filter(([key]) => key.endsWith(': taken'));
  t.is(taken.length, 24, [...found.keys()].join('\n'));
  t.is(objectsOfKind.size, 24);
  t.true(taken.reduce((sum, [, count]) => sum + count, 0) > 1800, [...found].map(([key, count]) => `${count} ${key}`).join('\n'));
});

test('after any changes of any kinds, what is kept of earlier translations never shows', (t) => {
  fc.assert(
    fc.property(histories, (history) => {
      const stale = firstStale(history);
      if (stale === undefined) return;
      const [kept, anew] = [stale.kept.split('\n'), stale.anew.split('\n')];
      t.deepEqual(kept.filter((line) => !anew.includes(line)), anew.filter((line) => !kept.includes(line)), `after batch ${stale.step}`);
      t.is(stale.kept, stale.anew);
    }),
    { numRuns: 4 },
  );
  t.pass();
});

/** What histories by chance seldom have. */
const chains: readonly [sentence: string, start: string, then: string][] = [
  [
    'an Ingress goes to its Service\'s port of that name, whatever its number is',
    `[{ kind: Ingress, apiVersion: networking.k8s.io/v1, metadata: { namespace: x, name: i }, spec: { ingressClassName: weft, rules: [{ http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: a, port: { name: web } } } }] } }] } },
      { kind: Service, apiVersion: v1, metadata: { namespace: x, name: a }, spec: { clusterIP: 10.0.0.1, ports: [{ name: web, port: 80 }] } }]`,
    '{ kind: Service, apiVersion: v1, metadata: { namespace: x, name: a }, spec: { clusterIP: 10.0.0.1, ports: [{ name: web, port: 81 }] } }',
  ],
  [
    'the same of a default backend',
    `[{ kind: Ingress, apiVersion: networking.k8s.io/v1, metadata: { namespace: x, name: i }, spec: { ingressClassName: weft, defaultBackend: { service: { name: a, port: { name: web } } } } },
      { kind: Service, apiVersion: v1, metadata: { namespace: x, name: a }, spec: { clusterIP: 10.0.0.1, ports: [{ name: web, port: 80 }] } }]`,
    '{ kind: Service, apiVersion: v1, metadata: { namespace: x, name: a }, spec: { clusterIP: 10.0.0.1, ports: [{ name: web, port: 81 }] } }',
  ],
  [
    'of two Ingresses with a certificate for one host the first whose Secret is there counts',
    `[{ kind: Ingress, apiVersion: networking.k8s.io/v1, metadata: { namespace: x, name: a }, spec: { ingressClassName: weft, tls: [{ hosts: [a.example.com], secretName: missing }], defaultBackend: { service: { name: a, port: { number: 80 } } } } },
      { kind: Ingress, apiVersion: networking.k8s.io/v1, metadata: { namespace: x, name: b }, spec: { ingressClassName: weft, tls: [{ hosts: [a.example.com], secretName: there }], defaultBackend: { service: { name: a, port: { number: 80 } } } } },
      { kind: Secret, apiVersion: v1, metadata: { namespace: x, name: there }, type: kubernetes.io/tls, data: {} }]`,
    '{ kind: Secret, apiVersion: v1, metadata: { namespace: x, name: missing }, type: kubernetes.io/tls, data: {} }',
  ],
  [
    'a policy that comes to a TCPRoute counts for the table of its listener',
    `[{ kind: GatewayClass, apiVersion: gateway.networking.k8s.io/v1, metadata: { name: weft }, spec: { controllerName: weft-mesh.io/controller } },
      { kind: Gateway, apiVersion: gateway.networking.k8s.io/v1, metadata: { namespace: x, name: g }, spec: { gatewayClassName: weft, listeners: [{ name: l, port: 9000, protocol: TCP }] } },
      { kind: TCPRoute, apiVersion: gateway.networking.k8s.io/v1, metadata: { namespace: x, name: r }, spec: { parentRefs: [{ name: g }], rules: [{ backendRefs: [{ name: a, port: 80 }] }] } },
      { kind: Service, apiVersion: v1, metadata: { namespace: x, name: a }, spec: { clusterIP: 10.0.0.1, ports: [{ name: web, port: 80 }] } }]`,
    '{ kind: TimeoutPolicy, apiVersion: policy.weft-mesh.io/v1alpha1, metadata: { namespace: x, name: p }, spec: { targetRef: { group: gateway.networking.k8s.io, kind: TCPRoute, name: r }, default: { connect: 1s } } }',
  ],
];

for (const [sentence, start, then] of chains) {
  test(sentence, (t) => {
    const batchOf = (yaml: string): Batch => (parse(yaml) as readonly unknown[]).map((raw) => ({ kind: 'apply', object: taken(raw) }));
    const [before, later] = [batchOf(start), batchOf(`[${then}]`)];
    t.is(firstStale([before, later]), undefined);
    const [old, next] = [after(emptyState(), before), after(after(emptyState(), before), later)];
    t.not(textOf(translateState(next), next), textOf(translateState(old), old), 'the change shows');
  });
}

function taken(raw: unknown): KubernetesObject {
  const result = parseObject(raw, knownKinds);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

/** What a table says of the end of a path. */
function policyInTable(table: RouteTable | undefined, { route, rule, resource }: SettledPath): unknown {
  const found = table?.routes.find(({ ref }) => route === undefined || (ref.kind === route.kind && ref.namespace === route.namespace && ref.name === route.name));
  const own = found?.rules.find(({ index }) => index === (rule?.index ?? 0));
  const at = resource === undefined ? own?.policy : own?.backends.find(({ target }) => target.kind === 'backend' && target.backend === resource)?.policy;
  return at === undefined ? { origins: {} } : table?.policies[at];
}

function policyInStreams(table: StreamTable | undefined, { route, resource }: SettledPath): unknown {
  const found = table?.routes.find(({ ref }) => isDeepStrictEqual(ref, route));
  const at = found?.rule.backends.find(({ target }) => target.kind === 'backend' && target.backend === resource)?.policy;
  return at === undefined ? { origins: {} } : table?.policies?.[at];
}

test('the policy of every path, in the index and in its table, is what its steps alone come to', (t) => {
  fc.assert(
    fc.property(filled, (state) => {
      const graph = runSteps(buildGraph(withBuiltIns(state), environmentOf(state), new Pace()));
      const { snapshots } = translateState(state);
      for (const each of pathIndex(graph).all()) {
        // The routes of an Ingress all have its name.
        if (each.route?.kind === 'Ingress') continue;
        const { via, path, settled } = each;
        t.deepEqual(settled.policy, settle(path, graph.policies, each.carries).policy);
        const table = via.kind === 'gateway' ? `listener/${via.gateway.namespace}/${via.gateway.name}/${via.listener}` : `service/${via.clientNamespace}/${via.service.namespace}/${via.service.kind === 'Service' ? '' : 'import:'}${via.service.name}/${via.port}`;
        if (each.carries === 'requests') t.deepEqual(policyInTable(snapshots.routeTable(table), each), settled.policy, table);
        else if (each.resource !== undefined) t.deepEqual(policyInStreams(snapshots.streamTable(table), each), settled.policy, table);
      }
    }),
    { numRuns: 25 },
  );
  t.pass();
});
