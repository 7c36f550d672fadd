import { createServer } from 'node:net';
import test from 'ava';

const server = createServer();
const here = await new Promise<boolean>((resolve) => server.once('error', () => resolve(false)).listen(0, '::1', () => resolve(true)));
server.close();

/** A test on the loopback address of IPv6; left out where this machine has none. */
export const withIPv6 = here ? test.serial : test.serial.skip;

if (!here) test('this machine has no IPv6: what needs it is left out', (t) => t.pass());
