import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import test from 'ava';
import { addresses, mesh, yaml } from './mesh-rig.ts';
import { certificateFor, echoServer, eventually, exchangeBytes, tlsExchange } from './streams-rig.ts';

const at = addresses(78);

const gateway = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: g, namespace: shop }
spec:
  gatewayClassName: weft
  listeners:
    - { name: tcp, port: 15432, protocol: TCP, allowedRoutes: { kinds: [{ kind: TCPRoute }] } }
    - { name: udp, port: 15432, protocol: UDP, allowedRoutes: { kinds: [{ kind: UDPRoute }] } }
    - { name: tls, port: 15443, protocol: TLS, hostname: "*.example", tls: { mode: Passthrough }, allowedRoutes: { kinds: [{ kind: TLSRoute }] } }
`;

const service = (name: string, protocol: string, port: number): string => `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { clusterIP: 10.96.0.${port % 250}, selector: { app: ${name} }, ports: [{ port: 80, targetPort: ${port}, protocol: ${protocol} }] }
`;

const route = (kind: string, backend: string, section: string, hostnames = ''): string => `apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: { name: r, namespace: shop }
spec:
  parentRefs: [{ name: g, sectionName: ${section} }]
  ${hostnames === '' ? '' : `hostnames: ["${hostnames}"]`}
  rules: [{ backendRefs: [{ name: ${backend}, port: 80 }] }]
`;

test('from manifests to bytes: TCP and UDP on one port number, TLS by server name', async (t) => {
  const [tcp, tls] = [await echoServer('tcp'), await echoServer('tls', certificateFor('db.example'))];
  const udp = createSocket('udp4');
  udp.on('message', (bytes, { port, address }) => udp.send(`udp ${String(bytes)}`, port, address));
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
  t.teardown(() => {
    tcp.close();
    tls.close();
    udp.close();
  });
  const pods = ['tcp', 'udp', 'tls'].map((name) => yaml.pod(name, name, '127.0.0.1'));
  const services = [service('tcp', 'TCP', tcp.port), service('udp', 'UDP', udp.address().port), service('tls', 'TCP', tls.port)];
  const manifests = yaml.join(gateway, ...pods, ...services, route('TCPRoute', 'tcp', 'tcp'), route('UDPRoute', 'udp', 'udp'), route('TLSRoute', 'tls', 'tls', 'db.example'));
  const running = await mesh(t, { manifests, loopback: at(1) });
  t.deepEqual(running.problems(), []);
  const found = running.gateway('shop/g')!;
  t.deepEqual(found.ports.map(({ port, listeners }) => [port, ...listeners]), [[15_432, 'tcp'], [15_432, 'udp'], [15_443, 'tls']]);
  const dial = (listener: string) => connect({ host: found.address, port: found.port(listener), allowHalfOpen: true });
  t.is(await exchangeBytes(dial('tcp'), 'x'), 'tcp\nxend');
  t.is(await tlsExchange(found.port('tls'), 'db.example', 'x', { host: found.address }), 'tls db.example\nxend');
  const client = createSocket('udp4');
  const answer = new Promise((resolve) => client.once('message', (bytes) => resolve(String(bytes))));
  client.send('x', found.port('udp'), found.address);
  t.is(await answer, 'udp x');
  client.close();
  // Routes that go take their connections' successors with them, not the sockets.
  await running.apply(yaml.join(gateway, ...pods, ...services));
  await t.throwsAsync(exchangeBytes(dial('tcp'), 'x'), { message: /ECONNRESET/ });
  await eventually(async () => /weft_failures_total\{code="no-route",source="shop\/g\/tcp"/.test((await running.metrics()).body));
});
