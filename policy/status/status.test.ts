import test from 'ava';
import { Pace, runSteps } from '#snapshot';
import { attach } from '../attach/attach.ts';
import { carriedBy, lookup, paths, policyOf, type PathName, type PolicyRow } from '../cases/world.ts';
import { gatewayPath } from '../settle/paths.ts';
import { settle } from '../settle/settle.ts';
import type { Attachments, PathVerdict, Policy, Problem } from '../types.ts';
import * as affectedInSteps from './affected.ts';
import { affects } from './affects.ts';
import { clipped } from './conditions.ts';
import * as problemsInSteps from './problems.ts';
import * as statusesInSteps from './status.ts';

const affected = (attachments: Attachments, over: readonly PathVerdict[]): readonly affectedInSteps.AffectedObject[] => runSteps(affectedInSteps.affected(attachments, over, new Pace(1)));
const pathProblems = (attachments: Attachments, over: readonly Pick<PathVerdict, 'settled'>[]): readonly Problem[] => runSteps(problemsInSteps.pathProblems(attachments, over, new Pace(1)));
const policyStatuses = (attachments: Attachments, over: readonly PathVerdict[], controllerName: string): readonly statusesInSteps.PolicyObjectStatus[] =>
  runSteps(statusesInSteps.policyStatuses(attachments, over, { controllerName, pace: new Pace(1) }));

const controller = 'weft-mesh.io/controller';

/** All paths of the cases' cluster. */
function settleAll(policies: readonly Policy[], names: readonly PathName[] = ['g1 https', 'g1 http', 'g2 http', 'mesh from a', 'mesh from c']) {
  const attachments = attach(policies, lookup);
  const settled = names.map((name): PathVerdict & { readonly name: string } => {
    const gateway = { kind: 'Gateway', namespace: 'infra', name: name.startsWith('g2') ? 'g2' : 'g1' };
    const via = name.startsWith('mesh') ? ({ kind: 'mesh', service: { kind: 'Service', namespace: 'back', name: 'api' } } as const) : ({ kind: 'gateway', gateway } as const);
    return { name, via, path: paths[name], settled: settle(paths[name], attachments, carriedBy(name)) };
  });
  return { attachments, settled };
}

/** `Gateway/g1: Accepted True Accepted, Programmed …` per ancestor of the policy named. */
function statusText(rows: readonly PolicyRow[], name: string, pathNames?: readonly PathName[]): readonly string[] {
  const { attachments, settled } = settleAll(rows.map(policyOf), pathNames);
  const own = policyStatuses(attachments, settled, controller).find((each) => each.name === name);
  return own!.status.ancestors.map(({ ancestorRef, conditions }) => {
    const section = ancestorRef.sectionName === undefined ? '' : `/${ancestorRef.sectionName}`;
    return `${ancestorRef.kind}/${ancestorRef.name}${section}: ${conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`).join(', ')}`;
  });
}

const fine = 'Accepted True Accepted, Programmed True Programmed';

test('a policy has an entry for each Gateway on whose paths it stands, and in the mesh for the Service', (t) => {
  t.deepEqual(statusText([{ on: 'route', retry: { default: { maxRetries: 1 } } }], 'route'), [`Gateway/g1: ${fine}`, `Gateway/g2: ${fine}`]);
  t.deepEqual(statusText([{ on: 'service', retry: { default: { maxRetries: 1 } } }], 'service'), [`Gateway/g1: ${fine}`, `Gateway/g2: ${fine}`, `Service/api: ${fine}`]);
});

test('what concerns all Services has the mesh as ancestor', (t) => {
  t.deepEqual(statusText([{ on: 'mesh', retry: { default: { maxRetries: 1 } } }], 'mesh'), [`XMesh/weft: ${fine}`]);
  t.deepEqual(statusText([{ on: 'client-namespace', retry: { default: { maxRetries: 1 } } }], 'client-namespace'), [`XMesh/weft: ${fine}`]);
});

test('an entry has our controller, the namespace, the generation and no time', (t) => {
  const policy = policyOf({ on: 'g1', retry: { default: { maxRetries: 1 } } });
  const { attachments, settled } = settleAll([{ ...policy, metadata: { ...policy.metadata, uid: 'u1' } }], ['g1 http']);
  t.deepEqual(policyStatuses(attachments, settled, controller), [
    {
      apiVersion: 'policy.weft-mesh.io/v1alpha1',
      kind: 'RetryPolicy',
      namespace: 'infra',
      name: 'g1',
      uid: 'u1',
      status: {
        ancestors: [
          {
            ancestorRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'infra', name: 'g1' },
            controllerName: controller,
            conditions: [
              { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'Attached to Gateway infra/g1.', observedGeneration: 1 },
              { type: 'Programmed', status: 'True', reason: 'Programmed', message: 'Decides retry.maxRetries on its one path.', observedGeneration: 1 },
            ],
          },
        ],
      },
    },
  ]);
});

test('overridden on every path of a Gateway: Programmed is False there, and the message names policy and field', (t) => {
  const rows: PolicyRow[] = [
    { on: 'g1', retry: { override: { maxRetries: 2 } } },
    { on: 'route', retry: { override: { maxRetries: 10 }, default: { maxRetries: 5 } } },
  ];
  t.deepEqual(statusText(rows, 'route'), ['Gateway/g1: Accepted True Accepted, Programmed False Overridden', `Gateway/g2: ${fine}`]);
  const { attachments, settled } = settleAll(rows.map(policyOf));
  const message = policyStatuses(attachments, settled, controller).find(({ name }) => name === 'route')!.status.ancestors[0]!.conditions[1]!.message;
  t.is(message, 'Decides nothing. Not retry.maxRetries: RetryPolicy/infra/g1 (override at Gateway) does, on all 2 paths.');
});

test('overridden for a part: in some fields, or on some paths', (t) => {
  const fields: PolicyRow[] = [
    { on: 'class', retry: { override: { maxRetries: 2 } } },
    { on: 'route', retry: { default: { maxRetries: 5, perTryTimeout: '1s' } } },
  ];
  t.deepEqual(statusText(fields, 'route', ['g1 http']), ['Gateway/g1: Accepted True Accepted, Programmed True PartiallyProgrammed']);
  const onPaths: PolicyRow[] = [
    { on: 'g1-https', retry: { default: { maxRetries: 2 } } },
    { on: 'g1', retry: { default: { maxRetries: 5 } } },
  ];
  t.deepEqual(statusText(onPaths, 'g1'), ['Gateway/g1: Accepted True Accepted, Programmed True PartiallyProgrammed']);
  const { attachments, settled } = settleAll(onPaths.map(policyOf));
  const message = policyStatuses(attachments, settled, controller).find(({ name }) => name === 'g1')!.status.ancestors[0]!.conditions[1]!.message;
  t.is(message, 'Decides retry.maxRetries. Does not decide retry.maxRetries: RetryPolicy/infra/g1-https (default at Listener) does, on 1 of 2 paths.');
});

test('what a policy loses at a target that is Conflicted is told there alone; its other losses are told', (t) => {
  const rows: PolicyRow[] = [
    { on: 'service', name: 'old', created: '2026-01-01T00:00:00Z', retry: { default: { maxRetries: 5 } } },
    { on: ['service', 'port'], name: 'new', created: '2026-02-01T00:00:00Z', retry: { default: { maxRetries: 9 } } },
  ];
  t.deepEqual(statusText(rows, 'new', ['g1 http']), ['Service/api: Accepted False Conflicted', `Gateway/g1: ${fine}`]);
  t.deepEqual(statusText([...rows, { on: 'g1', retry: { override: { maxRetries: 1 } } }], 'new', ['g1 http']), ['Service/api: Accepted False Conflicted', 'Gateway/g1: Accepted True Accepted, Programmed False Overridden']);
});

test("a namespace's policy that is overridden is told so", (t) => {
  t.deepEqual(statusText([{ on: 'g1', retry: { override: { maxRetries: 1 } } }, { on: 'route-namespace', retry: { default: { maxRetries: 2 } } }], 'route-namespace', ['g1 http']), [
    'Gateway/g1: Accepted True Accepted, Programmed False Overridden',
  ]);
});

test('of a policy that decides nothing, a field that could not act does not hide one that was overridden', (t) => {
  const rows: PolicyRow[] = [
    { on: 'g1', timeouts: { override: { request: '1s' } } },
    { on: 'route', timeouts: { default: { request: '2s', requestHeaders: '1s' } } },
  ];
  t.deepEqual(statusText(rows, 'route', ['g1 http']), ['Gateway/g1: Accepted True Accepted, Programmed False Overridden']);
});

test('an entry that no path leads through tells of its own target, one of a path of all that attached', (t) => {
  const { attachments, settled } = settleAll([policyOf({ on: ['service', 'other-service'], name: 'two', retry: { default: { maxRetries: 5 } } })], ['g1 http']);
  const [status] = policyStatuses(attachments, settled, controller);
  t.deepEqual(status!.status.ancestors.map(({ ancestorRef, conditions }) => [ancestorRef.name, conditions[0]!.message]), [
    ['api-v2', 'Attached to Service back/api-v2.'],
    ['g1', 'Attached to Service back/api. Attached to Service back/api-v2.'],
  ]);
});

test('where a part of the paths through the mesh was looked at, the messages say so, but not of Gateways', (t) => {
  const { attachments, settled } = settleAll([policyOf({ on: 'service', retry: { default: { maxRetries: 1 } } })], ['g1 http', 'mesh from a']);
  const [status] = runSteps(statusesInSteps.policyStatuses(attachments, settled, { controllerName: controller, partly: true, pace: new Pace(1) }));
  t.deepEqual(status!.status.ancestors.map(({ conditions }) => conditions[1]!.message), ['Decides retry.maxRetries on its one path.', 'Decides retry.maxRetries on all 1 paths that were looked at.']);
});

test('a message is as long as it may be, and no longer', (t) => {
  const longest = 'x'.repeat(4096);
  t.is(clipped(longest), longest);
  t.is(clipped(`${longest}y`), `${longest.slice(1)}…`);
});

test('a default under its own override is no loss', (t) => {
  t.deepEqual(statusText([{ on: 'route', retry: { override: { maxRetries: 10 }, default: { maxRetries: 5 } } }], 'route', ['g1 http']), [`Gateway/g1: ${fine}`]);
});

test('the newer of two policies with the same fields on one target is Conflicted and not programmed', (t) => {
  const rows: PolicyRow[] = [
    { on: 'route', name: 'old', created: '2026-01-01T00:00:00Z', retry: { default: { maxRetries: 5, perTryTimeout: '1s' } } },
    { on: 'route', name: 'new', created: '2026-02-01T00:00:00Z', retry: { default: { maxRetries: 9 } } },
  ];
  t.deepEqual(statusText(rows, 'new'), ['HTTPRoute/foo: Accepted False Conflicted']);
  t.deepEqual(statusText(rows, 'old', ['g1 http']), [`Gateway/g1: ${fine}`]);
});

test('the newer of two policies with one field of its own is accepted and partially programmed', (t) => {
  const rows: PolicyRow[] = [
    { on: 'route', name: 'old', created: '2026-01-01T00:00:00Z', retry: { default: { maxRetries: 5 } } },
    { on: 'route', name: 'new', created: '2026-02-01T00:00:00Z', retry: { default: { maxRetries: 9, perTryTimeout: '1s' } } },
  ];
  t.deepEqual(statusText(rows, 'new', ['g1 http']), ['Gateway/g1: Accepted True Accepted, Programmed True PartiallyProgrammed']);
});

test('a target that is refused has an entry of its own, first, beside healthy ones', (t) => {
  const policy = policyOf({ on: ['service', 'port'], name: 'both', retry: { default: { maxRetries: 5 } } });
  const targetRefs = [policy.spec.targetRefs![0]!, { ...policy.spec.targetRefs![1]!, sectionName: 'admin' }, { group: '', kind: 'Pod', name: 'x' }];
  const { attachments, settled } = settleAll([{ ...policy, spec: { ...policy.spec, targetRefs } } as Policy], ['g1 http']);
  const entries = policyStatuses(attachments, settled, controller)[0]!.status.ancestors;
  t.deepEqual(
    entries.map(({ ancestorRef, conditions }) => [ancestorRef.kind, ancestorRef.sectionName, conditions.map(({ reason }) => reason)]),
    [
      ['Pod', undefined, ['Invalid']],
      ['Service', 'admin', ['TargetNotFound']],
      ['Gateway', undefined, ['Accepted', 'Programmed']],
    ],
  );
  t.is(entries[2]!.conditions[0]!.message, 'Attached to Service back/api.');
});

test('a target that no request passes is accepted, and not programmed: NoEffect', (t) => {
  t.deepEqual(statusText([{ on: 'route', retry: { default: { maxRetries: 5 } } }], 'route', ['mesh from c']), ['HTTPRoute/foo: Accepted True Accepted, Programmed False NoEffect']);
});

test('fields that cannot act at their level: NoEffect where there is nothing else', (t) => {
  t.deepEqual(statusText([{ on: 'route', timeouts: { default: { requestHeaders: '1s' } } }], 'route', ['g1 http']), ['Gateway/g1: Accepted True Accepted, Programmed False NoEffect']);
  t.deepEqual(statusText([{ on: 'backend-namespace', timeouts: { default: { requestHeaders: '1s' } } }], 'backend-namespace', ['g1 http']), ['Namespace/back: Accepted True Accepted, Programmed False NoEffect']);
  t.deepEqual(statusText([{ on: 'backend-namespace', timeouts: { default: { requestHeaders: '1s' } } }], 'backend-namespace', ['g1 http', 'mesh from back', 'mesh from a']), [`XMesh/weft: ${fine}`]);
});

test("a value written in the route beats a default, and the policy's status says so", (t) => {
  const attachments = attach([policyOf({ on: 'service', retry: { default: { maxRetries: 5 } } })], lookup);
  const path = { ...paths['g1 http'], inline: { ref: { kind: 'HTTPRoute', namespace: 'shop', name: 'foo' }, retry: { maxRetries: 1 } } };
  const via = { kind: 'gateway', gateway: { kind: 'Gateway', namespace: 'infra', name: 'g1' } } as const;
  const condition = policyStatuses(attachments, [{ via, path, settled: settle(path, attachments) }], controller)[0]!.status.ancestors[0]!.conditions[1]!;
  t.is(condition.reason, 'Overridden');
  t.regex(condition.message, /retry\.maxRetries: HTTPRoute\/shop\/foo \(route at Route\)/);
});

test('at most 16 entries; the last one tells of the rest, and what failed is among the first', (t) => {
  const attachments = attach([policyOf({ on: 'class', retry: { default: { maxRetries: 5 } } }), policyOf({ on: 'g2', retry: { override: { maxRetries: 1 } } })], lookup);
  const settled = Array.from({ length: 20 }, (_, index): PathVerdict => {
    const gateway = { kind: 'Gateway', namespace: 'infra', name: index === 19 ? 'g2' : `a${String(index).padStart(2, '0')}` };
    const path = gatewayPath({ gatewayClass: 'weft', gateway, listener: 'http' });
    return { via: { kind: 'gateway', gateway }, path, settled: settle(path, attachments) };
  });
  const { ancestors } = policyStatuses(attachments, settled, controller).find(({ name }) => name === 'class')!.status;
  t.is(ancestors.length, 16);
  t.is(ancestors[0]!.ancestorRef.name, 'g2');
  t.is(ancestors[0]!.conditions[1]!.reason, 'Overridden');
  t.is(ancestors.filter(({ conditions }) => conditions.length === 3).length, 1);
  t.like(ancestors[15]!.conditions[2]!, { type: 'Aggregated', status: 'True', message: '4 more, not listed here: Gateway infra/a15, Gateway infra/a16, Gateway infra/a17, Gateway infra/a18.' });
});

test('objects that a policy decides something for get a condition per kind; routes one per parent', (t) => {
  const { attachments, settled } = settleAll([
    policyOf({ on: 'g1-https', retry: { default: { maxRetries: 5 } } }),
    policyOf({ on: 'rule', name: 'r1', retry: { default: { perTryTimeout: '1s' } } }),
    policyOf({ on: 'route', name: 'r2', retry: { default: { respectRetryAfter: true } } }),
    policyOf({ on: 'route', name: 't1', timeouts: { default: { request: '1s' } } }),
    policyOf({ on: 'service', retry: { default: { maxBufferedBodyBytes: 0 } } }),
  ]);
  const texts = affected(attachments, settled).map(
    ({ target, parent, conditions }) =>
      `${target.kind}/${target.name}/${target.section ?? ''} ${parent?.name ?? ''}: ${conditions.map(({ type, status, message }) => `${type} ${status} ${message}`).join(' ')}`,
  );
  const route = 'policy.weft-mesh.io/RetryPolicyAffected True Affected by RetryPolicy shop/r1, shop/r2. policy.weft-mesh.io/TimeoutPolicyAffected True Affected by TimeoutPolicy shop/t1.';
  t.deepEqual(texts, [
    'Gateway/g1/https : policy.weft-mesh.io/RetryPolicyAffected True Affected by RetryPolicy infra/g1-https.',
    `HTTPRoute/foo/ g1: ${route}`,
    `HTTPRoute/foo/ g2: ${route}`,
  ]);
});

test('an overridden policy affects nothing', (t) => {
  const { attachments, settled } = settleAll([policyOf({ on: 'class', retry: { override: { maxRetries: 1 } } }), policyOf({ on: 'route', retry: { default: { maxRetries: 5 } } })], ['g1 http']);
  t.deepEqual(affected(attachments, settled).map(({ target }) => target.kind), ['GatewayClass']);
});

test('affects: every path on which a policy stands, what it decides there and what it loses to whom', (t) => {
  const { settled } = settleAll([policyOf({ on: 'g1', retry: { override: { maxRetries: 1 } } }), policyOf({ on: 'route', retry: { default: { maxRetries: 5, perTryTimeout: '1s' } } })]);
  const effects = affects({ kind: 'RetryPolicy', namespace: 'shop', name: 'route' }, settled);
  t.deepEqual(effects.map(({ path }) => path.name), ['g1 https', 'g1 http', 'g2 http']);
  t.deepEqual(effects[0]!.won, [{ field: 'retry.perTryTimeout', value: '1s', stanza: 'default', level: 'Route' }]);
  t.deepEqual(effects[0]!.lost.map(({ field, to }) => [field, to]), [['retry.maxRetries', 'RetryPolicy/infra/g1 (override at Gateway)']]);
  t.is(effects[2]!.won.length, 2);
  t.deepEqual(affects({ kind: 'RetryPolicy', namespace: 'shop', name: 'nobody' }, settled), []);
});

test('warnings of merged results become problems, once per policy and field, at the field that is too long', (t) => {
  const { attachments, settled } = settleAll([
    policyOf({ on: 'g1', timeouts: { override: { request: '5s' } } }),
    policyOf({ on: 'g2', timeouts: { override: { request: '4s' } } }),
    policyOf({ on: 'route', timeouts: { default: { backendRequest: '30s' } } }),
  ]);
  const problems = pathProblems(attachments, settled);
  t.is(problems.length, 1);
  t.like(problems[0]!, { severity: 'warning', reason: 'BackendRequestClamped', object: { kind: 'TimeoutPolicy', name: 'route' }, path: ['spec', 'default', 'backendRequest'] });
  t.regex(problems[0]!.message, /1 more/);
});

test("a warning about a route's own field is the route's", (t) => {
  const attachments = attach([policyOf({ on: 'g1', timeouts: { override: { request: '5s' } } })], lookup);
  const path = { ...paths['g1 http'], inline: { ref: { kind: 'HTTPRoute', namespace: 'shop', name: 'foo' }, timeouts: { backendRequest: '9s' } } };
  t.like(pathProblems(attachments, [{ settled: settle(path, attachments) }])[0]!, { object: { kind: 'HTTPRoute', name: 'foo' }, path: ['spec', 'rules'], reason: 'BackendRequestClamped' });
});

const nothing = 'Accepted True Accepted, Programmed False NoEffect';

test('a policy that speaks of requests has no effect on what passes as it is: where nothing else passes its target, that is told', (t) => {
  for (const on of ['class', 'g1', 'g1-tcp', 'tcp-route', 'service'] as const) t.deepEqual(statusText([{ on, retry: { default: { maxRetries: 1 } } }], on, ['tcp g1']), [`Gateway/g1: ${nothing}`], on);
  for (const on of ['class', 'g1', 'service'] as const) t.deepEqual(statusText([{ on, retry: { default: { maxRetries: 1 } } }], on, ['tcp g1', 'g1 http', 'udp g1']), [`Gateway/g1: ${fine}`], on);
  t.deepEqual(statusText([{ on: 'backend-namespace', retry: { default: { maxRetries: 1 } } }], 'backend-namespace', ['tcp g1']), [`Namespace/back: ${nothing}`]);
});

test('of several targets each has its say: on one the policy acts, on the other it does not', (t) => {
  t.deepEqual(statusText([{ on: ['g1-https', 'g1-tcp'], name: 'p', retry: { default: { maxRetries: 1 } } }], 'p', ['g1 https', 'tcp g1']), ['Gateway/g1: Accepted True Accepted, Programmed True PartiallyProgrammed']);
  t.deepEqual(statusText([{ on: ['service', 'tcp-route'], name: 'p', timeouts: { default: { request: '1s', connect: '1s' } } }], 'p', ['g1 https', 'tcp g1']), ['Gateway/g1: Accepted True Accepted, Programmed True PartiallyProgrammed']);
  t.deepEqual(statusText([{ on: ['g1', 'g2'], name: 'p', retry: { default: { maxRetries: 1 } } }], 'p', ['tcp g1', 'g2 http']), [`Gateway/g1: ${nothing}`, `Gateway/g2: ${fine}`]);
});

test('where a policy loses to itself alone, that is no target without effect', (t) => {
  t.deepEqual(statusText([{ on: ['route', 'rule'], name: 'p', retry: { default: { maxRetries: 1 } } }], 'p', ['g1 http']), [`Gateway/g1: ${fine}`]);
});

test('a field of which nothing on the paths of a listener or Service asks is a warning, unless it acts on another path', (t) => {
  const rows: readonly PolicyRow[] = [{ on: 'service', timeouts: { default: { maxConnectionDuration: '1h', request: '1s' } } }];
  const reasons = (...names: readonly PathName[]): readonly unknown[] => {
    const { attachments, settled } = settleAll(rows.map(policyOf), names);
    return pathProblems(attachments, settled).map(({ reason, path }) => [reason, path.at(-1)]);
  };
  t.deepEqual(reasons('g1 http'), [['NoEffectAtLevel', 'maxConnectionDuration']]);
  t.deepEqual(reasons('tcp g1'), [['NoEffectAtLevel', 'request']]);
  t.deepEqual(reasons('tcp g1', 'g1 http'), []);
});

test('what attaching reports already is not reported again from the paths', (t) => {
  const { attachments, settled } = settleAll([policyOf({ on: 'route', timeouts: { override: { request: '5s' }, default: { request: '6s', requestHeaders: '1s' } } })]);
  t.deepEqual(attachments.problems.map(({ reason }) => reason), ['DeadDefault', 'NoEffectAtLevel']);
  t.deepEqual(pathProblems(attachments, settled), []);
});
