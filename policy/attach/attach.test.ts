import test from 'ava';
import { lookup, places, policyOf, trafficPolicyOf, type PolicyRow } from '../cases/world.ts';
import type { Lookup, Policy, TargetRef, TargetVerdict } from '../types.ts';
import { attach } from './attach.ts';

/** A RetryPolicy of `namespace` with these references. */
function on(namespace: string, ...targetRefs: TargetRef[]): Policy {
  return { apiVersion: 'policy.weft-mesh.io/v1alpha1', kind: 'RetryPolicy', metadata: { namespace, name: 'p' }, spec: { targetRefs, default: { maxRetries: 1 } } };
}

function verdict(policy: Policy, find: Lookup = lookup): TargetVerdict {
  return [...attach([policy], find).verdicts.values()][0]!.targets[0]!;
}

const gatewayGroup = 'gateway.networking.k8s.io';

test('every kind of target attaches where it may', (t) => {
  for (const { namespace, ref } of Object.values(places)) t.is(verdict(on(namespace, ref)).reason, 'Accepted', `${ref.kind} ${ref.sectionName ?? ''}`);
});

test('a ServiceImport and a GRPCRoute are targets, and what belongs to no namespace is named without one', (t) => {
  const everything: Lookup = () => 'found';
  t.is(verdict(on('shop', { group: 'multicluster.x-k8s.io', kind: 'ServiceImport', name: 'api', sectionName: 'p' }), everything).message, 'Attached to port p of ServiceImport shop/api.');
  t.is(verdict(on('shop', { group: gatewayGroup, kind: 'GRPCRoute', name: 'foo', sectionName: 'r' }), everything).message, 'Attached to rule r of GRPCRoute shop/foo.');
  t.is(verdict(on('weft-system', places.class.ref)).message, 'Attached to GatewayClass weft.');
});

test('a message lists so many names, and says how many more there are', (t) => {
  const sections = Array.from({ length: 14 }, (_, index) => `s${index}`);
  const { message } = verdict(on('shop', { ...places.route.ref, sectionName: 'ghost' }), () => ({ sections }));
  t.is(message, 'There is no rule ghost of HTTPRoute shop/foo; it has s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, and 2 more.');
});

test('what was attached before is given again while the verdict on every target is the same', (t) => {
  const policies = [on('shop', places.route.ref, { ...places.route.ref, name: 'other' }, { ...places.route.ref, name: 'third' })];
  const finding = (missing: readonly string[]): Lookup => ({ name }) => (missing.includes(name) ? 'no-target' : 'found');
  const before = attach(policies, finding([]));
  t.is(attach(policies, finding([]), before), before);
  for (const missing of [['foo'], ['other'], ['third']]) {
    const after = attach(policies, finding(missing), before);
    t.deepEqual(after, attach(policies, finding(missing)), String(missing));
    t.not(after, before);
  }
  t.not(attach(structuredClone(policies), finding([]), before), before);
  t.is(attach([], finding([]), before).verdicts.size, 0);
});

for (const [group, kind] of [[gatewayGroup, 'HTTPRoute'], [gatewayGroup, 'GRPCRoute'], ['', 'Service'], ['multicluster.x-k8s.io', 'ServiceImport']] as const) {
  test(`a field of client connections has no effect on a ${kind}, in either stanza`, (t) => {
    const policy: Policy = { apiVersion: 'policy.weft-mesh.io/v1alpha1', kind: 'TimeoutPolicy', metadata: { namespace: 'shop', name: 'p' }, spec: { targetRefs: [{ group, kind, name: 'x' }], override: { requestHeaders: '1s' }, default: { maxConnectionDuration: '1h', request: '1s' } } };
    const found = attach([policy], () => 'found').problems.map(({ reason, path }) => `${reason} ${path.join('.')}`);
    // A connection that passes as it is may end at a Service, and be as old as that says.
    t.deepEqual(found, ['NoEffectAtLevel spec.override.requestHeaders', ...(group === gatewayGroup ? ['NoEffectAtLevel spec.default.maxConnectionDuration'] : [])]);
  });
}

for (const [kind, acting] of [['TLSRoute', ['connect', 'streamIdle', 'maxConnectionDuration']], ['TCPRoute', ['connect', 'streamIdle', 'maxConnectionDuration']], ['UDPRoute', ['streamIdle']]] as const) {
  test(`what has no effect on a ${kind}`, (t) => {
    const all = ['request', 'backendRequest', 'connect', 'idle', 'streamIdle', 'requestHeaders', 'maxConnectionDuration'];
    const metadata = { namespace: 'shop', name: 'p' };
    const targetRef = { group: gatewayGroup, kind, name: 'x' };
    const timeouts: Policy = { apiVersion: 'policy.weft-mesh.io/v1alpha1', kind: 'TimeoutPolicy', metadata, spec: { targetRef, default: Object.fromEntries(all.map((field) => [field, '1s'])) } };
    const retry: Policy = { apiVersion: 'policy.weft-mesh.io/v1alpha1', kind: 'RetryPolicy', metadata, spec: { targetRef, override: { maxRetries: 1 } } };
    const { problems, verdicts } = attach([timeouts, retry], () => 'found');
    t.deepEqual([...verdicts.values()].map(({ targets }) => targets[0]!.reason), ['Accepted', 'Accepted']);
    t.deepEqual(problems.map(({ reason, path }) => `${reason} ${path.join('.')}`), ['NoEffectAtLevel spec.override.maxRetries', ...all.filter((field) => !(acting as readonly string[]).includes(field)).map((field) => `NoEffectAtLevel spec.default.${field}`)]);
  });
}

test('the singular targetRef is the same as a list of one', (t) => {
  const { targetRefs: _, ...rest } = on('shop').spec;
  t.is(verdict({ ...on('shop'), spec: { ...rest, targetRef: places.route.ref } } as Policy).reason, 'Accepted');
});

const refusals: readonly { readonly name: string; readonly namespace: string; readonly ref: TargetRef; readonly says: RegExp; readonly reason?: string }[] = [
  { name: 'GatewayClass from another namespace than the root namespace', namespace: 'shop', ref: places.class.ref, says: /Only a policy in namespace weft-system may attach to GatewayClass/ },
  { name: 'XMesh from another namespace than the root namespace', namespace: 'shop', ref: places.mesh.ref, says: /Only a policy in namespace weft-system/ },
  { name: 'another Namespace', namespace: 'shop', ref: { group: '', kind: 'Namespace', name: 'infra' }, says: /its own namespace only/ },
  { name: 'another Namespace, even from the root namespace', namespace: 'weft-system', ref: { group: '', kind: 'Namespace', name: 'infra' }, says: /its own namespace only/ },
  { name: "another namespace's object", namespace: 'shop', ref: { ...places.g1.ref, namespace: 'infra' }, says: /it is in shop, the target in infra/ },
  { name: 'an unknown kind', namespace: 'shop', ref: { group: '', kind: 'Pod', name: 'x' }, says: /cannot attach to kind Pod; it can to GatewayClass, XMesh,/ },
  { name: 'a kind with its letters in another case', namespace: 'shop', ref: { group: gatewayGroup, kind: 'HttpRoute', name: 'foo' }, says: /cannot attach to kind HttpRoute; did you mean HTTPRoute\?/ },
  { name: 'a known kind in the wrong group', namespace: 'shop', ref: { group: 'apps', kind: 'HTTPRoute', name: 'foo' }, says: /is in group "gateway\.networking\.k8s\.io", not "apps"/ },
  { name: 'a section of a kind that has none', namespace: 'shop', ref: { group: '', kind: 'Namespace', name: 'shop', sectionName: 'x' }, says: /no sections/ },
  { name: 'a target that is not there', namespace: 'shop', ref: { group: gatewayGroup, kind: 'HTTPRoute', name: 'ghost' }, says: /There is no HTTPRoute shop\/ghost\./, reason: 'TargetNotFound' },
  { name: 'a target that is in another namespace only', namespace: 'shop', ref: places.g1.ref, says: /There is no Gateway shop\/g1\./, reason: 'TargetNotFound' },
  { name: 'a rule that is not there', namespace: 'shop', ref: { ...places.route.ref, sectionName: 'ghost' }, says: /There is no rule ghost of HTTPRoute shop\/foo; it has pay\./, reason: 'TargetNotFound' },
  { name: 'a listener that is not there', namespace: 'infra', ref: { ...places.g1.ref, sectionName: 'ghost' }, says: /There is no listener ghost of Gateway infra\/g1; it has https, tcp\./, reason: 'TargetNotFound' },
  { name: 'a port that is not there', namespace: 'back', ref: { ...places.service.ref, sectionName: 'ghost' }, says: /There is no port ghost of Service back\/api; it has http\./, reason: 'TargetNotFound' },
];

for (const { name, namespace, ref, says, reason = 'Invalid' } of refusals) {
  test(`refused: ${name}`, (t) => {
    const attachments = attach([on(namespace, ref)], lookup);
    const refused = [...attachments.verdicts.values()][0]!.targets[0]!;
    t.is(refused.reason, reason as TargetVerdict['reason']);
    t.regex(refused.message, says);
    t.is(attachments.byTarget.size, 0);
    t.like(attachments.problems[0]!, { severity: 'error', reason, path: ['spec', 'targetRefs', 0], message: refused.message });
  });
}

test("the policy's own namespace may be written", (t) => {
  t.is(verdict(on('shop', { ...places.route.ref, namespace: 'shop' })).reason, 'Accepted');
});

test('a version in the group is ignored, with a warning', (t) => {
  const attachments = attach([on('shop', { ...places.route.ref, group: `${gatewayGroup}/v1alpha2` })], lookup);
  t.deepEqual([...attachments.byTarget.keys()], ['HTTPRoute/shop/foo']);
  t.like(attachments.problems, [{ severity: 'warning', reason: 'VersionInGroup', path: ['spec', 'targetRefs', 0, 'group'] }]);
  t.deepEqual([...attachments.verdicts.values()][0]!.targets[0]!.target, { group: gatewayGroup, kind: 'HTTPRoute', namespace: 'shop', name: 'foo' });
});

test('one bad target does not take the others down', (t) => {
  const attachments = attach([on('shop', { ...places.route.ref, name: 'ghost' }, places.route.ref)], lookup);
  t.deepEqual([...attachments.verdicts.values()][0]!.targets.map(({ reason }) => reason), ['TargetNotFound', 'Accepted']);
  t.deepEqual([...attachments.byTarget.keys()], ['HTTPRoute/shop/foo']);
});

test('a target named twice counts once, with a warning', (t) => {
  const attachments = attach([on('shop', places.route.ref, places.route.ref)], lookup);
  t.is(attachments.byTarget.get('HTTPRoute/shop/foo')!.length, 1);
  t.like(attachments.problems, [{ severity: 'warning', reason: 'DuplicateTarget', path: ['spec', 'targetRefs', 1] }]);
});

test("another controller's target gets neither policy nor status nor problem", (t) => {
  const attachments = attach([on('shop', places.route.ref)], () => 'foreign');
  t.is(attachments.byTarget.size, 0);
  t.deepEqual(attachments.problems, []);
  t.deepEqual([...attachments.verdicts.values()][0]!.targets, []);
});

test('policies of one target stand in the order of age, then of namespace and name', (t) => {
  const rows: PolicyRow[] = [
    { on: 'route', name: 'manifest', retry: { default: { maxRetries: 1 } } },
    { on: 'route', name: 'b', created: '2026-01-02T00:00:00Z', retry: { default: { maxRetries: 1 } } },
    { on: 'route', name: 'z', created: '2026-01-01T00:00:00Z', retry: { default: { maxRetries: 1 } } },
    { on: 'route', name: 'a', created: '2026-01-02T00:00:00Z', retry: { default: { maxRetries: 1 } } },
  ];
  const names = (order: readonly PolicyRow[]) => attach(order.map(policyOf), lookup).byTarget.get('HTTPRoute/shop/foo')!.map(({ policy }) => policy.metadata.name);
  t.deepEqual(names(rows), ['z', 'a', 'b', 'manifest']);
  t.deepEqual(names(rows.toReversed()), ['z', 'a', 'b', 'manifest']);
});

test('the newer of two policies keeps what only it says; what it loses is a warning at the field', (t) => {
  const { problems, verdicts } = attach(
    [
      policyOf({ on: 'route', name: 'a', retry: { default: { retryOn: { codes: [503] } } } }),
      policyOf({ on: 'route', name: 'b', retry: { default: { retryOn: { codes: [500] }, maxRetries: 1 } } }),
    ],
    lookup,
  );
  t.deepEqual([...verdicts.values()].map(({ targets }) => targets[0]!.reason), ['Accepted', 'Accepted']);
  t.like(problems, [{ severity: 'warning', reason: 'OlderPolicyWins', path: ['spec', 'default', 'retryOn', 'codes'], object: { name: 'b' } }]);
});

test('the newer of two policies that says nothing of its own is Conflicted', (t) => {
  const { problems, verdicts } = attach(
    [policyOf({ on: 'route', name: 'a', retry: { default: { maxRetries: 5 } } }), policyOf({ on: 'route', name: 'b', retry: { default: { maxRetries: 9 } } })],
    lookup,
  );
  t.deepEqual([...verdicts.values()].map(({ targets }) => targets[0]!.reason), ['Accepted', 'Conflicted']);
  t.like(problems, [{ severity: 'error', reason: 'Conflicted', object: { name: 'b' }, message: 'Older policies on HTTPRoute shop/foo set every field that this one sets: default retry.maxRetries by RetryPolicy/shop/a.' }]);
});

test('override and default of two policies do not conflict, nor do two kinds', (t) => {
  const { problems } = attach(
    [
      policyOf({ on: 'route', name: 'a', retry: { default: { maxRetries: 5 } } }),
      policyOf({ on: 'route', name: 'b', retry: { override: { maxRetries: 9 } } }),
      policyOf({ on: 'route', name: 'c', timeouts: { default: { request: '5s' } } }),
    ],
    lookup,
  );
  t.deepEqual(problems, []);
});

test('a default under an override of its own object is a warning at the default', (t) => {
  const { problems } = attach([policyOf({ on: 'route', retry: { override: { backoff: { base: '1s' } }, default: { backoff: { base: '2s', max: '3s' } } } })], lookup);
  t.like(problems, [{ severity: 'warning', reason: 'DeadDefault', path: ['spec', 'default', 'backoff', 'base'] }]);
  t.regex(problems[0]!.message, /2s.*1s/);
});

test('a field of client connections on a route or Service is a warning; on a Gateway or a namespace it is not', (t) => {
  const timeouts = { default: { requestHeaders: '1s', idle: '2s', request: '3s' } };
  for (const place of ['route', 'rule', 'service', 'port', 'producer-route'] as const) {
    t.like(attach([policyOf({ on: place, timeouts })], lookup).problems, [{ severity: 'warning', reason: 'NoEffectAtLevel', path: ['spec', 'default', 'requestHeaders'] }], place);
  }
  for (const place of ['class', 'mesh', 'gateway-namespace', 'g1', 'g1-https', 'listener-set', 'client-namespace'] as const) {
    t.deepEqual(attach([policyOf({ on: place, timeouts })], lookup).problems, [], place);
  }
});

test('problems carry the place in the manifest', (t) => {
  const source = { file: 'a.yaml', line: 3, column: 1 };
  t.deepEqual(attach([{ ...on('shop', { ...places.route.ref, name: 'ghost' }), source }], lookup).problems[0]!.source, source);
});

test('a policy that sets nothing is in nobody\'s way', (t) => {
  const { problems, verdicts } = attach([policyOf({ on: 'route', name: 'a', retry: { default: { maxRetries: 5 } } }), policyOf({ on: 'route', name: 'b', retry: { default: { backoff: {} } } })], lookup);
  t.deepEqual([...verdicts.values()].map(({ targets }) => targets[0]!.reason), ['Accepted', 'Accepted']);
  t.deepEqual(problems, []);
});

test('of two direct policies on one Service the younger one is Conflicted, whatever it says', (t) => {
  const { verdicts, byTarget } = attach([trafficPolicyOf({ traffic: 'api', name: 'b', session: 's' }), trafficPolicyOf({ traffic: 'api', name: 'a', percent: 1 })], lookup);
  t.deepEqual([...verdicts.values()].map(({ targets }) => targets[0]!.reason), ['Accepted', 'Conflicted']);
  t.is([...verdicts.values()][1]!.targets[0]!.message, 'XBackendTrafficPolicy/back/a is on Service back/api already and is older; two policies of this kind do not merge.');
  t.is(byTarget.get('Service/back/api')!.length, 1);
});

test('a direct policy of backends attaches to backends alone', (t) => {
  const policy = trafficPolicyOf({ traffic: 'api', percent: 1 });
  const { verdicts } = attach([{ ...policy, spec: { ...policy.spec, targetRefs: [{ group: gatewayGroup, kind: 'HTTPRoute', name: 'api' }] } }], lookup);
  t.like([...verdicts.values()][0]!.targets[0]!, { reason: 'Invalid', message: 'This policy cannot attach to kind HTTPRoute; it can to Service, ServiceImport.' });
});

test('of many policies on one target that decide nothing some are kept to be told of', (t) => {
  const rows = Array.from({ length: 40 }, (_, index): PolicyRow => ({ on: 'route', name: `p${String(index).padStart(2, '0')}`, retry: { default: { maxRetries: index } } }));
  const { byTarget, verdicts, problems } = attach(rows.map(policyOf), lookup);
  t.is([...verdicts.values()].filter(({ targets }) => targets[0]!.reason === 'Conflicted').length, 39);
  t.is(problems.length, 39);
  t.deepEqual(byTarget.get('HTTPRoute/shop/foo')!.map(({ policy }) => policy.metadata.name), rows.slice(0, 17).map(({ name }) => name));
});
