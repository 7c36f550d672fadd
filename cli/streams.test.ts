import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { weft } from './testing/run.ts';

const route = (kind: string, name: string, spec: string): string => `apiVersion: gateway.networking.k8s.io/v1\nkind: ${kind}\nmetadata: { name: ${name}, namespace: shop }\nspec: { ${spec} }\n`;
const service = (name: string, ports: string): string => `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\nspec: { selector: { app: ${name} }, ports: [${ports}] }\n`;

const file = join(mkdtempSync(join(tmpdir(), 'weft-streams-')), 'all.yaml');
writeFileSync(file, [
  `apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: edge, namespace: shop }\nspec:\n  gatewayClassName: weft\n  listeners:\n${[
    '{ name: http, port: 80, protocol: HTTP }',
    '{ name: pass, port: 443, protocol: TLS, tls: { mode: Passthrough } }',
    '{ name: tcp, port: 5432, protocol: TCP }',
    '{ name: udp, port: 53, protocol: UDP }',
  ].map((each) => `    - ${each}\n`).join('')}`,
  service('cart', '{ name: grpc, port: 8080 }'),
  service('db', '{ name: mysql, port: 3306 }, { name: u, port: 53, protocol: UDP }'),
  `apiVersion: v1\nkind: Pod\nmetadata: { name: db-1, namespace: shop, labels: { app: db, weft-mesh.io/inject: enabled } }\nspec: { containers: [{ name: c }] }\nstatus: { podIP: 127.0.1.9 }\n`,
  route('GRPCRoute', 'calls', 'parentRefs: [{ name: edge }], rules: [{ matches: [{ method: { service: shop.Cart, method: Add } }], backendRefs: [{ name: cart, port: 8080 }] }, { matches: [{ method: { service: shop.Cart } }], backendRefs: [{ name: cart, port: 8080 }] }]'),
  route('TLSRoute', 'wide', 'parentRefs: [{ name: edge }], hostnames: ["*.example.com"], rules: [{ backendRefs: [{ name: db, port: 3306 }] }]'),
  route('TLSRoute', 'narrow', 'parentRefs: [{ name: edge }], hostnames: [a.example.com], rules: [{ backendRefs: [{ name: db, port: 3306 }] }]'),
  route('TCPRoute', 'db', 'parentRefs: [{ name: edge }, { group: "", kind: Service, name: db }], rules: [{ backendRefs: [{ name: db, port: 3306, weight: 3 }, { name: none, port: 1, weight: 1 }] }]'),
  route('UDPRoute', 'dns', 'parentRefs: [{ name: edge }], rules: [{ backendRefs: [{ name: db, port: 53 }] }]'),
].join('---\n'));

const asked = async (...words: string[]): Promise<string> => (await weft('explain', '-f', file, ...words)).out;
const refusal = async (...words: string[]): Promise<string> => (await weft('explain', '-f', file, ...words)).err;

test('a gRPC call is explained by service and method', async (t) => {
  const text = await asked('--gateway', 'shop/edge', '--grpc', 'shop.Cart/Add', 'http://example.com');
  t.regex(text, /^POST http:\/\/example.com\/shop.Cart\/Add\nforward\n/);
  t.regex(text, /GRPCRoute shop\/calls, rule 0, match 0/);
  t.regex(text, /rule 1 match 0 +matched, but GRPCRoute shop\/calls rule 0 has a name for the method/);
  const other = await asked('--gateway', 'shop/edge', '--grpc', 'shop.Wishes/Add', 'http://example.com');
  t.regex(other, /respond 404 \(to a gRPC client: status 12\)/);
  t.regex(other, /service is "shop.Wishes", not "shop.Cart"/);
  t.regex(await asked('--gateway', 'shop/edge', 'http://example.com/shop.Cart/Add'), /not gRPC: there is no content-type/);
  t.regex(await refusal('--gateway', 'shop/edge', '--grpc', 'nonsense', 'http://example.com'), /is no gRPC call; write SERVICE\/METHOD/);
});

test('a TLS connection is explained by its server name', async (t) => {
  const text = await asked('--gateway', 'shop/edge', 'tls://a.example.com');
  t.regex(text, /^tls:\/\/a.example.com\nforward\n/);
  t.regex(text, /TLSRoute shop\/narrow, rule 0\n/);
  t.regex(text, /TLSRoute shop\/wide rule 0 +TLSRoute shop\/narrow has a more specific hostname \(a.example.com\)/);
  t.regex(text, /note: TLS passes through/);
  t.regex(text, /\n {2}policy\n {4}no policy: what passes as it is has the times that are built in\n {4}built in: timeouts.connect 5s; timeouts.streamIdle 3600s\n/);
  t.regex(await asked('--gateway', 'shop/edge', 'tls://example.org'), /refuse: no route is for the server name example.org/);
  for (const address of ['[::1]', '127.0.0.1']) t.regex(await asked('--gateway', 'shop/edge', `tls://${address}`), /refuse: no route is for a client without server name/, address);
});

test('TCP and UDP through a Gateway go by the listener; one that is not there is named with those that are', async (t) => {
  const tcp = await asked('--gateway', 'shop/edge', 'tcp://edge:5432');
  t.regex(tcp, /TCPRoute shop\/db, rule 0\n/);
  t.regex(tcp, /shop\/db:3306 +75 % +127.0.1.9:3306/);
  t.regex(tcp, /shop\/none:1 +25 % +invalid, resets the connection: BackendNotFound/);
  t.regex(await asked('--gateway', 'shop/edge', 'udp://edge:53'), /UDPRoute shop\/dns/);
  t.regex(await refusal('--gateway', 'shop/edge', 'tcp://edge:53'), /no TCP listener on port 53; it has .*udp \(UDP 53\)/);
  t.regex(await refusal('--gateway', 'shop/edge', 'tcp://edge'), /is not tcp:\/\/HOST:PORT/);
});

test('what governs the connections or flows of a listener is told by its name, with the origin of each field', async (t) => {
  const policies = join(mkdtempSync(join(tmpdir(), 'weft-streams-')), 'policies.yaml');
  const policy = (kind: string, name: string, target: string, says: string): string => `apiVersion: policy.weft-mesh.io/v1alpha1\nkind: ${kind}\nmetadata: { name: ${name}, namespace: shop }\nspec: { targetRef: { ${target} }, default: { ${says} } }\n`;
  writeFileSync(policies, [
    policy('TimeoutPolicy', 'route', 'group: gateway.networking.k8s.io, kind: TCPRoute, name: db', 'maxConnectionDuration: 8h, request: 1s'),
    policy('TimeoutPolicy', 'edge', 'group: gateway.networking.k8s.io, kind: Gateway, name: edge', 'connect: 2s'),
  ].join('---\n'));
  const told = async (...words: string[]): Promise<string> => (await weft('policy', '-f', file, '-f', policies, ...words)).out;
  const tcp = await told('--gateway', 'shop/edge/tcp');
  t.regex(tcp, /^Gateway shop\/edge\/tcp → TCPRoute\/shop\/db\/0 → shop\/db:3306\n/);
  t.regex(tcp, /timeouts.maxConnectionDuration +8h +default of TimeoutPolicy shop\/route at Route\n/);
  t.regex(tcp, /timeouts.connect +2s +default of TimeoutPolicy shop\/edge at Gateway\n/);
  t.regex(tcp, /lost\n +timeouts.request +1s +default of TimeoutPolicy shop\/route at Route +to nothing: connections pass here as they are/);
  t.regex(await told('--gateway', 'shop/edge/udp'), /^Gateway shop\/edge\/udp → UDPRoute\/shop\/dns\/0 → shop\/db:53\n {2}no policy: what passes as it is has the times that are built in\n/);
  t.regex(await told('--from-namespace', 'shop', '--route', 'TCPRoute/shop/db'), /timeouts.maxConnectionDuration +8h/);
  const explained = async (...words: string[]): Promise<string> => (await weft('explain', '-f', file, '-f', policies, ...words)).out;
  const through = await explained('--gateway', 'shop/edge', 'tcp://edge:5432');
  t.regex(through, /\n {2}policy\n {4}timeouts.connect +2s +default of TimeoutPolicy shop\/edge at Gateway\n {4}timeouts.maxConnectionDuration +8h +default of TimeoutPolicy shop\/route at Route\n {4}built in: timeouts.streamIdle 3600s\n/);
  t.regex(through, /\n {2}overruled\n {4}timeouts.request +1s +default of TimeoutPolicy shop\/route at Route +by nothing: connections pass here as they are/);
  t.regex(await explained('--from-namespace', 'shop', 'tcp://db:3306'), /timeouts.maxConnectionDuration +8h +default of TimeoutPolicy shop\/route at Route\n {4}built in: timeouts.connect 5s\n {2}overruled\n/);
  t.regex(await explained('--gateway', 'shop/edge', 'udp://edge:53'), /no policy: [a-z ]+\n {4}built in: timeouts.streamIdle 60s\n/);
});

test('a workload\'s connection goes by the routes of the Service; UDP passes by', async (t) => {
  t.regex(await asked('--from', 'shop/db-1', 'tcp://db:3306'), /TCPRoute shop\/db, rule 0/);
  t.regex(await asked('--from-namespace', 'shop', 'udp://db:53'), /passthrough\n(.*\n)*note: the mesh takes over TCP; UDP passes it by/);
  t.regex(await refusal('--from-namespace', 'shop', 'tcp://cart:8080'), /carries HTTP; ask about http:/);
  t.regex(await asked('--from-namespace', 'shop', '--grpc', 'shop.Cart/Add', 'http://cart:8080'), /forward\n/);
});

test('translate shows the stream tables of gateways and sidecars', async (t) => {
  const { out } = await weft('translate', '-f', file, '-o', 'json');
  const { proxies } = JSON.parse(out) as { readonly proxies: Readonly<Record<string, readonly { readonly kind: string; readonly name: string }[]>> };
  const tables = (proxy: string): readonly string[] => (proxies[proxy] ?? []).filter(({ kind }) => kind === 'StreamTable').map(({ name }) => name).sort();
  t.deepEqual(tables('gateway/shop/edge'), ['listener/shop/edge/pass', 'listener/shop/edge/tcp', 'listener/shop/edge/udp']);
  t.deepEqual(tables('sidecar/shop/db-1'), ['service/shop/shop/db/3306']);
  const backends = (proxies['gateway/shop/edge'] ?? []).filter(({ kind }) => kind === 'Backend').map(({ name }) => name).sort();
  t.deepEqual(backends, ['shop/cart:8080', 'shop/db:3306#tcp', 'shop/db:53']);
});
