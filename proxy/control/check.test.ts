import test from 'ava';
import type { ClientValidation, Listener, Resource } from '#snapshot';
import { checkResource } from './check.ts';

const listener = (authorities: string, mode: ClientValidation['mode'] = 'AllowValidOnly'): Listener => ({
  kind: 'Listener', name: 'a/b/443', gateway: { kind: 'Gateway', namespace: 'a', name: 'b' }, address: '127.0.0.1', port: 443,
  sections: [{ name: 'https', hostname: '', protocol: 'HTTPS', routes: 'x', certificates: ['c'], clientValidation: { authorities, mode } }],
});

test('authorities for clients that hold nothing to trust are refused: else nobody would be let in, and nobody would know why', (t) => {
  t.is(checkResource(listener('garbage')), 'section https: the authorities for clients hold no PEM certificate');
  t.regex(checkResource(listener('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')) ?? '', /^section https: the authorities for clients can't be read: /);
});

test('a backend that names a policy which its table does not have is refused, in tables of both kinds', (t) => {
  const ref = { kind: 'TCPRoute', namespace: 'a', name: 'r' };
  const backends = [{ index: 0, weight: 1, filters: [], policy: 1, target: { kind: 'backend', ref: { kind: 'Service', namespace: 'a', name: 's' }, port: 80, backend: 'a/s:80' } }] as const;
  const policies = [{ timeouts: { connect: '1s' }, origins: {} }];
  const streams = (given?: typeof policies): Resource => ({ kind: 'StreamTable', name: 't', routes: [{ ref, createdAt: 0, hostnames: [], rule: { index: 0, backends } }], ...(given === undefined ? {} : { policies: given }) });
  for (const given of [undefined, policies]) t.is(checkResource(streams(given)), 'TCPRoute a/r: refers to a policy that the table does not have');
  t.is(checkResource(streams([...policies, ...policies])), undefined);
  const requests = (given: typeof policies): Resource => ({ kind: 'RouteTable', name: 't', routes: [{ ref, createdAt: 0, hostnames: [], rules: [{ index: 0, matches: [], filters: [], backends }] }], policies: given });
  t.is(checkResource(requests(policies)), 'TCPRoute a/r rule 0: refers to a policy that the table does not have');
  t.is(checkResource(requests([...policies, ...policies])), undefined);
});
