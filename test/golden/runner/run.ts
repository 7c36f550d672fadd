import test from 'ava';
import { casesOf, type GoldenCase } from './cases.ts';
import { checkDecision } from './decisions.ts';
import { checkPolicy } from './policies.ts';
import { checkProblem, checkStatus } from './statuses.ts';
import { translateCase } from './translated.ts';

/** Registers the tests of a folder of cases: what the control plane says of each, what the route tables decide, what proxies do. */
export function runGroup(group: string): void {
  for (const each of casesOf(group)) {
    registerTranslation(each);
    registerDecisions(each);
  }
}

function registerTranslation({ name, input, expectation }: GoldenCase): void {
  test(`${name}: control plane`, (t) => {
    const translated = translateCase(input);
    // Objects that can't be read are in cases on purpose only.
    const spoken = new Set((expectation.problems ?? []).map(({ object }) => object));
    const surprises = translated.unreadable.filter(({ object }) => object === undefined || !spoken.has(`${object.kind}/${object.namespace}/${object.name}`));
    t.deepEqual(surprises.map(({ message }) => message), []);
    for (const status of expectation.statuses ?? []) checkStatus(t, translated, status);
    for (const policy of expectation.policy ?? []) checkPolicy(t, translated, policy);
    for (const problem of expectation.problems ?? []) checkProblem(t, translated, problem);
  });
}

function registerDecisions({ name, input, expectation }: GoldenCase): void {
  const { requests } = expectation;
  if (requests === undefined) return;
  test(`${name}: route tables`, (t) => {
    const translated = translateCase(input);
    for (const request of requests) checkDecision(t, translated, request);
    t.pass();
  });
}
