import { withIPv6 } from './ipv6.ts';
import { get, mesh, through, workload, yaml } from './mesh-rig.ts';

const portOffset = 1000 + (process.pid % 20_000);

withIPv6('a mesh on IPv6: a Gateway, a sidecar and workloads at ::1', async (t) => {
  const app = await workload(t, 'app', '::1');
  const manifests = yaml.join(
    yaml.gateway('g', [18_080], '"0:0::1"'),
    yaml.service('app', 'app', app.port, 'clusterIP: "fd00:96::9", ipFamilies: [IPv6],'),
    yaml.pod('app-1', 'app', '"::1"', 'disabled'),
    yaml.pod('client', 'client', '"0::1"', 'enabled'),
    yaml.route('r', '{ name: g }', { app: 1 }),
  );
  const running = await mesh(t, { manifests, portOffset });
  t.deepEqual(running.problems(), []);
  const gateway = running.gateway('shop/g');
  t.is(gateway?.address, '::1');
  t.like(await get({ address: '::1', port: gateway!.port(18_080) }), { status: 200, body: 'app' });
  const status = running.statuses().find(({ kind }) => kind === 'Gateway')?.status;
  t.deepEqual(status?.['addresses'], [{ type: 'IPAddress', value: '::1' }]);
  const sidecar = running.sidecar('shop/client')!;
  t.is(sidecar.address, '::1');
  for (const url of ['http://app/', 'http://[fd00:96::9]/', 'http://[FD00:96:0::9]:80/']) t.like(await through(sidecar, url), { status: 200, body: 'app' }, url);
});

withIPv6('a Gateway with an address of each family serves at both', async (t) => {
  const app = await workload(t, 'app', '127.0.0.1');
  const manifests = yaml.join(yaml.gateway('g', [18_080], '"::1" }, { value: 127.0.0.1'), yaml.service('app', 'app', app.port), yaml.pod('app-1', 'app', '127.0.0.1'), yaml.route('r', '{ name: g }', { app: 1 }));
  const running = await mesh(t, { manifests, portOffset });
  t.deepEqual(running.problems(), []);
  const places = running.gateway('shop/g')?.ports.map(({ address, bound }) => ({ address, port: bound })) ?? [];
  t.deepEqual(places.map(({ address }) => address), ['::1', '127.0.0.1']);
  for (const place of places) t.like(await get(place), { status: 200, body: 'app' }, place.address);
});
