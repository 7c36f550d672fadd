import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { keys, type Expectation } from './expectation.ts';

/** One folder: plain manifests, and what must come of them. */
export interface GoldenCase {
  /** The folder's name: the sentence in few words. */
  readonly name: string;
  /** Manifests, as text. */
  readonly input: string;
  /** The text of `expect.yaml`. */
  readonly expect: string;
  readonly expectation: Expectation;
}

const root = join(import.meta.dirname, '..', 'cases');

export function groupNames(): readonly string[] {
  return readdirSync(root).sort();
}

/** Throws where a case has a key that means nothing. */
export function casesOf(group: string): readonly GoldenCase[] {
  return readdirSync(join(root, group)).sort().map((name) => {
    const read = (file: string): string => readFileSync(join(root, group, name, file), 'utf8');
    const expect = read('expect.yaml');
    const expectation = expectationFrom(expect, `${group}/${name}`);
    const input = expectation.input === undefined ? read('input.yaml') : manifestsOf(expectation.input);
    return { name, input, expect, expectation };
  });
}

/** Every manifest of a folder of the repository, as one text. */
function manifestsOf(folder: string): string {
  const path = join(import.meta.dirname, '..', '..', '..', folder);
  if (!existsSync(path)) throw new Error(`there is no ${folder}`);
  return globSync(join(path, '**', '*.yaml')).sort().map((file) => readFileSync(file, 'utf8')).join('\n---\n');
}

export function expectationFrom(text: string, where: string): Expectation {
  const expectation = parse(text) as Expectation;
  const check = (part: object | undefined, allowed: readonly string[], place: string): void => {
    const unknown = Object.keys(part ?? {}).filter((key) => !allowed.includes(key));
    if (unknown.length > 0) throw new Error(`${where}: ${place} has no key ${unknown.join(', ')}`);
  };
  check(expectation, keys.expectation, 'expect.yaml');
  for (const status of [...(expectation.statuses ?? []), ...(expectation.running ?? [])]) {
    check(status, keys.status, 'a status');
    for (const listener of Object.values(status.listeners ?? {})) check(listener, keys.listener, 'a listener');
  }
  for (const request of expectation.requests ?? []) {
    check(request, keys.request, 'a request');
    check(request.expect, keys.outcome, `expect of ${request.url}`);
    check(request.expect.upstream, keys.upstream, 'upstream');
    check(request.expect.copies, keys.upstream, 'copies');
    check(request.expect.response, keys.response, 'response');
    check(request.expect.distribution, keys.distribution, 'distribution');
  }
  for (const policy of expectation.policy ?? []) check(policy, keys.policy, 'a policy');
  for (const problem of expectation.problems ?? []) check(problem, keys.problem, 'a problem');
  return expectation;
}
