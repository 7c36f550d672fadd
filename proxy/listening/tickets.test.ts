import test from 'ava';
import type { ClientValidation } from '#snapshot';
import { ticketKeys, type TicketPurpose } from './tickets.ts';

const validation: ClientValidation = { mode: 'AllowValidOnly', authorities: 'one' };
const purpose: TicketPurpose = { name: 'shop/gw/443', protocols: ['h2'], validation };

test('the same secret and purpose give the same keys, any other ones others', (t) => {
  const secret = Buffer.alloc(32, 1);
  const keys = ticketKeys(secret, purpose);
  t.is(keys.length, 48);
  t.deepEqual(ticketKeys(Buffer.from(secret), { ...purpose, validation: { ...validation } }), keys);
  const others = [
    ticketKeys(Buffer.alloc(32, 2), purpose),
    ...[{ name: 'shop/gw/444' }, { protocols: [] }, { validation: undefined }, { validation: { ...validation, authorities: 'two' } }, { validation: { ...validation, mode: 'AllowInsecureFallback' as const } }].map((other) => ticketKeys(secret, { ...purpose, ...other })),
  ];
  const names = new Set([keys, ...others].map((one) => one.toString('hex')));
  t.is(names.size, 7);
  // OpenSSL looks a key up by its name, the first 16 bytes.
  t.is(new Set([keys, ...others].map((one) => one.toString('hex', 0, 16))).size, 7);
});
