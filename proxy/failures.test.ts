import test from 'ava';
import { failureCodes, failures, ProxyError } from './failures.ts';

test('codes are kebab case; statuses are errors; texts are short, plain and end in a full stop', (t) => {
  for (const code of failureCodes) {
    const { status, text, cause } = failures[code];
    t.regex(code, /^[a-z]+(-[a-z]+)*$/);
    t.true(status >= 400 && status <= 599, code);
    t.regex(text, /^[ -~]{5,80}\.$/, code);
    t.regex(cause, /^[ -~]{5,200}\.$/, code);
  }
});

test('the statuses that specifications demand', (t) => {
  const demanded = {
    'no-route': 404, // HTTPRoute: no match
    'misdirected-request': 421, // RFC 9110, 15.5.20
    'no-backends': 500, // HTTPRouteRule.backendRefs
    'invalid-backend': 500,
    'no-endpoints': 503,
    'request-timeout': 504, // HTTPRouteTimeouts.request
    'per-try-timeout': 504, // HTTPRouteTimeouts.backendRequest
    'header-timeout': 408, // RFC 9110, 15.5.9
    'head-too-large': 431, // RFC 6585, 5
    'target-too-long': 414, // RFC 9112, 3
    'unsupported-version': 505, // RFC 9110, 15.6.6
    'unsupported-transfer-coding': 501, // RFC 9112, 6.1
    'expectation-failed': 417, // RFC 9110, 10.1.1
    'retry-budget-exhausted': 503, // GEP-3388
  } as const;
  for (const [code, status] of Object.entries(demanded)) t.is(failures[code as keyof typeof demanded].status, status, code);
});

test('an error carries code, status, reason and cause', (t) => {
  const cause = new Error('ECONNREFUSED');
  const error = new ProxyError('connect-failed', { cause, reason: 'refused' });
  t.deepEqual([error.code, error.status, error.reason, error.cause, error.message], ['connect-failed', 503, 'refused', cause, failures['connect-failed'].text]);
  t.false('cause' in new ProxyError('no-route'));
});
