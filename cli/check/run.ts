import { ApiError } from '#controller';
import { messageOf } from '../cluster/connect.ts';
import { controlPlaneChecks } from './control-plane.ts';
import { installChecks, serverChecks } from './install.ts';
import { gatewayApiChecks } from './gateway-api.ts';
import { injectionChecks } from './injection.ts';
import type { Observer } from './observer.ts';
import { objectChecks } from './objects.ts';
import { proxyChecks } from './proxies.ts';
import { failed, type Check, type CheckResult } from './types.ts';
import { webhookChecks } from './webhook.ts';

/** All of them, in the order in which they are told; an early one that fails often explains later ones. */
export const checks: readonly Check[] = [...serverChecks, ...gatewayApiChecks, ...installChecks, ...controlPlaneChecks, ...webhookChecks, ...injectionChecks, ...objectChecks, ...proxyChecks];

/** Before an installation, after it, or of what new Pods need alone. */
export type Occasion = 'pre' | 'post' | 'ready';

/** Without an answer of the API server there is nothing else to tell. */
export async function runChecks(observer: Observer, when: Occasion): Promise<readonly CheckResult[]> {
  const chosen = when === 'ready' ? checks.filter((check) => check === checks[0] || check.forPods === true) : checks.filter((check) => check.when === 'always' || check.when === when);
  const [first, ...others] = chosen;
  if (first === undefined) return [];
  const reached = await runOne(first, observer, when);
  if (reached.result !== 'ok') return [reached, ...others.map(({ id, claim }): CheckResult => ({ id, claim, result: 'skipped', message: 'the API server gives no answer' }))];
  return [reached, ...(await Promise.all(others.map((check) => runOne(check, observer, when))))];
}

async function runOne(check: Check, observer: Observer, when: Occasion): Promise<CheckResult> {
  const { id, claim } = check;
  try {
    return { id, claim, ...(await check.run(observer)) };
  } catch (error) {
    const forbidden = error instanceof ApiError && error.status === 403;
    const message = `${forbidden ? 'may not be looked at' : 'could not be looked at'}: ${messageOf(error)}`;
    // Who asks whether all is ready wants no yes that nobody has seen.
    return when === 'ready' ? { id, claim, ...failed(message, 'ask with the rights of weft-check (docs/reference/rbac.md)') } : { id, claim, result: 'skipped', message };
  }
}
