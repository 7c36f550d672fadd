import test from 'ava';
import { createLog, Newcomers } from './log.ts';
import { parseOptions } from './options.ts';

const parse = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): ReturnType<typeof parseOptions> => parseOptions({ argv, env, hostname: 'host' });

test('flags win over the environment, that over what is usual', (t) => {
  t.like(parse([]), { kind: 'run', options: { namespace: 'weft-system', identity: 'host', streamPort: 15010, healthPort: 15014, address: undefined } });
  t.like(parse(['--address', '::1']), { options: { address: '::1' } });
  t.like(parse([], { POD_NAME: 'pod', POD_NAMESPACE: 'mesh', WEFT_STREAM_PORT: '1' }), { options: { namespace: 'mesh', identity: 'pod', streamPort: 1 } });
  t.like(parse(['--stream-port', '2', '--identity=me'], { POD_NAME: 'pod', WEFT_STREAM_PORT: '1' }), { options: { identity: 'me', streamPort: 2 } });
});

test('what is no option, and what is no port, is refused', (t) => {
  for (const argv of [['--nonsense'], ['word'], ['--stream-port', 'x'], ['--health-port', '70000']]) t.is(parse(argv).kind, 'wrong', argv.join(' '));
  t.is(parse(['-h']).kind, 'help');
});

test('of a list that is given again and again only what is new is told', (t) => {
  const newcomers = new Newcomers(3);
  t.deepEqual(newcomers.take(['a', 'b'], String), ['a', 'b']);
  t.deepEqual(newcomers.take(['b', 'c'], String), ['c']);
  t.deepEqual(newcomers.take(['a', 'b', 'c', 'd'], String), ['a']);
  const lines: string[] = [];
  createLog((line) => lines.push(line), () => 0)('warn', 'two\nlines', { at: 1 });
  t.deepEqual(lines, ['{"time":"1970-01-01T00:00:00.000Z","level":"warn","message":"two\\nlines","at":1}\n']);
});

test('without an image of proxies Gateways get none; ranges of addresses must be ranges', (t) => {
  const parsed = parse(['--proxy-image', 'i', '--external-addresses', '192.0.2.0/28,2001:db8::/64']);
  t.like(parsed, { options: { gateways: { image: 'i', controller: 'weft-controller.weft-system.svc:15010' } } });
  const isExternal = parsed.kind === 'run' ? parsed.options.gateways?.isExternal : undefined;
  t.deepEqual(['192.0.2.15', '192.0.2.16', '2001:db8::1', 'name'].map((address) => isExternal?.(address)), [true, false, true, false]);
  const none = parse([]);
  t.true(none.kind === 'run' && none.options.gateways === undefined);
  for (const range of ['192.0.2.0', '192.0.2.0/33', 'x/8']) t.is(parse(['--external-addresses', range, '--proxy-image', 'i']).kind, 'wrong', range);
  for (const argv of [['--proxy-pull-policy', 'x'], ['--proxy-log-level', 'x'], ['--proxy-resources', '[]']]) t.is(parse(argv).kind, 'wrong', argv.join(' '));
});

test('traces and replicas of gateways', (t) => {
  t.like(parse(['--proxy-image', 'i', '--proxy-pull-secrets', 'a,b']), { options: { gateways: { pullSecrets: ['a', 'b'] } } });
  t.like(parse(['--proxy-image', 'i']), { options: { gateways: { replicas: 1, workers: 1, socketIO: 'public' } } });
  const parsed = parse(['--proxy-image', 'i', '--gateway-replicas', '3', '--gateway-workers', '4', '--proxy-socket-io', 'raw', '--proxy-tracing-endpoint', 'http://collector:4318', '--proxy-tracing-sample', '0.1']);
  t.like(parsed, { options: { gateways: { replicas: 3, workers: 4, socketIO: 'raw', tracing: { endpoint: 'http://collector:4318', sample: 0.1 } } } });
  t.like(parse(['--proxy-image', 'i', '--gateway-ip-family-policy', 'PreferDualStack']), { options: { gateways: { ipFamilyPolicy: 'PreferDualStack' } } });
  for (const argv of [['--gateway-ip-family-policy', 'Both'], ['--proxy-socket-io', 'fast'], ['--gateway-replicas', '0'], ['--gateway-workers', '0'], ['--gateway-workers', '65'], ['--proxy-tracing-endpoint', 'collector'], ['--proxy-tracing-sample', '2']]) t.is(parse(['--proxy-image', 'i', ...argv]).kind, 'wrong', argv.join(' '));
});
