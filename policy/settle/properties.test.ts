import test from 'ava';
import fc from 'fast-check';
import type { EffectivePolicy, RetryFields, TimeoutFields } from '#snapshot';
import { attach } from '../attach/attach.ts';
import { byAge } from '../attach/order.ts';
import { policyKey, policyRef, refKey, targetKey } from '../attach/targets.ts';
import { lookup, paths, places, policyOf, type PathName, type Place, type PolicyRow } from '../cases/world.ts';
import { affects } from '../status/affects.ts';
import type { Policy, PolicyPath } from '../types.ts';
import { connectionFields, flatten } from './leaves.ts';
import { connectionSteps } from './paths.ts';
import { settle } from './settle.ts';

// Durations and limits in few sizes, so that fields meet and the checks of the merged result have something to find.
const durations = fc.constantFrom('0s', '1s', '2s', '60s', '1m', '1h');
const optional: { requiredKeys: [] } = { requiredKeys: [] };
const retryFields = fc.record(
  {
    maxRetries: fc.integer({ min: 0, max: 3 }),
    perTryTimeout: durations,
    respectRetryAfter: fc.boolean(),
    retryOn: fc.record({ codes: fc.uniqueArray(fc.integer({ min: 500, max: 503 }), { maxLength: 2 }), conditions: fc.constantFrom([], ['reset'] as const) }, optional),
    backoff: fc.record({ base: durations, max: durations }, optional),
  },
  optional,
) as fc.Arbitrary<RetryFields>;
const timeoutFields = fc.record({ request: durations, backendRequest: durations, idle: durations, requestHeaders: durations }, optional) as fc.Arbitrary<TimeoutFields>;

const stanzas = <Fields>(fields: fc.Arbitrary<Fields>) => fc.record({ override: fields, default: fields }, optional) as fc.Arbitrary<{ override?: Fields; default?: Fields }>;
const base = { on: fc.constantFrom(...(Object.keys(places) as Place[])), name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), created: fc.option(fc.constantFrom('2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'), { nil: undefined }) };
const row = fc
  .oneof(fc.record({ ...base, retry: stanzas(retryFields) }), fc.record({ ...base, timeouts: stanzas(timeoutFields) }))
  .map(({ created, ...rest }): PolicyRow => ({ ...rest, ...(created === undefined ? {} : { created }) }));
/** Policies with distinct names per kind and namespace, as in a cluster. */
const policies = fc.array(row, { maxLength: 12 }).map((rows) => [...new Map(rows.map(policyOf).map((policy) => [policyKey(policy), policy])).values()]);
const inline = fc.option(fc.record({ retry: fc.record({ maxRetries: fc.integer({ min: 0, max: 3 }) }), timeouts: fc.record({ request: durations, backendRequest: durations }, optional) }, optional), { nil: undefined });
const path = fc.tuple(fc.constantFrom(...(Object.keys(paths) as PathName[])), inline).map(([name, own]): PolicyPath =>
  own === undefined ? paths[name] : ({ ...paths[name], inline: { ref: { kind: 'HTTPRoute', namespace: 'shop', name: 'foo' }, ...own } } as PolicyPath),
);

type Tree = { [key: string]: unknown };

/** policy.md's algorithm to the letter: patch from top to bottom with defaults, with the route's own, from bottom to top with overrides. */
function settledByPatching(given: readonly Policy[], { steps, inline: own }: PolicyPath): Tree {
  const effective: Tree = {};
  const patch = (into: Tree, from: Tree): void => {
    for (const [key, value] of Object.entries(from)) {
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) patch((into[key] ??= {}) as Tree, value as Tree);
      else into[key] = value;
    }
  };
  const at = (index: number, stanza: 'override' | 'default'): void => {
    const step = steps[index]!;
    const here = given.filter((policy) => attach([policy], lookup).byTarget.has(targetKey(step.target)));
    for (const policy of here.sort(byAge).toReversed()) {
      const fields: Tree = { ...policy.spec[stanza] };
      if (index >= connectionSteps({ steps })) delete fields['requestHeaders'];
      patch((effective[policy.kind === 'RetryPolicy' ? 'retry' : 'timeouts'] ??= {}) as Tree, fields);
    }
  };
  for (let index = 0; index < steps.length; index += 1) at(index, 'default');
  if (own?.retry !== undefined) patch((effective['retry'] ??= {}) as Tree, own.retry as Tree);
  if (own?.timeouts !== undefined) patch((effective['timeouts'] ??= {}) as Tree, own.timeouts as Tree);
  for (let index = steps.length - 1; index >= 0; index -= 1) at(index, 'override');
  return effective;
}

function leavesOf({ retry, timeouts }: Omit<EffectivePolicy, 'origins'>): ReadonlyMap<string, unknown> {
  return new Map([...flatten('RetryPolicy', retry), ...flatten('TimeoutPolicy', timeouts)].map(({ field, value }) => [field, value]));
}

test('settling leaf by leaf gives what patching level by level gives, but for what is clamped', (t) => {
  fc.assert(
    fc.property(policies, path, (given, way) => {
      const { policy, findings } = settle(way, attach(given, lookup));
      const expected = new Map(leavesOf(settledByPatching(given, way)));
      const clamped = findings.find(({ reason }) => reason === 'BackendRequestClamped');
      if (clamped !== undefined) expected.set('timeouts.backendRequest', expected.get('timeouts.request'));
      t.deepEqual(new Map([...leavesOf(policy)].sort()), new Map([...expected].sort()));
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('the order of the input changes nothing', (t) => {
  fc.assert(
    fc.property(policies.chain((given) => fc.tuple(fc.constant(given), fc.shuffledSubarray(given, { minLength: given.length }))), path, ([given, shuffled], way) => {
      const [one, other] = [attach(given, lookup), attach(shuffled, lookup)];
      t.deepEqual(settle(way, one), settle(way, other));
      t.deepEqual(one.problems, other.problems);
      t.deepEqual([...one.verdicts], [...other.verdicts]);
    }),
    { numRuns: 100 },
  );
  t.pass();
});

test('an override of the top always wins', (t) => {
  fc.assert(
    fc.property(policies, path, fc.integer({ min: 0, max: 9 }), (given, way, maxRetries) => {
      const top = way.steps[0]!.level === 'Mesh' ? 'mesh' : 'class';
      const others = given.filter((policy) => !attach([policy], lookup).byTarget.has(targetKey(way.steps[0]!.target)));
      const { policy } = settle(way, attach([...others, policyOf({ on: top, name: 'top', retry: { override: { maxRetries } } })], lookup));
      t.is(policy.retry?.maxRetries, maxRetries);
      t.is(policy.origins['retry.maxRetries']?.name, 'top');
    }),
    { numRuns: 100 },
  );
  t.pass();
});

test('removing a policy that lost every field changes nothing in force', (t) => {
  fc.assert(
    fc.property(policies, path, (given, way) => {
      const settled = settle(way, attach(given, lookup));
      const winners = new Set(Object.values(settled.policy.origins).map(refKey));
      for (const loser of given.filter((policy) => !winners.has(policyKey(policy)))) {
        // What a clamped value would have been does not show in the origins: the clamp itself stays.
        const rest = settle(way, attach(given.filter((policy) => policy !== loser), lookup));
        const wasClamped = settled.lost.some(({ field, kind, namespace, name }) => field === 'timeouts.backendRequest' && refKey({ kind, namespace, name }) === policyKey(loser));
        if (!wasClamped) t.deepEqual(rest.policy, settled.policy);
      }
    }),
    { numRuns: 100 },
  );
  t.pass();
});

test("every leaf has exactly one origin, and the origin's value; every other value on the path is in `lost`", (t) => {
  fc.assert(
    fc.property(policies, path, (given, way) => {
      const { policy, lost, findings } = settle(way, attach(given, lookup));
      const leaves = leavesOf(policy);
      // A clamped leaf has the request timeout's value and origin; what was clamped is lost, so this leaf counts twice.
      const clamps = findings.filter(({ reason }) => reason === 'BackendRequestClamped').length;
      t.deepEqual(Object.keys(policy.origins).sort(), [...leaves.keys()].sort());
      for (const [field, origin] of Object.entries(policy.origins)) {
        const author = given.find((each) => policyKey(each) === refKey(origin));
        const said = origin.stanza === 'route' ? leavesOf(way.inline!) : new Map(flatten(author!.kind, author!.spec[origin.stanza as 'override' | 'default']).map((leaf) => [leaf.field, leaf.value]));
        t.deepEqual(leaves.get(field), said.get(field === 'timeouts.backendRequest' && clamps > 0 ? 'timeouts.request' : field));
      }
      const onPath = way.steps.flatMap((step) => given.filter((each) => attach([each], lookup).byTarget.has(targetKey(step.target))));
      const claims = onPath.reduce((sum, each) => sum + flatten(each.kind, each.spec.override).length + flatten(each.kind, each.spec.default).length, way.inline === undefined ? 0 : leavesOf(way.inline).size);
      t.is(leaves.size + lost.length - clamps, claims);
    }),
    { numRuns: 200 },
  );
  t.pass();
});

test('what a settled policy says, said by the route itself, settles to the same', (t) => {
  fc.assert(
    fc.property(policies, path, (given, way) => {
      const { policy } = settle(way, attach(given, lookup));
      const { origins: _, ...fields } = policy;
      const again = settle({ steps: way.steps, inline: { ref: { kind: 'HTTPRoute', namespace: 'shop', name: 'foo' }, ...fields } }, attach([], lookup));
      const { origins: __, ...fieldsAgain } = again.policy;
      t.deepEqual(fieldsAgain, fields);
    }),
    { numRuns: 100 },
  );
  t.pass();
});

test('a policy affects the paths where it won or lost, and no other', (t) => {
  fc.assert(
    fc.property(policies, path, (given, way) => {
      const attachments = attach(given, lookup);
      const settled = settle(way, attachments);
      for (const policy of given) {
        const attachedHere = way.steps.some((step) => attachments.byTarget.get(targetKey(step.target))?.some((each) => each.policy === policy));
        const says = flatten(policy.kind, policy.spec.override).length + flatten(policy.kind, policy.spec.default).length > 0;
        t.is(affects(policyRef(policy), [{ settled }]).length > 0, attachedHere && says);
      }
    }),
    { numRuns: 100 },
  );
  t.pass();
});

test('connection fields never come from below the listener', (t) => {
  fc.assert(
    fc.property(policies, path, (given, way) => {
      const { policy } = settle(way, attach(given, lookup));
      for (const field of connectionFields) {
        const level = policy.origins[field]?.level;
        if (level !== undefined) t.false(['Route', 'Rule', 'Service', 'Port'].includes(level));
      }
    }),
    { numRuns: 100 },
  );
  t.pass();
});
