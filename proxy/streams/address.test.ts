import test from 'ava';
import { plainAddress } from './address.ts';

test('an address of a socket, as others know it', (t) => {
  t.is(plainAddress('::ffff:10.0.0.1'), '10.0.0.1');
  t.is(plainAddress('10.0.0.1'), '10.0.0.1');
  t.is(plainAddress('fe80::1%eth0'), 'fe80::1');
  t.is(plainAddress('2001:db8::1'), '2001:db8::1');
});
