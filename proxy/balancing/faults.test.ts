import test from 'ava';
import { failureCodes } from '../failures.ts';
import { faultOf } from './faults.ts';

test('what a failure says of its endpoint: nobody was there, or somebody who is broken; all others say nothing', (t) => {
  const told = new Map(failureCodes.flatMap((code) => {
    const fault = faultOf(code, undefined);
    return fault === undefined ? [] : [[code, fault] as const];
  }));
  t.deepEqual(Object.fromEntries(told), {
    'connect-failed': 'absent',
    'connect-timeout': 'absent',
    'tls-failed': 'broken',
    'upstream-reset': 'broken',
    'bad-response': 'broken',
    'per-try-timeout': 'broken',
    'request-timeout': 'broken',
  });
});

test('what we ran out of ourselves is nobody\'s fault', (t) => {
  for (const reason of ['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM']) t.is(faultOf('connect-failed', reason), undefined, reason);
  for (const reason of ['ECONNREFUSED', 'EHOSTUNREACH', '']) t.is(faultOf('connect-failed', reason), 'absent', reason);
});
