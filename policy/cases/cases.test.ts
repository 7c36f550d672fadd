import test from 'ava';
import type { Origin } from '#snapshot';
import { attach } from '../attach/attach.ts';
import { settle } from '../settle/settle.ts';
import type { LostField, PolicyPath } from '../types.ts';
import { cases, type Case, type Expected } from './cases.ts';
import { carriedBy, lookup, paths, policyOf, trafficPolicyOf, type PathName } from './world.ts';

for (const row of cases) {
  test(row.name, (t) => {
    const attachments = attach(row.policies.map((each) => ('traffic' in each ? trafficPolicyOf(each) : policyOf(each))), lookup);
    for (const [name, expected] of Object.entries(row.expect) as [PathName, Expected][]) {
      const { policy, lost, warnings, findings } = settle(pathOf(row, name), attachments, carriedBy(name));
      const { origins, ...fields } = policy;
      const { retry, timeouts, session } = expected;
      t.deepEqual(fields, { ...(retry === undefined ? {} : { retry }), ...(timeouts === undefined ? {} : { timeouts }), ...(session === undefined ? {} : { session }) }, name);
      if (expected.origins !== undefined) t.deepEqual(Object.fromEntries(Object.entries(origins).map(([field, origin]) => [field, originText(origin)])), expected.origins, name);
      if (expected.lost !== undefined) t.deepEqual(lost.map(lostText).sort(), [...expected.lost].sort(), name);
      t.deepEqual(findings.map(({ reason }) => reason).sort(), [...(expected.warns ?? [])].sort(), name);
      t.deepEqual(warnings, [...new Set(findings.map(({ message }) => message))]);
    }
  });
}

test('every case has its own name, and each a path', (t) => {
  t.is(new Set(cases.map(({ name }) => name)).size, cases.length);
  for (const { expect } of cases) t.true(Object.keys(expect).length > 0);
});

function pathOf(row: Case, name: PathName): PolicyPath {
  return row.inline === undefined ? paths[name] : { ...paths[name], inline: { ref: { kind: 'HTTPRoute', namespace: 'shop', name: 'foo' }, ...row.inline } };
}

function originText({ name, stanza, level }: Origin): string {
  return `${name} ${stanza} ${level}`;
}

function lostText({ field, value, name, stanza, to }: LostField): string {
  const winner = to.startsWith('nothing: ') ? 'nothing' : to.replace(/^\w+\/[\w-]+\/([\w-]+) \((\w+) at \w+\)$/, '$1 $2');
  return `${field} ${Array.isArray(value) ? `[${value.join(', ')}]` : String(value)}: ${name} ${stanza} > ${winner}`;
}
