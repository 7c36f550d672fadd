import { ApiError } from '#controller';
import { messageOf } from '../cluster/connect.ts';
import { controlPlaneChecks } from './control-plane.ts';
import { installChecks, serverChecks } from './install.ts';
import { gatewayApiChecks } from './gateway-api.ts';
import { injectionChecks } from './injection.ts';
import type { Observer } from './observer.ts';
import { objectChecks } from './objects.ts';
import { proxyChecks } from './proxies.ts';
import type { Check, CheckResult } from './types.ts';
import { webhookChecks } from './webhook.ts';

/** All of them, in the order in which they are told; an early one that fails often explains later ones. */
export const checks: readonly Check[] = [...serverChecks, ...gatewayApiChecks, ...installChecks, ...controlPlaneChecks, ...webhookChecks, ...injectionChecks, ...objectChecks, ...proxyChecks];

/** Without an answer of the API server there is nothing else to tell. */
export async function runChecks(observer: Observer, when: 'pre' | 'post'): Promise<readonly CheckResult[]> {
  const chosen = checks.filter((check) => check.when === 'always' || check.when === when);
  const [first, ...others] = chosen;
  if (first === undefined) return [];
  const reached = await runOne(first, observer);
  if (reached.result !== 'ok') return [reached, ...others.map(({ id, claim }): CheckResult => ({ id, claim, result: 'skipped', message: 'the API server gives no answer' }))];
  return [reached, ...(await Promise.all(others.map((check) => runOne(check, observer))))];
}

async function runOne(check: Check, observer: Observer): Promise<CheckResult> {
  const { id, claim } = check;
  try {
    return { id, claim, ...(await check.run(observer)) };
  } catch (error) {
    const forbidden = error instanceof ApiError && error.status === 403;
    return { id, claim, result: 'skipped', message: `${forbidden ? 'may not be looked at' : 'could not be looked at'}: ${messageOf(error)}` };
  }
}
