import test from 'ava';
import type { RetryFields } from '#snapshot';
import { failureCodes, failures, type FailureCode } from '../failures.ts';
import { retrySettings } from './settings.ts';
import { retryVerdict, shouldRetry, type Outcome, type RetryVerdict } from './verdict.ts';

const settings = (fields: RetryFields, stanza: 'route' | 'default' = 'default') =>
  retrySettings({ retry: fields, origins: { 'retry.maxRetries': { kind: 'RetryPolicy', namespace: 'shop', name: 'foo', stanza, level: 'Route' } } })!;
const answered = (status: number): Outcome => ({ status, sent: true, replayable: true });
const failed = (failure: FailureCode, sent = true): Outcome => ({ status: 0, failure, sent, replayable: true });

const gep1731 = settings({ maxRetries: 2, retryOn: { codes: [500, 503] } }, 'route');
const plain = settings({ maxRetries: 2 });
const resets = settings({ retryOn: { conditions: ['reset'] } });
const everything = settings({ retryOn: { conditions: ['5xx'] } });
const posts = settings({ methods: ['POST'], retryOn: { conditions: ['reset', 'connect-failure'], codes: [503] } });

const cases: readonly [string, Parameters<typeof retryVerdict>, RetryVerdict][] = [
  ['GEP-1731: a listed code is retried', [gep1731, 'GET', answered(503)], 'retry'],
  ['GEP-1731: a code not listed is not', [gep1731, 'GET', answered(502)], 'not-asked-for'],
  ['a success is not', [gep1731, 'GET', answered(200)], 'not-asked-for'],
  ['GEP-1731: connection refused', [gep1731, 'GET', failed('connect-failed', false)], 'retry'],
  ['GEP-1731: connect timeout', [gep1731, 'GET', failed('connect-timeout', false)], 'retry'],
  ['GEP-1731: TLS handshake failure', [gep1731, 'GET', failed('tls-failed', false)], 'retry'],
  ['GEP-1731: refused before processing', [gep1731, 'POST', failed('refused-stream')], 'retry'],
  ['GEP-1731: not by default where the request may have been processed', [gep1731, 'GET', failed('upstream-reset')], 'not-asked-for'],
  ['GEP-1731: an attempt that reached backendRequest is followed by the next', [gep1731, 'GET', failed('per-try-timeout')], 'retry'],
  ['a connection that never came about may be retried for any method', [gep1731, 'POST', failed('connect-failed', false)], 'retry'],
  ['what may have been processed only for idempotent methods', [gep1731, 'POST', answered(503)], 'method'],
  ['nor after a timeout', [gep1731, 'POST', failed('per-try-timeout')], 'method'],
  ['PATCH is not idempotent', [plain, 'PATCH', answered(503)], 'method'],
  ['methods are case-sensitive', [plain, 'get', answered(503)], 'method'],
  ['policy: gateway errors by default', [plain, 'PUT', answered(502)], 'retry'],
  ['policy: 500 is none', [plain, 'PUT', answered(500)], 'not-asked-for'],
  ["policy: the proxy's own 504 of an attempt is one", [plain, 'GET', failed('per-try-timeout')], 'retry'],
  ['a code of 504 stands for the 504 that is our own', [settings({ maxRetries: 1, retryOn: { codes: [504], conditions: [] } }), 'GET', failed('per-try-timeout')], 'retry'],
  ['a code of 503 does not', [settings({ maxRetries: 1, retryOn: { codes: [503], conditions: [] } }), 'GET', failed('per-try-timeout')], 'not-asked-for'],
  ['nor does 504 stand for another failure', [settings({ maxRetries: 1, retryOn: { codes: [504], conditions: [] } }), 'GET', failed('upstream-reset')], 'not-asked-for'],
  ['gateway-error has it too', [settings({ maxRetries: 1, retryOn: { conditions: ['gateway-error'] } }), 'GET', failed('per-try-timeout')], 'retry'],
  ['a connection that took too long may be tried again for any method', [plain, 'POST', failed('connect-timeout')], 'retry'],
  ['a status of gRPC that was asked for, whatever the method', [settings({ maxRetries: 1, retryOn: { conditions: ['unavailable'] } }), 'POST', { ...answered(200), grpcStatus: 14 }], 'retry'],
  ['one that was not', [settings({ maxRetries: 1, retryOn: { conditions: ['unavailable'] } }), 'POST', { ...answered(200), grpcStatus: 13 }], 'not-asked-for'],
  ['reset when asked for', [resets, 'GET', failed('upstream-reset')], 'retry'],
  ['reset covers an answer that is none', [resets, 'GET', failed('bad-response')], 'retry'],
  ['reset does not cover a refused connection', [resets, 'GET', failed('connect-failed', false)], 'not-asked-for'],
  ['a reset POST stays one attempt', [resets, 'POST', failed('upstream-reset')], 'method'],
  ['a reset before a byte was sent is safe for any method', [resets, 'POST', failed('upstream-reset', false)], 'retry'],
  ['5xx covers all that would become one', [everything, 'GET', failed('upstream-reset')], 'retry'],
  ['5xx: connection failures too', [everything, 'GET', failed('connect-failed', false)], 'retry'],
  ['5xx: 599', [everything, 'GET', answered(599)], 'retry'],
  ['a written method list holds', [posts, 'POST', failed('upstream-reset')], 'retry'],
  ['and leaves out what it leaves out', [posts, 'GET', failed('connect-failed', false)], 'method'],
  ['a body beyond the buffer', [plain, 'PUT', { ...answered(503), replayable: false }], 'body-too-large-to-retry'],
  ['the deadline of the whole request is final', [everything, 'GET', failed('request-timeout')], 'not-asked-for'],
  ['so is a client that left', [everything, 'GET', failed('client-closed')], 'not-asked-for'],
];
for (const [name, [rules, method, outcome], verdict] of cases) {
  test(`retry? ${name}`, (t) => {
    t.is(retryVerdict(rules, method, outcome), verdict);
    t.is(shouldRetry(rules, method, outcome), verdict === 'retry');
  });
}

test('a failure is retried under 5xx exactly where the table says that it can be', (t) => {
  for (const code of failureCodes) t.is(shouldRetry(everything, 'GET', failed(code)), failures[code].retryable, code);
});

test('each condition of gRPC is its status, and no other', (t) => {
  const conditions = { cancelled: 1, 'deadline-exceeded': 4, 'resource-exhausted': 8, internal: 13, unavailable: 14 } as const;
  for (const [condition, expected] of Object.entries(conditions)) {
    const rules = settings({ maxRetries: 1, retryOn: { conditions: [condition as keyof typeof conditions] } });
    const retried = Array.from({ length: 17 }, (_, status) => status).filter((grpcStatus) => shouldRetry(rules, 'POST', { ...answered(200), grpcStatus }));
    t.deepEqual(retried, [expected], condition);
  }
});
