import test from 'ava';
import type { ClientValidation, Listener } from '#snapshot';
import { checkResource } from './check.ts';

const listener = (authorities: string, mode: ClientValidation['mode'] = 'AllowValidOnly'): Listener => ({
  kind: 'Listener', name: 'a/b/443', gateway: { kind: 'Gateway', namespace: 'a', name: 'b' }, address: '127.0.0.1', port: 443,
  sections: [{ name: 'https', hostname: '', protocol: 'HTTPS', routes: 'x', certificates: ['c'], clientValidation: { authorities, mode } }],
});

test('authorities for clients that hold nothing to trust are refused: else nobody would be let in, and nobody would know why', (t) => {
  t.is(checkResource(listener('garbage')), 'section https: the authorities for clients hold no PEM certificate');
  t.regex(checkResource(listener('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')) ?? '', /^section https: the authorities for clients can't be read: /);
});
