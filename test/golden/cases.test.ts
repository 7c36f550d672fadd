import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { casesOf, groupNames } from './runner/cases.ts';

const all = groupNames().flatMap((group) => casesOf(group).map((each) => ({ ...each, group })));

test('every folder of cases is run by one test file', (t) => {
  const files = globSync(join(import.meta.dirname, '*.test.ts')).map((file) => readFileSync(file, 'utf8'));
  const run = files.flatMap((text) => [...text.matchAll(/runGroup\('([\w-]+)'\)/g)].map(([, group]) => group!));
  t.deepEqual(run.toSorted(), groupNames());
});

test('a case is named by its sentence, says where the sentence stands, and states something', (t) => {
  for (const { name, expectation } of all) {
    const { sentence, source, statuses, requests, policy, problems } = expectation;
    t.regex(name, /^[a-z0-9]+(-[a-z0-9]+)+$/);
    t.regex(sentence, /^["\w][^\n]+\.$/, `${name}: the sentence`);
    t.true(source.length > 3, `${name}: the source`);
    t.true([statuses, requests, policy, problems].some((part) => part !== undefined && part.length > 0), `${name} states nothing`);
  }
});

test('no two cases have one name or one sentence', (t) => {
  t.is(new Set(all.map(({ name }) => name)).size, all.length);
  t.is(new Set(all.map(({ expectation }) => expectation.sentence)).size, all.length);
});

test('addresses of cases can be moved to another share of the loopback network', (t) => {
  const fixed = all.filter(({ input }) => [...input.matchAll(/podIP: (\S+)/g)].some(([, address]) => !address!.startsWith('127.0.') && address !== '"::1"'));
  t.deepEqual(fixed.map(({ name }) => name), []);
  // Of IPv6 there is one address, so there the ports are moved.
  const ports = all.filter(({ input }) => input.includes('podIP: "::1"') && [...input.matchAll(/containerPort: (\d+)/g)].some(([, port]) => port !== '61000'));
  t.deepEqual(ports.map(({ name }) => name), []);
});
