import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as requestOverTls } from 'node:https';
import { connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import test from 'ava';
import { makePair } from '../../injector/certificate/make.ts';
import { callGrpc, ports, tlsFolder } from './app/protocols.ts';
import type { Echo } from './app/main.ts';
import { apply, eventually, get, kubectl } from './cluster.ts';
import { appPod, applyAll, Client, makeSpace, podIp, route, routeOf, soon, system, waitCondition, waitReady } from './rig.ts';

/** Everything that is not an HTTP/1.1 request by an HTTPRoute: other protocols, other kinds of routes, other ways to name a backend. */

const shop = makeSpace('protocols', 'in the mesh');
const ca = { gateway: '', echo: '' };
const pods = ['echo-v1', 'echo-v2'];
let address = '';

const object = (apiVersion: string, kind: string, name: string, rest: object): string => JSON.stringify({ apiVersion, kind, metadata: { namespace: shop.name, name }, ...rest });

function service(name: string, selector: Readonly<Record<string, string>>): string {
  const port = (named: string, number: number, targetPort: number, more: object = {}): object => ({ name: named, port: number, targetPort, ...more });
  return object('v1', 'Service', name, {
    spec: {
      selector,
      ports: [
        port('http', 80, 8080, { appProtocol: 'http' }),
        port('greet', 9090, 9090),
        port('calls', ports.grpc, ports.grpc, { appProtocol: 'kubernetes.io/h2c' }),
        port('secure', ports.https, ports.https),
        port('dns', ports.udp, ports.udp, { protocol: 'UDP' }),
      ],
    },
  });
}

const withTls = { spec: { volumes: [{ name: 'tls', secret: { secretName: 'echo' } }] }, container: { volumeMounts: [{ name: 'tls', mountPath: tlsFolder, readOnly: true }] } };

test.before(async () => {
  const pair = async (name: string): Promise<{ readonly manifest: string; readonly authority: string }> => {
    const { authority, certificate, key } = await makePair({ names: [`${name}.example`], lifetimeMs: 3_600_000, now: Date.now() });
    return { authority, manifest: object('v1', 'Secret', name, { type: 'kubernetes.io/tls', stringData: { 'tls.crt': certificate, 'tls.key': key } }) };
  };
  const [ofEcho, ofGateway] = await Promise.all([pair('echo'), pair('edge')]);
  [ca.echo, ca.gateway] = [ofEcho.authority, ofGateway.authority];
  const listeners = [
    { name: 'http', protocol: 'HTTP', port: 80 },
    { name: 'https', protocol: 'HTTPS', port: 443, tls: { certificateRefs: [{ name: 'edge' }] } },
    { name: 'sealed', protocol: 'TLS', port: 8443, tls: { mode: 'Passthrough' } },
    { name: 'tcp', protocol: 'TCP', port: 9090 },
    { name: 'udp', protocol: 'UDP', port: ports.udp },
  ];
  applyAll(
    ofEcho.manifest,
    ofGateway.manifest,
    object('v1', 'ConfigMap', 'echo-ca', { data: { 'ca.crt': ofEcho.authority } }),
    object('gateway.networking.k8s.io/v1', 'Gateway', 'edge', { spec: { gatewayClassName: 'weft', listeners } }),
    ...pods.map((name) => appPod(shop.name, name, withTls)),
    appPod(shop.name, 'client'),
    service('echo', { app: 'echo' }),
    ...['v1', 'v2'].map((version) => service(`echo-${version}`, { app: 'echo', version })),
  );
  waitReady(shop.name, ...pods, 'client');
  await waitCondition('gateway', shop.name, 'edge', 'Programmed=True/Programmed');
  address = (get('gateway', 'edge', shop.name) as { status: { addresses: { value: string }[] } }).status.addresses[0]!.value;
});

test.after.always(() => shop.drop());

const gateway = { name: 'edge' };
const backend = (name: string, port: number): object => ({ name, port });

interface Answer {
  readonly status: number;
  readonly echo: Echo;
  readonly cookies: readonly string[];
}

/** One request on a connection of its own. */
function ask(host: string, more: { readonly cookie?: string; readonly at?: string } = {}): Promise<Answer> {
  const headers = { host, ...(more.cookie === undefined ? {} : { cookie: more.cookie }) };
  return new Promise((resolve, reject) => {
    const sent = request({ host: more.at ?? address, path: '/', agent: false, timeout: 10_000, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, echo: (response.statusCode === 200 ? JSON.parse(body) : {}) as Echo, cookies: response.headers['set-cookie'] ?? [] }));
    });
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error('timeout')));
    sent.end();
  });
}

const isServed = (host: string) => async (): Promise<boolean> => (await ask(host)).status === 200;

test('one GRPCRoute serves calls from outside and from inside, and weft explain --grpc says the same', async (t) => {
  const match = (method: string): object => ({ matches: [{ method: { service: 'shop.Cart', method } }] });
  applyAll(
    routeOf('GRPCRoute', shop.name, 'cart', {
      hostnames: ['grpc.example'],
      parentRefs: [gateway, { group: '', kind: 'Service', name: 'echo', port: ports.grpc }],
      rules: [
        { name: 'add', ...match('Add'), backendRefs: [backend('echo-v1', ports.grpc)] },
        { name: 'list', ...match('List'), backendRefs: [backend('echo-v2', ports.grpc)] },
      ],
    }),
  );
  const client = new Client(shop.name, 'client');
  const inside = (method: string): ReturnType<typeof callGrpc> => client.grpc({ url: `http://echo.${shop.name}:${ports.grpc}`, method });
  const outside = (method: string): ReturnType<typeof callGrpc> => callGrpc({ url: `http://${address}`, method, headers: { ':authority': 'grpc.example' } });
  for (const call of [outside, inside]) {
    // Not by what has no rule: without the route nothing has.
    await soon(async () => (await call('shop.Cart/Add')).status === 0);
    t.is((await call('shop.Cart/Nothing')).status, 12);
    t.deepEqual(await call('shop.Cart/Add'), { status: 0, message: 'echo-v1 /shop.Cart/Add' });
    t.deepEqual(await call('shop.Cart/List'), { status: 0, message: 'echo-v2 /shop.Cart/List' });
  }
  const explained = (...place: readonly string[]): string => spawnSync(process.execPath, ['cli/main.ts', 'explain', '--grpc', 'shop.Cart/List', ...place], { encoding: 'utf8' }).stdout;
  for (const place of [['--gateway', `${shop.name}/edge`, 'http://grpc.example'], ['--from', `${shop.name}/client`, `http://echo:${ports.grpc}`]]) {
    const text = explained(...place);
    t.regex(text, new RegExp(`GRPCRoute[ /]${shop.name}/cart`));
    t.regex(text, /echo-v2/);
    t.notRegex(text, /echo-v1/);
  }
});

test('HTTP/2 to a Gateway over TLS, and HTTP/1.1 beside it', async (t) => {
  applyAll(route(shop.name, 'secure', { hostnames: ['edge.example'], parentRefs: [{ ...gateway, sectionName: 'https' }], rules: [{ backendRefs: [backend('echo-v1', 80)] }] }));
  const over = (protocols: readonly string[]): Promise<readonly [string, Echo]> =>
    new Promise((resolve, reject) => {
      const session = connectHttp2('https://edge.example', { host: address, ca: ca.gateway, servername: 'edge.example', ALPNProtocols: [...protocols] });
      session.on('error', reject);
      const stream = session.request({ ':path': '/two' });
      let body = '';
      stream.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      stream.on('error', reject);
      stream.on('end', () => {
        try {
          resolve([session.alpnProtocol ?? '', JSON.parse(body) as Echo]);
        } catch {
          reject(new Error(body));
        } finally {
          session.destroy();
        }
      });
    });
  await soon(async () => (await over(['h2']))[1].pod === 'echo-v1');
  const [protocol, echo] = await over(['h2', 'http/1.1']);
  t.is(protocol, 'h2');
  t.like(echo, { pod: 'echo-v1', path: '/two' });
  t.like(await askTls({ port: 443, servername: 'edge.example', authority: ca.gateway }), { pod: 'echo-v1' });
});

/** HTTP/1.1 over TLS; the certificate must be of the authority and for the name. */
function askTls({ port, servername, authority }: { readonly port: number; readonly servername: string; readonly authority: string }): Promise<Echo & { readonly certificate: string }> {
  return new Promise((resolve, reject) => {
    const sent = requestOverTls({ host: address, port, servername, ca: authority, agent: false, timeout: 10_000, headers: { host: servername } }, (response) => {
      const certificate = String((response.socket as TLSSocket).getPeerCertificate().subject.CN);
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => (response.statusCode === 200 ? resolve({ ...(JSON.parse(body) as Echo), certificate }) : reject(new Error(`${response.statusCode} ${body}`))));
    });
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error('timeout')));
    sent.end();
  });
}

test('a TLSRoute sends a connection on by its server name, unopened', async (t) => {
  applyAll(routeOf('TLSRoute', shop.name, 'sealed', { hostnames: ['echo.example'], parentRefs: [{ ...gateway, sectionName: 'sealed' }], rules: [{ backendRefs: [backend('echo-v2', ports.https)] }] }));
  const through = (): ReturnType<typeof askTls> => askTls({ port: 8443, servername: 'echo.example', authority: ca.echo });
  await soon(async () => (await through()).pod === 'echo-v2');
  t.like(await through(), { pod: 'echo-v2', serverName: 'echo.example', certificate: 'echo.example' });
  await t.throwsAsync(askTls({ port: 8443, servername: 'other.example', authority: ca.echo }));
});

test('a TCPRoute gives a connection to a server that speaks first; a UDPRoute gives datagrams, and brings the answers back', async (t) => {
  applyAll(
    routeOf('TCPRoute', shop.name, 'greet', { parentRefs: [{ ...gateway, sectionName: 'tcp' }], rules: [{ backendRefs: [backend('echo-v1', 9090)] }] }),
    routeOf('UDPRoute', shop.name, 'dns', { parentRefs: [{ ...gateway, sectionName: 'udp' }], rules: [{ backendRefs: [backend('echo-v2', ports.udp)] }] }),
  );
  await soon(async () => (await greeting()) === '220 echo-v1\n');
  await soon(async () => (await datagram('hello')) === 'echo-v2 got hello');
  t.is(await greeting(), '220 echo-v1\n');
  t.is(await datagram('again'), 'echo-v2 got again');
});

function greeting(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(9090, address);
    socket.setTimeout(5000, () => socket.destroy(new Error('silence')));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed without a word')));
    socket.once('data', (chunk) => {
      resolve(chunk.toString('utf8'));
      socket.destroy();
    });
  });
}

function datagram(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const timer = setTimeout(() => {
      socket.close();
      reject(new Error('no answer'));
    }, 2000);
    socket.on('error', reject);
    socket.once('message', (bytes) => {
      clearTimeout(timer);
      socket.close();
      resolve(bytes.toString('utf8'));
    });
    socket.send(text, ports.udp, address);
  });
}

test('a BackendTLSPolicy: the Gateway speaks TLS to the backend, and believes no other name', async (t) => {
  const policy = (hostname: string): string =>
    object('gateway.networking.k8s.io/v1', 'BackendTLSPolicy', 'echo', {
      spec: { targetRefs: [{ group: '', kind: 'Service', name: 'echo-v1', sectionName: 'secure' }], validation: { hostname, caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'echo-ca' }] } },
    });
  applyAll(policy('echo.example'), route(shop.name, 'again', { hostnames: ['tls.example'], parentRefs: [gateway], rules: [{ backendRefs: [backend('echo-v1', ports.https)] }] }));
  await soon(isServed('tls.example'));
  t.like((await ask('tls.example')).echo, { pod: 'echo-v1', serverName: 'echo.example' });
  await waitCondition('backendtlspolicy', shop.name, 'echo', 'Accepted=True/Accepted');
  applyAll(policy('other.example'));
  await soon(async () => (await ask('tls.example')).status === 502);
  t.pass();
});

test('a session: who comes back with its cookie gets the same Pod', async (t) => {
  applyAll(route(shop.name, 'sticky', { hostnames: ['sticky.example'], parentRefs: [gateway], rules: [{ sessionPersistence: { type: 'Cookie', cookie: { name: 'basket' } }, backendRefs: [backend('echo', 80)] }] }));
  await soon(isServed('sticky.example'));
  const firsts = await Promise.all(Array.from({ length: 20 }, () => ask('sticky.example')));
  t.deepEqual([...new Set(firsts.map(({ echo }) => echo.pod))].toSorted(), pods);
  for (const pod of pods) {
    const { cookies } = firsts.find(({ echo }) => echo.pod === pod)!;
    t.regex(cookies.join(), /^basket=[^;]+; Path=\/; HttpOnly; SameSite=Strict$/);
    const later = await Promise.all(Array.from({ length: 20 }, () => ask('sticky.example', { cookie: cookies[0]!.split(';')[0]! })));
    t.deepEqual([...new Set(later.map(({ echo }) => echo.pod))], [pod]);
  }
});

test('a ServiceImport is a backend, read once its kind is there', async (t) => {
  const name = 'serviceimports.multicluster.x-k8s.io';
  const isOurs = kubectl(['get', 'crd', name, '--ignore-not-found', '-o', 'name']) === '';
  // As much of the kind as it takes. The cluster's own is left as it is.
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const version = { name: 'v1alpha1', served: true, storage: true, subresources: { status: {} }, schema };
  if (isOurs) {
    const names = { kind: 'ServiceImport', plural: 'serviceimports', singular: 'serviceimport' };
    apply(JSON.stringify({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name, annotations: { 'api-approved.kubernetes.io': 'unapproved, of a test' } }, spec: { group: 'multicluster.x-k8s.io', scope: 'Namespaced', names, versions: [version] } }));
    kubectl(['wait', '--for=condition=Established', `crd/${name}`, '--timeout=30s']);
  }
  try {
    applyAll(
      object('multicluster.x-k8s.io/v1alpha1', 'ServiceImport', 'far', { spec: { type: 'ClusterSetIP', ips: [], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] } }),
      JSON.stringify({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { namespace: shop.name, name: 'far-1', labels: { 'multicluster.kubernetes.io/service-name': 'far', 'endpointslice.kubernetes.io/managed-by': 'weft-test' } },
        addressType: 'IPv4',
        endpoints: [{ addresses: [podIp(shop.name, 'echo-v2')], conditions: { ready: true } }],
        ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      }),
      route(shop.name, 'far', { hostnames: ['far.example'], parentRefs: [gateway], rules: [{ backendRefs: [{ group: 'multicluster.x-k8s.io', kind: 'ServiceImport', name: 'far', port: 80 }] }] }),
    );
    await soon(isServed('far.example'), 30_000);
    t.is((await ask('far.example')).echo.pod, 'echo-v2');
  } finally {
    if (isOurs) kubectl(['delete', 'crd', name]);
  }
  if (isOurs) await soon(async () => (await ask('far.example')).status === 500, 30_000);
});

test('Ingresses of class weft share a Gateway, which comes with the first and goes after the last', async (t) => {
  const ingress = (name: string): string =>
    object('networking.k8s.io/v1', 'Ingress', name, {
      spec: { ingressClassName: 'weft', rules: [{ host: `${name}.example`, http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'echo-v1', port: { name: 'http' } } } }] } }] },
    });
  applyAll(ingress('in-one'), ingress('in-two'));
  const addressOf = (name: string): string | undefined => (get('ingress', name, shop.name) as { status?: { loadBalancer?: { ingress?: { ip: string }[] } } }).status?.loadBalancer?.ingress?.[0]?.ip;
  const at = await eventually(() => addressOf('in-one'), 60_000);
  t.is(await eventually(() => addressOf('in-two')), at);
  const served = async (name: string): Promise<boolean> => (await ask(`${name}.example`, { at })).echo.pod === 'echo-v1';
  await soon(() => served('in-one'), 60_000);
  t.true(await served('in-two'));
  t.is((await ask('in-three.example', { at })).status, 404);
  kubectl(['delete', 'ingress', '-n', shop.name, 'in-one']);
  await soon(async () => (await ask('in-one.example', { at })).status === 404);
  t.true(await served('in-two'));
  const ofIngresses = (): string => kubectl(['get', 'deployment,service', '-n', system, '-o', 'name']).split('\n').filter((name) => name.includes('weft-ingress')).join(' ');
  t.not(ofIngresses(), '');
  kubectl(['delete', 'ingress', '-n', shop.name, 'in-two']);
  await eventually(() => ofIngresses() === '', 60_000);
});
