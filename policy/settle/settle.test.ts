import test from 'ava';
import { attach } from '../attach/attach.ts';
import { lookup, paths, policyOf, type PolicyRow } from '../cases/world.ts';
import { gatewayPath, meshPath } from './paths.ts';
import { connectionPolicy, settle } from './settle.ts';

const rows: readonly PolicyRow[] = [
  { on: 'g1', timeouts: { default: { requestHeaders: '9s', idle: '8s', request: '7s' } } },
  { on: 'g1-https', timeouts: { default: { idle: '6s' } } },
  { on: 'route', timeouts: { override: { idle: '5s' } } },
  { on: 'g1', name: 'r', retry: { default: { maxRetries: 1 } } },
];

test('the policy of a connection: the path down to the listener, and the fields that act on connections', (t) => {
  const attachments = attach(rows.map(policyOf), lookup);
  const { policy, lost, warnings } = connectionPolicy(paths['g1 https'], attachments);
  t.deepEqual(policy, {
    timeouts: { idle: '6s', requestHeaders: '9s' },
    origins: {
      'timeouts.idle': { kind: 'TimeoutPolicy', namespace: 'infra', name: 'g1-https', stanza: 'default', level: 'Listener' },
      'timeouts.requestHeaders': { kind: 'TimeoutPolicy', namespace: 'infra', name: 'g1', stanza: 'default', level: 'Gateway' },
    },
  });
  t.deepEqual(lost.map(({ field, value }) => [field, value]), [['timeouts.idle', '8s']]);
  t.deepEqual(warnings, []);
  t.is(settle(paths['g1 https'], attachments).policy.timeouts?.idle, '5s');
});

test('of one path each sort of what goes along it has its own policy', (t) => {
  const attachments = attach([...rows, { on: 'g1', name: 'b', timeouts: { default: { connect: '1s', streamIdle: '2h' } } } as const].map(policyOf), lookup);
  const path = paths['g1 https'];
  t.deepEqual(settle(path, attachments, 'connections').policy.timeouts, { connect: '1s', streamIdle: '2h' });
  t.deepEqual(settle(path, attachments, 'datagrams').policy.timeouts, { streamIdle: '2h' });
  t.deepEqual(settle(path, attachments).policy.timeouts, { connect: '1s', streamIdle: '2h', idle: '5s', request: '7s', requestHeaders: '9s' });
});

test('the policy of a mesh connection: the mesh and the client\'s namespace', (t) => {
  const attachments = attach([policyOf({ on: 'mesh', timeouts: { default: { idle: '1s' } } }), policyOf({ on: 'backend-namespace', timeouts: { default: { idle: '2s' } } })], lookup);
  t.is(connectionPolicy(paths['mesh from a'], attachments).policy.timeouts?.idle, '1s');
  t.is(connectionPolicy(paths['mesh from back'], attachments).policy.timeouts?.idle, '2s');
});

test('paths with the same policies share one result', (t) => {
  const attachments = attach([policyOf({ on: 'g1', retry: { default: { maxRetries: 1 } } })], lookup);
  t.is(settle(paths['g1 https'], attachments), settle(paths['g1 listener set'], attachments));
  t.not(settle(paths['g1 https'], attachments), settle(paths['g2 http'], attachments));
  const inline = (maxRetries: number) => ({ ...paths['g1 http'], inline: { ref: { kind: 'HTTPRoute', namespace: 'shop', name: 'foo' }, retry: { maxRetries } } });
  t.is(settle(inline(1), attachments), settle(inline(1), attachments));
  t.is(settle(inline(2), attachments).policy.retry?.maxRetries, 2);
});

test('one policy on a connection and on a route is told apart', (t) => {
  const attachments = attach([policyOf({ on: 'backend-namespace', timeouts: { default: { requestHeaders: '1s' } } })], lookup);
  t.is(settle(paths['mesh from back'], attachments).policy.timeouts?.requestHeaders, '1s');
  t.is(settle(paths['mesh from a'], attachments).policy.timeouts, undefined);
});

test('attachments stay the same object while nothing about them changes', (t) => {
  const policies = rows.map(policyOf);
  const first = attach(policies, lookup);
  t.is(attach(policies.toReversed(), lookup, first), first);
  t.not(attach(policies.slice(1), lookup, first), first);
  t.not(attach(policies.with(0, policyOf(rows[0]!)), lookup, first), first);
  t.not(attach(policies, (target) => (target.section === undefined ? 'found' : { sections: [] }), first), first);
});

test('paths: levels from top to bottom, a namespace once', (t) => {
  const levels = (path: { readonly steps: readonly { readonly level: string; readonly target: { readonly name: string; readonly section?: string } }[] }) =>
    path.steps.map(({ level, target }) => `${level} ${target.name}${target.section === undefined ? '' : `/${target.section}`}`);
  t.deepEqual(levels(paths['g1 listener set']), [
    'GatewayClass weft', 'Namespace infra', 'Gateway g1', 'ListenerSet extra', 'Listener extra/http', 'Namespace shop', 'Route foo', 'Rule foo/pay', 'Namespace back', 'Service api', 'Port api/http',
  ]);
  const same = gatewayPath({ gatewayClass: 'weft', gateway: { namespace: 'x', name: 'g' }, listener: 'l', route: { ref: { kind: 'GRPCRoute', namespace: 'x', name: 'r' } }, backend: { namespace: 'x', name: 's' } });
  t.deepEqual(levels(same), ['GatewayClass weft', 'Namespace x', 'Gateway g', 'Listener g/l', 'Route r', 'Service s']);
  t.deepEqual(levels(paths['mesh from a, consumer route']), ['Mesh weft', 'Namespace a', 'Route api', 'Namespace back', 'Service api', 'Port api/http']);
  t.deepEqual(levels(paths['mesh from c, producer route']), ['Mesh weft', 'Namespace c', 'Namespace back', 'Route api', 'Service api', 'Port api/http']);
  const split = meshPath({ mesh: 'weft', clientNamespace: 'a', service: { namespace: 'b', name: 's' }, backend: { namespace: 'a', name: 's' } });
  t.deepEqual(levels(split), ['Mesh weft', 'Namespace a', 'Namespace b', 'Service s', 'Service s']);
});
