import test from 'ava';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KindRegistry, parseObject, unevaluableRules, type Schema } from '#crds';
import type { RetryFields, TimeoutFields } from '#snapshot';
import type { Type } from 'typebox';
import { generated } from '../generate.ts';
import type { retryFields } from '../retry/schema.ts';
import { flatten } from '../settle/leaves.ts';
import type { timeoutFields } from '../timeout/schema.ts';
import { policyKinds } from './kinds.ts';

// The schemas and the types of `#snapshot`, which may import nothing, have the same fields. Checked by the compiler.
type Same<A, B> = [keyof A, keyof B] extends [keyof B, keyof A] ? true : never;
type Retry = Type.Static<typeof retryFields>;
const sameFields: readonly true[] = [
  true satisfies Retry extends RetryFields ? true : never,
  true satisfies Same<Retry, RetryFields>,
  true satisfies Same<NonNullable<Retry['retryOn']>, NonNullable<RetryFields['retryOn']>>,
  true satisfies Same<NonNullable<Retry['backoff']>, NonNullable<RetryFields['backoff']>>,
  true satisfies Same<NonNullable<Retry['budget']>, NonNullable<RetryFields['budget']>>,
  true satisfies Same<Type.Static<typeof timeoutFields>, TimeoutFields>,
];

test('schema and type have the same fields, and every leaf has a documented default', (t) => {
  t.true(sameFields.every(Boolean));
  for (const { fields, defaults } of policyKinds) t.deepEqual(leavesOf(fields).sort(), Object.keys(defaults).sort());
});

test('the generated files are as the generator writes them', async (t) => {
  for (const [path, text] of generated()) t.is(await readFile(join(import.meta.dirname, '../..', path), 'utf8'), text, `${path}: run node policy/generate.ts`);
});

test('the schemas are structural, as a CustomResourceDefinition needs, and have no defaults', (t) => {
  for (const { kind, schema } of policyKinds) t.deepEqual(faults(schema, kind), []);
});

test('the rules can be evaluated', (t) => {
  for (const { schema } of policyKinds) t.deepEqual(unevaluableRules(schema), []);
});

const registry = new KindRegistry(policyKinds);
const route = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'foo' };

function errorsOf(kind: string, spec: object): readonly string[] {
  const parsed = parseObject({ apiVersion: 'policy.weft-mesh.io/v1alpha1', kind, metadata: { name: 'p', namespace: 'shop' }, spec }, registry);
  return parsed.ok ? [] : parsed.error.map(({ path, message }) => `${path.join('.')} ${message}`);
}

test('a policy with every field parses, and nothing is added to it', (t) => {
  const retry = {
    maxRetries: 3,
    retryOn: { codes: [429, 503], conditions: ['connect-failure', 'refused-stream', 'reset', 'gateway-error', '5xx', 'timeout'] },
    methods: ['GET', 'POST'],
    perTryTimeout: '1m30s',
    backoff: { base: '25ms', max: '1s' },
    respectRetryAfter: false,
    maxBufferedBodyBytes: 0,
    budget: { percent: 20, interval: '10s', minPerSecond: 10 },
  };
  const timeouts = { request: '0s', backendRequest: '1s', connect: '1s', idle: '1s', streamIdle: '1s', requestHeaders: '1s', maxConnectionDuration: '1h' };
  t.deepEqual(errorsOf('RetryPolicy', { targetRef: route, override: retry, default: retry }), []);
  t.deepEqual(errorsOf('TimeoutPolicy', { targetRefs: [route, { ...route, sectionName: 'pay' }], default: timeouts }), []);
  const parsed = parseObject({ apiVersion: 'policy.weft-mesh.io/v1alpha1', kind: 'RetryPolicy', metadata: { name: 'p' }, spec: { targetRef: route, default: { maxRetries: 0 } } }, registry);
  t.true(parsed.ok);
  if (parsed.ok) t.deepEqual((parsed.value as unknown as { spec: object }).spec, { targetRef: route, default: { maxRetries: 0 } });
  const all = policyKinds.flatMap(({ fields }) => leavesOf(fields));
  t.deepEqual([...flatten('RetryPolicy', retry as RetryFields), ...flatten('TimeoutPolicy', timeouts)].map(({ field }) => field.replace(/^\w+\./, '')).sort(), all.sort());
});

test('a group with a version parses: the warning comes later', (t) => {
  t.deepEqual(errorsOf('RetryPolicy', { targetRef: { ...route, group: 'gateway.networking.k8s.io/v1alpha2' }, default: { maxRetries: 1 } }), []);
});

const some = { default: { maxRetries: 1 } };
const refused: readonly [string, object, RegExp][] = [
  ['no target', some, /exactly one of targetRef and targetRefs/],
  ['both forms of target', { targetRef: route, targetRefs: [route], ...some }, /exactly one of targetRef and targetRefs/],
  ['an empty list of targets', { targetRefs: [], ...some }, /targetRefs/],
  ['17 targets', { targetRefs: Array.from({ length: 17 }, (_, index) => ({ ...route, name: `r${index}` })), ...some }, /targetRefs/],
  ['a target named twice', { targetRefs: [route, route], ...some }, /each target must be named once/],
  ['a target without a name', { targetRef: { group: '', kind: 'Service' }, ...some }, /name/],
  ['no stanza', { targetRef: route }, /at least one of override and default/],
  ['an empty stanza', { targetRef: route, override: {} }, /override/],
  ['an unknown field', { targetRef: route, default: { retries: 1 } }, /retries/],
  ['more retries than the bound', { targetRef: route, default: { maxRetries: 101 } }, /maxRetries/],
  ['a negative number of retries', { targetRef: route, default: { maxRetries: -1 } }, /maxRetries/],
  ['half a retry', { targetRef: route, default: { maxRetries: 0.5 } }, /maxRetries/],
  ['a code that is no error', { targetRef: route, default: { retryOn: { codes: [200] } } }, /codes/],
  ['a code twice', { targetRef: route, default: { retryOn: { codes: [503, 503] } } }, /codes/],
  ['an unknown condition', { targetRef: route, default: { retryOn: { conditions: ['bad-day'] } } }, /conditions/],
  ['a method in lower case', { targetRef: route, default: { methods: ['get'] } }, /methods/],
  ['a duration without a unit', { targetRef: route, default: { perTryTimeout: '5' } }, /perTryTimeout/],
  ['a fraction of a second', { targetRef: route, default: { perTryTimeout: '0.5s' } }, /perTryTimeout/],
  ['more than 100 percent', { targetRef: route, default: { budget: { percent: 101 } } }, /percent/],
  ['a budget of less than a second', { targetRef: route, default: { budget: { interval: '500ms' } } }, /interval must be between 1s and 1h/],
  ['a budget of more than an hour', { targetRef: route, default: { budget: { interval: '61m' } } }, /interval must be between 1s and 1h/],
];

for (const [name, spec, says] of refused) {
  test(`refused: ${name}`, (t) => {
    const errors = errorsOf('RetryPolicy', spec);
    t.true(errors.length > 0);
    t.regex(errors.join('\n'), says);
  });
}

/** Leaves by their path from the stanza. */
function leavesOf(schema: Schema, prefix = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => (field.type === 'object' ? leavesOf(field, `${prefix}${name}.`) : [`${prefix}${name}`]));
}

/** Kubernetes' rules for structural schemas, as far as ours use what they forbid, and our own: no defaults. */
function faults(schema: Schema, path: string): readonly string[] {
  const own = [
    ...(schema.type === undefined ? [`${path}: no type`] : []),
    ...(['oneOf', 'anyOf', 'allOf', 'not', 'const', 'uniqueItems', 'default', '$ref', '$id', '~kind'].filter((word) => word in schema).map((word) => `${path}: ${word}`)),
    ...(schema.type === 'array' && schema.items === undefined ? [`${path}: array without items`] : []),
    ...(schema.properties !== undefined && schema.type !== 'object' ? [`${path}: properties of a ${schema.type}`] : []),
    ...(schema['x-kubernetes-validations'] ?? []).filter(({ message }) => message === undefined).map(({ rule }) => `${path}: ${rule} has no message`),
  ];
  const below = [...Object.entries(schema.properties ?? {}), ...(schema.items === undefined ? [] : [['[]', schema.items] as const])];
  return [...own, ...below.flatMap(([name, inner]) => faults(inner, `${path}.${name}`))];
}
