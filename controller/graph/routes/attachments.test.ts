import test from 'ava';
import { conditionsOf, listenerOf, parentOf, statusOf, translateYaml } from '../../testing.ts';

const gateway = (listeners: string, more = ''): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: infra }
spec:
  gatewayClassName: weft
  listeners: [${listeners}]
${more}---`;

const http = (allowed = '', hostname = ''): string => `{ name: http, port: 80, protocol: HTTP${hostname === '' ? '' : `, hostname: "${hostname}"`}${allowed === '' ? '' : `, allowedRoutes: ${allowed}`} }`;

const route = (parentRefs: string, { namespace = 'infra', hostnames = '', name = 'r', rules = '[{}]' } = {}): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: ${namespace}, generation: 3 }
spec:
  parentRefs: ${parentRefs}
${hostnames === '' ? '' : `  hostnames: ${hostnames}\n`}  rules: ${rules}
---`;

const namespace = (name: string, labels: string): string => `
apiVersion: v1
kind: Namespace
metadata: { name: ${name}, labels: ${labels} }
---`;

const accepted = (yaml: string, index = 0): string | undefined => conditionsOf(parentOf(translateYaml(yaml), 'HTTPRoute r', index))['Accepted'];

test('a sectionName or port that no listener has is NoMatchingParent', (t) => {
  t.is(accepted(gateway(http()) + route('[{ name: edge, sectionName: other }]')), 'False NoMatchingParent');
  t.is(accepted(gateway(http()) + route('[{ name: edge, port: 81 }]')), 'False NoMatchingParent');
  t.is(accepted(gateway(http()) + route('[{ name: edge, sectionName: http, port: 81 }]')), 'False NoMatchingParent', 'both must fit one listener');
  t.is(accepted(gateway(http()) + route('[{ name: edge, sectionName: http, port: 80 }]')), 'True Accepted');
});

test('a sectionName attaches the route to that listener alone, a port to every listener on it', (t) => {
  const listeners = '{ name: a, port: 80, protocol: HTTP, hostname: a.example.com }, { name: b, port: 80, protocol: HTTP }, { name: c, port: 81, protocol: HTTP }';
  const attached = (parentRefs: string): readonly number[] => {
    const translation = translateYaml(gateway(listeners) + route(parentRefs));
    return ['a', 'b', 'c'].map((name) => listenerOf(translation, 'edge', name).attachedRoutes);
  };
  t.deepEqual(attached('[{ name: edge, sectionName: b }]'), [0, 1, 0]);
  t.deepEqual(attached('[{ name: edge, port: 80 }]'), [1, 1, 0]);
  t.deepEqual(attached('[{ name: edge }]'), [1, 1, 1]);
  t.deepEqual(attached('[{ name: edge, sectionName: a }, { name: edge, sectionName: c }]'), [1, 0, 1]);
});

test('by default only routes of the Gateway\'s namespace may attach', (t) => {
  const yaml = gateway(http()) + route('[{ name: edge, namespace: infra }]', { namespace: 'shop' });
  t.is(accepted(yaml), 'False NotAllowedByListeners');
  t.is(conditionsOf(parentOf(translateYaml(yaml), 'HTTPRoute r'))['ResolvedRefs'], 'True ResolvedRefs');
  t.is(listenerOf(translateYaml(yaml), 'edge', 'http').attachedRoutes, 0);
});

test('allowedRoutes All lets every namespace in', (t) => {
  t.is(accepted(gateway(http('{ namespaces: { from: All } }')) + route('[{ name: edge, namespace: infra }]', { namespace: 'shop' })), 'True Accepted');
});

test('allowedRoutes Selector looks at the labels of the route\'s namespace', (t) => {
  const from = (selector: string, labels: string): string | undefined =>
    accepted(namespace('shop', labels) + gateway(http(`{ namespaces: { from: Selector, selector: ${selector} } }`)) + route('[{ name: edge, namespace: infra }]', { namespace: 'shop' }));
  t.is(from('{ matchLabels: { team: a } }', '{ team: a }'), 'True Accepted');
  t.is(from('{ matchLabels: { team: a, tier: x } }', '{ team: a }'), 'False NotAllowedByListeners');
  t.is(from('{ matchExpressions: [{ key: team, operator: In, values: [a, b] }] }', '{ team: b }'), 'True Accepted');
  t.is(from('{ matchExpressions: [{ key: team, operator: NotIn, values: [a] }] }', '{ team: a }'), 'False NotAllowedByListeners');
  t.is(from('{ matchExpressions: [{ key: team, operator: NotIn, values: [a] }] }', '{ other: a }'), 'True Accepted');
  t.is(from('{ matchExpressions: [{ key: team, operator: Exists }] }', '{ team: "" }'), 'True Accepted');
  t.is(from('{ matchExpressions: [{ key: team, operator: DoesNotExist }] }', '{ team: "" }'), 'False NotAllowedByListeners');
  t.is(from('{ matchLabels: { kubernetes.io/metadata.name: shop } }', '{}'), 'True Accepted');
  t.is(from('{}', '{}'), 'True Accepted');
});

test('a listener that takes other kinds only does not allow the route', (t) => {
  t.is(accepted(gateway(http('{ kinds: [{ kind: GRPCRoute }] }')) + route('[{ name: edge }]')), 'False NotAllowedByListeners');
});

test('a listener that can take no such route says which it takes', (t) => {
  const tcp = route('[{ name: edge }]', { rules: '[{ backendRefs: [{ name: x, port: 80 }] }]' }).replace('kind: HTTPRoute', 'kind: TCPRoute');
  const { problems } = translateYaml(gateway(http()) + tcp);
  t.true(problems.some(({ reason, message }) => reason === 'NotAllowedByListeners' && message === 'no listener of Gateway infra/edge takes a TCPRoute: http (HTTP) takes HTTPRoute, GRPCRoute'), JSON.stringify(problems));
});

test('a route whose hostnames meet no listener\'s is NoMatchingListenerHostname', (t) => {
  const hostnames = '[other.example.com]';
  t.is(accepted(gateway(http('', 'a.example.com')) + route('[{ name: edge }]', { hostnames })), 'False NoMatchingListenerHostname');
});

test('hostnames of the route that do not meet the listener\'s are left out of its table, with a warning', (t) => {
  const { snapshots, problems } = translateYaml(gateway(http('', '*.example.com')) + route('[{ name: edge }]', { hostnames: '[a.example.com, "*.example.com", example.com, b.other.org]' }));
  t.deepEqual(snapshots.routeTable('listener/infra/edge/http')?.routes[0]?.hostnames, [
    { match: 'a.example.com', written: 'a.example.com' },
    { match: '*.example.com', written: '*.example.com' },
  ]);
  t.deepEqual(problems.filter(({ reason }) => reason !== 'NoBackends').map(({ reason, path, source }) => [reason, path.at(-1), source?.line]), [['UnreachableHostname', 2, 14], ['UnreachableHostname', 3, 14]]);
});

test('a route with a wider hostname than the listener serves the listener\'s, and competes with its own', (t) => {
  const { snapshots } = translateYaml(gateway(http('', 'a.example.com')) + route('[{ name: edge }]', { hostnames: '["*.example.com"]' }));
  t.deepEqual(snapshots.routeTable('listener/infra/edge/http')?.routes[0]?.hostnames, [{ match: 'a.example.com', written: '*.example.com' }]);
});

test('every parentRef has its own answer', (t) => {
  const other = gateway(http('', 'a.example.com')).replace('name: edge', 'name: second');
  const translation = translateYaml(gateway(http()) + other + route('[{ name: edge }, { name: second }]', { hostnames: '[b.example.com]' }));
  t.is(conditionsOf(parentOf(translation, 'HTTPRoute r', 0))['Accepted'], 'True Accepted');
  t.is(conditionsOf(parentOf(translation, 'HTTPRoute r', 1))['Accepted'], 'False NoMatchingListenerHostname');
  t.true(parentOf(translation, 'HTTPRoute r', 1).conditions.every(({ observedGeneration }) => observedGeneration === 3));
});

test('a parent that does not exist is a warning and no status; one of another controller is nothing', (t) => {
  const missing = translateYaml(route('[{ name: edge }]'));
  t.deepEqual(missing.statuses, []);
  t.deepEqual(missing.problems.map(({ severity, reason }) => [severity, reason]), [['warning', 'ParentNotFound']]);
  const otherClass = '\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: { name: other }\nspec: { controllerName: example.com/other }\n---';
  const foreign = translateYaml(otherClass + gateway(http()).replace('gatewayClassName: weft', 'gatewayClassName: other') + route('[{ name: edge }]'));
  t.deepEqual(foreign.statuses, []);
  t.deepEqual(foreign.problems, []);
});

test('a parentRef to a Service with a forgotten group is told', (t) => {
  const { problems } = translateYaml(route('[{ kind: Service, name: cart }]'));
  t.true(problems[0]?.message.includes('group: ""'));
});

test('a route counts on a listener that is not programmed, and not where it is not accepted', (t) => {
  const tls = '{ name: tls, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: missing }] } }';
  const translation = translateYaml(gateway(tls) + route('[{ name: edge }]', { rules: '[{ backendRefs: [{ name: none, port: 80 }] }]' }));
  t.is(listenerOf(translation, 'edge', 'tls').attachedRoutes, 1);
  t.deepEqual(conditionsOf(parentOf(translation, 'HTTPRoute r')), { Accepted: 'True Accepted', ResolvedRefs: 'False BackendNotFound' });
});

test('a GRPCRoute answers each parent of ours', (t) => {
  const grpc = '\napiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: { name: g, namespace: infra }\nspec: { parentRefs: [{ name: edge }, { name: unknown }] }\n---';
  const translation = translateYaml(gateway(http()) + grpc);
  t.is(conditionsOf(parentOf(translation, 'GRPCRoute g'))['Accepted'], 'True Accepted');
  t.is((statusOf(translation, 'GRPCRoute g')['parents'] as readonly unknown[]).length, 1);
});
