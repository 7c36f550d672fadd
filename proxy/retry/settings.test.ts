import test from 'ava';
import type { EffectivePolicy, Origin, RetryFields, TimeoutFields } from '#snapshot';
import { attemptTimeout, budgetOf, retrySettings, timeoutSettings } from './settings.ts';

const origin = (stanza: Origin['stanza']): Origin => ({ kind: 'RetryPolicy', namespace: 'shop', name: 'foo', stanza, level: 'Route' });
const retry = (fields: RetryFields, stanza: Origin['stanza'] = 'default'): EffectivePolicy => ({ retry: fields, origins: { 'retry.maxRetries': origin(stanza) } });
const timeouts = (fields: TimeoutFields): EffectivePolicy => ({ timeouts: fields, origins: {} });

test('nothing retries that nobody asked for', (t) => {
  for (const policy of [undefined, { origins: {} }, retry({}), retry({ maxRetries: 0 }), retry({ maxRetries: 0, retryOn: { codes: [503] } })]) {
    t.is(retrySettings(policy), undefined);
  }
});

test('once any field is there, the others have their defaults', (t) => {
  const settings = retrySettings({ retry: { backoff: { max: '1s' } }, origins: {} })!;
  t.like(settings, {
    maxRetries: 1, methodsAre: 'default', backoffBase: 25, backoffMax: 1000, respectRetryAfter: true,
    maxBufferedBodyBytes: 65_536, budget: { percent: 20, interval: 10_000, minPerSecond: 10 },
  });
  t.deepEqual([...settings.methods].toSorted(), ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PUT', 'TRACE']);
});

test('the cap of the backoff is ten times its base, and never below it', (t) => {
  t.is(retrySettings(retry({ backoff: { base: '100ms' } }))!.backoffMax, 1000);
  t.is(retrySettings(retry({ backoff: { base: '2s', max: '1s' } }))!.backoffMax, 2000);
});

const conditionCases: readonly { readonly name: string; readonly fields: RetryFields; readonly stanza?: Origin['stanza']; readonly conditions: string[]; readonly statuses: number[] }[] = [
  { name: 'policy, count alone', fields: { maxRetries: 2 }, conditions: ['connect-failure', 'gateway-error', 'refused-stream'], statuses: [502, 503, 504] },
  { name: 'policy with codes', fields: { maxRetries: 2, retryOn: { codes: [500] } }, conditions: ['connect-failure', 'refused-stream'], statuses: [500] },
  // GEP-1731: connection errors, what the backend refused to begin with, and an attempt that reached backendRequest.
  { name: 'route, count alone', fields: { maxRetries: 2 }, stanza: 'route', conditions: ['connect-failure', 'refused-stream', 'timeout'], statuses: [] },
  { name: 'route with codes', fields: { maxRetries: 2, retryOn: { codes: [500, 503] } }, stanza: 'route', conditions: ['connect-failure', 'refused-stream', 'timeout'], statuses: [500, 503] },
  { name: 'policy with a per-try timeout', fields: { perTryTimeout: '1s', retryOn: { codes: [500] } }, conditions: ['connect-failure', 'refused-stream', 'timeout'], statuses: [500] },
  { name: 'conditions written', fields: { retryOn: { conditions: ['reset'] }, perTryTimeout: '1s' }, conditions: ['reset'], statuses: [] },
  { name: 'no conditions written', fields: { retryOn: { conditions: [], codes: [429] } }, conditions: [], statuses: [429] },
];
for (const { name, fields, stanza, conditions, statuses } of conditionCases) {
  test(`what is retried: ${name}`, (t) => {
    const settings = retrySettings(retry(fields, stanza))!;
    t.deepEqual([...settings.conditions].toSorted(), conditions);
    t.deepEqual([...settings.statuses].flatMap((on, status) => (on ? [status] : [])), statuses);
  });
}

test('5xx is every status from 500 to 599; 508, of a request that goes round, only where it was named', (t) => {
  const statusesOf = (codes: readonly number[]): Uint8Array => retrySettings(retry({ retryOn: { conditions: ['5xx'], codes } }))!.statuses;
  const statuses = statusesOf([]);
  t.deepEqual([statuses[499], statuses[500], statuses[507], statuses[508], statuses[509], statuses[599]], [0, 1, 1, 0, 1, 1]);
  t.is(statusesOf([508])[508], 1);
});

test('timeouts that nobody set have their defaults; 0s disables and is not "unset" (GEP-1742)', (t) => {
  t.deepEqual(timeoutSettings(undefined), {
    request: 0, backendRequest: 0, connect: 5000, idle: 60_000, upstreamIdle: 30_000, streamIdle: 300_000, requestHeaders: 10_000, maxConnectionDuration: 0,
  });
  t.like(timeoutSettings(timeouts({ connect: '0s', idle: '0s', streamIdle: '0s', requestHeaders: '0s' })), {
    connect: 0, idle: 0, upstreamIdle: 0, streamIdle: 0, requestHeaders: 0,
  });
});

test('backendRequest is clamped to request, unless either is disabled', (t) => {
  const of = (request: string, backendRequest: string) => timeoutSettings(timeouts({ request, backendRequest })).backendRequest;
  t.deepEqual([of('1s', '5s'), of('5s', '1s'), of('0s', '5s'), of('1s', '0s')], [1000, 1000, 5000, 0]);
});

test('one attempt has the shorter of backendRequest and perTryTimeout, also where it is the only one', (t) => {
  const of = (backendRequest: string, perTryTimeout: string, fields: RetryFields = {}) => attemptTimeout({ ...retry({ perTryTimeout, ...fields }), timeouts: { backendRequest } });
  t.deepEqual([of('2s', '1s'), of('1s', '2s'), of('0s', '1s'), of('1s', '0s'), of('0s', '0s')], [1000, 1000, 1000, 1000, 0]);
  t.is(of('0s', '1s', { maxRetries: 0 }), 1000);
  t.is(attemptTimeout(undefined), 0);
});

test('a constraint limits retries and asks for none; but what its backend gets counts for the budget', (t) => {
  const origins = { 'retry.budget.percent': { ...origin('direct'), level: 'Service' } } as const;
  const constraint: EffectivePolicy = { retry: { budget: { percent: 5 } }, origins };
  t.is(retrySettings(constraint), undefined);
  t.deepEqual(budgetOf(constraint), { percent: 5, interval: 10_000, minPerSecond: 10 });
  t.is(retrySettings({ retry: { maxRetries: 2, budget: { percent: 5 } }, origins })!.budget.percent, 5);
  t.is(budgetOf({ retry: { maxRetries: 0 }, origins: {} }), undefined);
  t.truthy(retrySettings({ retry: { budget: { percent: 5 } }, origins: { 'retry.budget.percent': origin('default') } }), 'in a RetryPolicy any field turns retries on');
});
