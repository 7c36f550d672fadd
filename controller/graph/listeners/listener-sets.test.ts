import test from 'ava';
import { conditionsOf, listenerOf, parentOf, stateFrom, statusOf, translateYaml } from '../../testing.ts';
import { translate } from '../../translate.ts';
import type { Translation } from '../../types.ts';

const gateway = (from = 'All', listeners = '{ name: http, port: 80, protocol: HTTP, hostname: own.example.com }', more = ''): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge, namespace: infra, creationTimestamp: "2026-01-01T00:00:00Z" }
spec:
  gatewayClassName: weft
${from === '' ? '' : `  allowedListeners: { namespaces: { from: ${from} } }\n`}${more}  listeners: [${listeners}]
---`;

const set = (name: string, listeners: string, { namespace = 'infra', month = '', parent = 'edge' } = {}): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: { name: ${name}, namespace: ${namespace}, generation: 3${month === '' ? '' : `, creationTimestamp: "2026-${month}-01T00:00:00Z"`} }
spec: { parentRef: { name: ${parent}, namespace: infra }, listeners: [${listeners}] }
---`;

const route = (parentRefs: string, namespace = 'infra'): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: ${namespace} }
spec: { parentRefs: ${parentRefs}, rules: [{ name: one }] }
---`;

const http = (name: string, hostname = `${name}.example.com`, port = 80): string => `{ name: ${name}, port: ${port}, protocol: HTTP, hostname: ${hostname}, allowedRoutes: { namespaces: { from: All } } }`;

function entry(translation: Translation, name: string, listener: string): ReturnType<typeof listenerOf> {
  return (statusOf(translation, `ListenerSet ${name}`)['listeners'] as readonly (ReturnType<typeof listenerOf> & { readonly name: string })[]).find((each) => each.name === listener)!;
}

const sections = ({ snapshots }: Translation): readonly string[] => (snapshots.listeners.get('infra/edge') ?? []).flatMap((listener) => listener.sections.map(({ name }) => name));

test('the listeners of a ListenerSet are sections beside the Gateway\'s, by names of their own', (t) => {
  const translation = translateYaml(gateway() + set('more', `${http('http')}, ${http('alt', 'alt.example.com', 81)}`));
  t.deepEqual(translation.snapshots.listeners.get('infra/edge')?.map(({ name }) => name), ['infra/edge/80', 'infra/edge/81']);
  t.deepEqual(sections(translation), ['http', 'infra/more/http', 'infra/more/alt']);
  t.is(translation.snapshots.routeTable('listener/infra/edge/infra/more/http')?.name, 'listener/infra/edge/infra/more/http');
  t.deepEqual(conditionsOf(statusOf(translation, 'ListenerSet more')), { Accepted: 'True Accepted', Programmed: 'True Programmed' });
  t.true(entry(translation, 'more', 'http').conditions.every(({ observedGeneration }) => observedGeneration === 3));
});

test('a ListenerSet that the Gateway does not let in has no listeners, and no route', (t) => {
  for (const from of ['', 'None', 'Same', 'Selector']) {
    const translation = translateYaml(gateway(from) + set('more', http('a'), { namespace: 'shop' }) + route('[{ kind: ListenerSet, name: more, namespace: shop }]'));
    t.deepEqual(conditionsOf(statusOf(translation, 'ListenerSet more')), { Accepted: 'False NotAllowed', Programmed: 'False NotAllowed' }, from);
    t.deepEqual(statusOf(translation, 'ListenerSet more')['listeners'], []);
    t.is(statusOf(translation, 'Gateway edge')['attachedListenerSets'], 0);
    t.is(conditionsOf(parentOf(translation, 'HTTPRoute r'))['Accepted'], 'False NoMatchingParent');
    t.deepEqual(sections(translation), ['http']);
  }
});

test('the older of two ListenerSets has the hostname, and names decide between those of one age', (t) => {
  const winner = (...sets: readonly string[]): readonly string[] => sections(translateYaml(gateway() + sets.join(''))).slice(1);
  t.deepEqual(winner(set('a', http('x'), { month: '03' }), set('b', http('x'), { month: '02' })), ['infra/b/x']);
  t.deepEqual(winner(set('b', http('x'), { month: '02' }), set('a', http('x'), { month: '02' })), ['infra/a/x']);
  t.deepEqual(winner(set('a', http('x'), { namespace: 'shop' }), set('b', http('x'))), ['infra/b/x'], 'the namespace comes before the name');
});

test('a listener that lost to one takes nothing from others, of its own ListenerSet or of younger ones', (t) => {
  const https = '{ name: tls, port: 80, protocol: HTTPS, hostname: tls.example.com }';
  const translation = translateYaml(gateway() + set('a', `${https}, ${http('x')}`) + set('b', `${http('tls')}, ${http('y')}`));
  t.deepEqual(sections(translation), ['http', 'infra/a/x', 'infra/b/tls', 'infra/b/y']);
  t.is(conditionsOf(entry(translation, 'a', 'tls'))['Programmed'], 'False ProtocolConflict');
  t.is(conditionsOf(statusOf(translation, 'ListenerSet a'))['Accepted'], 'True ListenersNotValid');
  t.is(conditionsOf(listenerOf(translation, 'edge', 'http'))['Conflicted'], 'False NoConflicts', 'the winner is not to blame');
});

test('two protocols on one port of one ListenerSet conflict, as they do in a Gateway', (t) => {
  const translation = translateYaml(gateway() + set('a', `${http('x', 'x.example.com', 81)}, { name: y, port: 81, protocol: HTTPS }, ${http('z')}`));
  t.deepEqual(sections(translation), ['http', 'infra/a/z']);
  const problem = translation.problems.find(({ reason, path }) => reason === 'ProtocolConflict' && path[2] === 1);
  t.deepEqual(problem?.path, ['spec', 'listeners', 1, 'protocol']);
  t.is(problem?.object.kind, 'ListenerSet');
  t.is(problem?.source?.line, 13);
});

test('the loser hears of the winner what it may know', (t) => {
  const message = (namespace: string): string | undefined =>
    entry(translateYaml(gateway() + set('old', http('x'), { namespace: 'shop', month: '02' }) + set('young', http('x'), { namespace, month: '03' })), 'young', 'x').conditions[0]?.message;
  t.regex(message('shop') ?? '', /listener x of ListenerSet shop\/old$/);
  t.regex(message('other') ?? '', /a listener of a ListenerSet in another namespace$/);
});

test('a ListenerSet of a Gateway that is not accepted says so, and one of a Gateway without address too', (t) => {
  const refused = translateYaml(gateway('All', undefined, '  defaultScope: All\n') + set('a', http('x')));
  t.deepEqual(conditionsOf(statusOf(refused, 'ListenerSet a')), { Accepted: 'False ParentNotAccepted', Programmed: 'False ParentNotProgrammed' });
  t.is(conditionsOf(entry(refused, 'a', 'x'))['Programmed'], 'False Invalid');
  t.is(statusOf(refused, 'Gateway edge')['attachedListenerSets'], 0);
  const homeless = translateYaml(gateway() + set('a', http('x')), { gatewayAddresses: new Map() });
  t.deepEqual(conditionsOf(statusOf(homeless, 'ListenerSet a')), { Accepted: 'True Accepted', Programmed: 'False ParentNotProgrammed' });
  t.is(conditionsOf(entry(homeless, 'a', 'x'))['Programmed'], 'False Pending');
  t.is(statusOf(homeless, 'Gateway edge')['attachedListenerSets'], 1);
});

test('another Gateway\'s own port is not a ListenerSet\'s to take', (t) => {
  const shared = '  addresses: [{ value: 127.0.0.9 }]\n';
  const young = gateway('', '{ name: http, port: 81, protocol: HTTP }', shared).replace('name: edge', 'name: young').replace('2026-01', '2026-05');
  const translation = translateYaml(gateway('All', undefined, shared) + young + set('a', `${http('x', 'x.example.com', 81)}, ${http('y')}`));
  t.is(conditionsOf(entry(translation, 'a', 'x'))['Accepted'], 'False PortUnavailable');
  t.is(conditionsOf(listenerOf(translation, 'young', 'http'))['Accepted'], 'True Accepted');
  t.deepEqual(sections(translation), ['http', 'infra/a/y']);
});

test('no ListenerSet brings more listeners than a proxy takes: the last ones are TooManyListeners', (t) => {
  const state = stateFrom(gateway() + set('s', http('l')));
  const one = state.listenerSets.get('infra/s')!;
  const listenerSets = new Map(Array.from({ length: 64 }, (_, number) => {
    const name = `s${String(number).padStart(2, '0')}`;
    const listeners = Array.from({ length: 64 }, (_entry, index) => ({ ...one.spec.listeners[0]!, name: `l${index}`, hostname: `l${index}.${name}.example.com` }));
    return [`infra/${name}`, { ...one, metadata: { ...one.metadata, name }, spec: { ...one.spec, listeners } }] as const;
  }));
  const translation = translate({ ...state, listenerSets }, { gatewayAddresses: new Map([['infra/edge', ['127.0.0.1']]]), portOffset: 0 });
  t.is(sections(translation).length, 4096);
  t.is(conditionsOf(entry(translation, 's63', 'l63'))['Accepted'], 'False TooManyListeners');
  t.is(conditionsOf(entry(translation, 's63', 'l62'))['Accepted'], 'True Accepted');
});

test('a route may name a ListenerSet, its listener and its port; a parent that is not there is a warning', (t) => {
  const world = gateway() + set('more', `${http('a')}, ${http('b', 'b.example.com', 81)}`, { namespace: 'shop' });
  const attached = (more: string): readonly (number | undefined)[] => {
    const translation = translateYaml(world + route(`[{ kind: ListenerSet, name: more, namespace: shop${more} }]`));
    return ['a', 'b'].map((name) => entry(translation, 'more', name).attachedRoutes);
  };
  t.deepEqual(attached(''), [1, 1]);
  t.deepEqual(attached(', sectionName: b'), [0, 1]);
  t.deepEqual(attached(', port: 80'), [1, 0]);
  t.deepEqual(attached(', port: 80, sectionName: b'), [0, 0]);
  for (const [more, kind] of [[set('lost', http('a'), { parent: 'none' }), 'ListenerSet'], ['', 'HTTPRoute']] as const) {
    const { problems } = translateYaml(gateway() + more + route('[{ kind: ListenerSet, name: lost }]'));
    t.true(problems.some(({ object, reason, severity }) => object.kind === kind && reason === 'ParentNotFound' && severity === 'warning'), kind);
  }
});

test('a policy on a ListenerSet or its listener acts on these alone, and what it affects says so', (t) => {
  const policy = (target: string, namespace = 'shop'): string => `
apiVersion: policy.weft-mesh.io/v1alpha1
kind: RetryPolicy
metadata: { name: p, namespace: ${namespace} }
spec: { targetRef: { group: gateway.networking.k8s.io, ${target} }, override: { maxRetries: 3 } }
---`;
  const world = gateway('All', http('http', 'own.example.com')) + set('more', `${http('a')}, ${http('b')}`, { namespace: 'shop' }) + set('other', http('c')) + route('[{ name: edge }, { kind: ListenerSet, name: more, namespace: shop }, { kind: ListenerSet, name: other }]');
  const on = (translation: Translation): readonly string[] => translation.paths.all().flatMap(({ via, settled }) => (via.kind === 'gateway' && settled.policy.retry?.maxRetries === 3 ? [via.listener] : []));
  const whole = translateYaml(world + policy('kind: ListenerSet, name: more'));
  t.deepEqual(on(whole), ['shop/more/a', 'shop/more/b']);
  t.is(conditionsOf(statusOf(whole, 'ListenerSet more'))['policy.weft-mesh.io/RetryPolicyAffected'], 'True PolicyAffected');
  const part = translateYaml(world + policy('kind: ListenerSet, name: more, sectionName: b'));
  t.deepEqual(on(part), ['shop/more/b']);
  t.is(conditionsOf(entry(part, 'more', 'b'))['policy.weft-mesh.io/RetryPolicyAffected'], 'True PolicyAffected');
  const ofRoute = translateYaml(world + policy('kind: HTTPRoute, name: r', 'infra'));
  t.deepEqual([0, 1, 2].map((index) => conditionsOf(parentOf(ofRoute, 'HTTPRoute r', index))['policy.weft-mesh.io/RetryPolicyAffected']), Array.from({ length: 3 }, () => 'True PolicyAffected'));
  t.deepEqual(on(translateYaml(world + policy('kind: Gateway, name: edge', 'infra'))), ['http', 'infra/other/c', 'shop/more/a', 'shop/more/b']);
});
