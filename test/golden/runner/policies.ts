import type { ExecutionContext } from 'ava';
import type { SettledPath } from '#controller';
import { originText } from './tables/decisions.ts';
import type { PolicyExpectation } from './expectation.ts';
import type { Translated } from './translated.ts';

/** The effective policy of every path that the expectation names; at least one there must be. */
export function checkPolicy(t: ExecutionContext, { translation }: Translated, expected: PolicyExpectation): void {
  const where = [expected.via, expected.route, expected.backend].filter((part) => part !== undefined).join(' → ');
  const paths = translation.paths.all().filter((path) => enters(path, expected.via) && leadsBy(path, expected.route) && endsAt(path, expected.backend));
  t.true(paths.length > 0, `no path is ${where}`);
  for (const { settled } of paths) {
    const { policy, warnings, lost } = settled;
    if (expected.retry !== undefined) t.deepEqual(policy.retry, expected.retry === 'none' ? undefined : expected.retry, `${where}: retry`);
    if (expected.timeouts !== undefined) t.deepEqual(policy.timeouts, expected.timeouts === 'none' ? undefined : expected.timeouts, `${where}: timeouts`);
    for (const [leaf, origin] of Object.entries(expected.origins ?? {})) t.is(originText(policy.origins[leaf]), origin, `${where}: origin of ${leaf}`);
    for (const part of expected.warnings ?? []) t.true(warnings.some((warning) => warning.includes(part)), `${where}: no warning has "${part}" in it: ${warnings.join(' | ')}`);
    for (const part of expected.lost ?? []) {
      const fits = lost.some((field) => Object.entries(part).every(([key, value]) => JSON.stringify(Reflect.get(field, key)) === JSON.stringify(value)));
      t.true(fits, `${where}: nothing lost is ${JSON.stringify(part)}; lost are ${JSON.stringify(lost)}`);
    }
  }
}

function enters({ via }: SettledPath, text: string): boolean {
  if (via.kind === 'mesh') return text === `from-namespace ${via.clientNamespace}`;
  const gateway = `gateway ${via.gateway.namespace}/${via.gateway.name}`;
  return text === gateway || text === `${gateway}/${via.listener}`;
}

function leadsBy({ route, rule }: SettledPath, text: string | undefined): boolean {
  if (text === undefined) return route === undefined || route.kind === 'Service';
  if (route === undefined) return false;
  const key = `${route.kind}/${route.namespace}/${route.name}`;
  return text === `${key}/${rule?.index}` || text === `${key}/${rule?.name}`;
}

function endsAt({ backend }: SettledPath, text: string | undefined): boolean {
  return text === undefined || (backend !== undefined && text === `${backend.namespace}/${backend.name}:${backend.port}`);
}
