import test from 'ava';
import { conditionsOf, listenerOf, parentOf, statusOf, translateYaml } from '../testing.ts';
import type { ConditionDraft, SettledPath, Translation } from '../types.ts';

const world = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: infra }
spec:
  gatewayClassName: weft
  listeners:
    - { name: http, port: 80, protocol: HTTP, allowedRoutes: { namespaces: { from: All } } }
    - { name: alt, port: 81, protocol: HTTP, allowedRoutes: { namespaces: { from: All } } }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: plain, namespace: shop }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: v1
kind: Namespace
metadata: { name: client }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop }
spec:
  parentRefs: [{ name: edge, namespace: infra }, { group: "", kind: Service, name: cart }]
  rules:
    - { name: pay, matches: [{ path: { value: /pay } }], backendRefs: [{ name: cart, port: 80 }] }
    - { matches: [{ path: { value: /old } }], filters: [{ type: RequestRedirect, requestRedirect: { path: { type: ReplaceFullPath, replaceFullPath: /new } } }] }
---`;

const policy = (target: string, fields: string, { namespace = 'shop', name = 'p' } = {}): string => `
apiVersion: policy.weft-mesh.io/v1alpha1
kind: RetryPolicy
metadata: { name: ${name}, namespace: ${namespace} }
spec: { targetRef: ${target}, ${fields} }
---`;

const gw = 'gateway.networking.k8s.io';

/** `maxRetries` on each path, by what the path is. */
function retries(translation: Translation): Readonly<Record<string, number | undefined>> {
  return Object.fromEntries(translation.paths.all().map((path) => [describe(path), path.settled.policy.retry?.maxRetries]));
}

function describe({ via, route, rule, backend }: SettledPath): string {
  const from = via.kind === 'gateway' ? via.listener : `${via.clientNamespace}→${via.service.name}`;
  return [from, route === undefined ? '' : `${route.name}/${rule?.name ?? rule?.index}`, backend?.name ?? ''].filter((part) => part !== '').join(' ');
}

test('there is a path per listener, rule and backend, and per client namespace, Service, rule and backend', (t) => {
  t.deepEqual(Object.keys(retries(translateYaml(world))), [
    'http r/pay cart', 'http r/1', 'alt r/pay cart', 'alt r/1',
    'client→cart r/pay cart', 'client→cart r/1', 'client→plain plain',
    'infra→cart r/pay cart', 'infra→cart r/1', 'infra→plain plain',
    'shop→cart r/pay cart', 'shop→cart r/1', 'shop→plain plain',
  ]);
});

test('a namespace that no object names has paths too, for whoever asks', (t) => {
  t.is(translateYaml(world).paths.from('nowhere').length, 3);
});

test('a policy on a listener, a rule, a client namespace or a Service acts on those paths alone', (t) => {
  const on = (yaml: string): readonly string[] => Object.entries(retries(translateYaml(world + yaml))).filter(([, count]) => count === 3).map(([path]) => path);
  const fields = 'default: { maxRetries: 3 }';
  t.deepEqual(on(policy(`{ group: ${gw}, kind: Gateway, name: edge, sectionName: alt }`, fields, { namespace: 'infra' })), ['alt r/pay cart', 'alt r/1']);
  t.deepEqual(on(policy(`{ group: ${gw}, kind: HTTPRoute, name: r, sectionName: pay }`, fields)), ['http r/pay cart', 'alt r/pay cart', 'client→cart r/pay cart', 'infra→cart r/pay cart', 'shop→cart r/pay cart']);
  t.deepEqual(on(policy('{ group: "", kind: Namespace, name: client }', fields, { namespace: 'client' })), ['client→cart r/pay cart', 'client→cart r/1', 'client→plain plain']);
  t.deepEqual(on(policy('{ group: "", kind: Service, name: plain, sectionName: http }', fields)), ['client→plain plain', 'infra→plain plain', 'shop→plain plain']);
  t.deepEqual(on(policy('{ group: gateway.networking.x-k8s.io, kind: XMesh, name: weft }', fields, { namespace: 'weft-system' })).length, 9);
  t.deepEqual(on(policy(`{ group: ${gw}, kind: GatewayClass, name: weft }`, fields, { namespace: 'weft-system' })).length, 4);
});

test('a namespace that has nothing but a policy of its own is a client namespace, the root namespace is not', (t) => {
  const translation = translateYaml(world + policy('{ group: "", kind: Namespace, name: quiet }', 'default: { maxRetries: 3 }', { namespace: 'quiet' }) + policy('{ group: gateway.networking.x-k8s.io, kind: XMesh, name: weft }', 'default: { maxRetries: 1 }', { namespace: 'weft-system', name: 'all' }));
  const clients = new Set(translation.paths.all().flatMap(({ via }) => (via.kind === 'mesh' ? [via.clientNamespace] : [])));
  t.deepEqual([...clients], ['client', 'infra', 'quiet', 'shop']);
});

test('tables carry each effective policy once, and rules and backends point to it', (t) => {
  const { snapshots } = translateYaml(world + policy(`{ group: ${gw}, kind: HTTPRoute, name: r }`, 'default: { maxRetries: 3 }'));
  const table = snapshots.routeTable('listener/infra/edge/http');
  t.is(table?.policies.length, 1);
  t.is(table?.policies[0]?.retry?.maxRetries, 3);
  t.is(table?.routes[0]?.rules[0]?.backends[0]?.policy, 0);
  t.is(table?.routes[0]?.rules[1]?.policy, 0);
  t.is(snapshots.routeTable('service/client/shop/plain/80')?.policies.length, 0);
});

test('the implicit rule of a Service without routes carries the Service\'s policy', (t) => {
  const { snapshots } = translateYaml(world + policy('{ group: "", kind: Service, name: plain }', 'default: { maxRetries: 3 }'));
  const table = snapshots.routeTable('service/client/shop/plain/80');
  t.is(table?.policies[table.routes[0]?.rules[0]?.backends[0]?.policy ?? -1]?.retry?.maxRetries, 3);
});

test('fields of the client\'s connection are in the listener\'s section', (t) => {
  const timeouts = policy(`{ group: ${gw}, kind: Gateway, name: edge }`, 'default: { requestHeaders: 2s, idle: 9s, request: 1s }', { namespace: 'infra' }).replace('RetryPolicy', 'TimeoutPolicy');
  const { snapshots } = translateYaml(world + timeouts);
  t.deepEqual(snapshots.listeners.get('infra/edge')?.[0]?.sections[0]?.policy?.timeouts, { requestHeaders: '2s', idle: '9s' });
});

test('a policy gets a status, and what it affects a condition', (t) => {
  const translation = translateYaml(world + policy(`{ group: ${gw}, kind: HTTPRoute, name: r }`, 'default: { maxRetries: 3 }') + policy(`{ group: ${gw}, kind: Gateway, name: edge, sectionName: alt }`, 'override: { perTryTimeout: 1s }', { namespace: 'infra', name: 'q' }));
  const ancestors = statusOf(translation, 'RetryPolicy p')['ancestors'] as readonly { readonly conditions: readonly ConditionDraft[] }[];
  t.deepEqual(ancestors.map(conditionsOf), [{ Accepted: 'True Accepted', Programmed: 'True Programmed' }, { Accepted: 'True Accepted', Programmed: 'True Programmed' }]);
  for (const index of [0, 1]) t.is(conditionsOf(parentOf(translation, 'HTTPRoute r', index))['policy.weft-mesh.io/RetryPolicyAffected'], 'True PolicyAffected');
  t.is(conditionsOf(listenerOf(translation, 'edge', 'alt'))['policy.weft-mesh.io/RetryPolicyAffected'], 'True PolicyAffected');
  t.is(conditionsOf(listenerOf(translation, 'edge', 'http'))['policy.weft-mesh.io/RetryPolicyAffected'], undefined);
});

test('a policy without a target is an error with the position of its targetRef', (t) => {
  const translation = translateYaml(world + policy(`{ group: ${gw}, kind: HTTPRoute, name: none }`, 'default: { maxRetries: 3 }'));
  const [problem] = translation.problems;
  t.is(problem?.reason, 'TargetNotFound');
  t.is(problem?.source?.column, 9);
});

/** Namespaces with a policy each and a Service each. */
function crowd(count: number): string {
  return Array.from({ length: count }, (_, index) => `
apiVersion: v1
kind: Service
metadata: { name: s, namespace: n${index} }
spec: { ports: [{ name: http, port: 80 }] }
---${policy(`{ group: "", kind: Namespace, name: n${index} }`, 'default: { maxRetries: 1 }', { namespace: `n${index}` })}`).join('\n');
}

function programmed(translation: Translation, name: string): ConditionDraft | undefined {
  const { status } = translation.statuses.find(({ kind, namespace }) => kind === 'RetryPolicy' && namespace === name)!;
  const [ancestor] = status['ancestors'] as readonly { readonly conditions: readonly ConditionDraft[] }[];
  return ancestor?.conditions.find(({ type }) => type === 'Programmed');
}

test('with few namespaces that have policies each is looked at with all Services, with many with some, and its status says so', (t) => {
  t.regex(programmed(translateYaml(crowd(12)), 'n11')!.message, /on 1 of 23 paths; /);
  const many = programmed(translateYaml(crowd(120)), 'n99');
  t.is(many?.reason, 'PartiallyProgrammed');
  // 41 Services and its own as a client, and 41 namespaces as that of a Service.
  t.regex(many!.message, /on 1 of 83 paths that were looked at; /);
});

test('a namespace with routes of its own for a Service is a client of its own there, and nowhere else', (t) => {
  const consumer = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: own, namespace: client }
spec:
  parentRefs: [{ group: "", kind: Service, name: cart, namespace: shop }]
  rules: [{ name: pay, backendRefs: [{ name: cart, namespace: shop, port: 80 }] }]
---`;
  const translation = translateYaml(world + consumer + policy('{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: own }', 'default: { maxRetries: 2 }', { namespace: 'client' }) + policy('{ group: "", kind: Service, name: plain }', 'default: { maxRetries: 1 }', { name: 'q' }));
  const messages = translation.statuses.filter(({ kind }) => kind === 'RetryPolicy').map(({ name, status }) => [name, ...(status['ancestors'] as readonly { readonly conditions: readonly ConditionDraft[] }[]).map(({ conditions }) => conditions[1]?.message)]);
  t.deepEqual(messages, [['p', 'Decides retry.maxRetries on its one path.'], ['q', 'Decides retry.maxRetries on its one path.']]);
});
