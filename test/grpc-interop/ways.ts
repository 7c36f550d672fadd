import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMesh } from '../../index.ts';
import { Authority, type Pair } from '../component/authority.ts';
import { service, startCaptureRig } from '../component/capture-rig.ts';
import { startServer, type Programs } from './programs.ts';

/** One way from client to server: what the client is told. */
export interface Way {
  readonly name: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface Ways {
  readonly all: readonly Way[];
  close(): Promise<void>;
}

const host = 'interop.example.com';
const loopback = '127.83.0.1';
const podAddress = '127.83.0.11';
const clientAddress = '127.83.0.12';

/** Every way through Weft, to a server in the clear and one with TLS. */
export async function openWays(programs: Programs): Promise<Ways> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-interop-'));
  const closing: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })];
  const authority = await Authority.named('interop');
  const pair = await authority.issue(host, { dns: [host] });
  const files = { authority: join(folder, 'ca.pem'), chain: join(folder, 'server.pem'), key: join(folder, 'server.key') };
  await Promise.all([writeFile(files.authority, authority.certificate), writeFile(files.chain, pair.chain), writeFile(files.key, pair.key)]);
  const plain = await startServer(programs, []);
  closing.push(() => plain.close());
  const secure = await startServer(programs, ['-use_tls', '-tls_cert_file', files.chain, '-tls_key_file', files.key]);
  closing.push(() => secure.close());

  const mesh = await createMesh({ manifests: [...gatewayManifests(authority, pair), ...serviceManifests({ plain: plain.port, secure: secure.port })], loopback });
  closing.push(() => mesh.close());
  for (const { severity, message } of mesh.problems()) console.log(`${severity}: ${message}`);
  const captured = await openCaptured(plain.port);
  closing.push(() => captured.close());

  const at = (address: string, port: number): string[] => ['-server_host', address, '-server_port', String(port)];
  const withTls = ['-use_tls', '-use_test_ca', '-ca_file', files.authority, '-server_host_override', host];
  const through = (listener: string): string[] => at(loopback, mesh.gateway('shop/g')!.port(listener));
  const sidecar = mesh.sidecar('shop/client')!;
  const all: readonly Way[] = [
    { name: 'gateway, plaintext', args: through('plain-plain'), environment: {} },
    { name: 'gateway, TLS at the listener', args: [...through('tls-plain'), ...withTls], environment: {} },
    { name: 'gateway, TLS to the backend', args: through('plain-tls'), environment: {} },
    { name: 'gateway, TLS on both sides', args: [...through('tls-tls'), ...withTls], environment: {} },
    { name: 'sidecar to sidecar, captured', args: at('127.0.0.1', captured.port), environment: {} },
    { name: 'sidecar as HTTP proxy (CONNECT)', args: at('plain.shop', 8080), environment: { HTTPS_PROXY: `http://${sidecar.address}:${sidecar.port}` } },
  ];
  return {
    all,
    close: async () => {
      for (const close of closing.reverse()) await close();
    },
  };
}

/** What iptables would do is said by the rigs: connections of the client go to the Service, those to its endpoint to the server. */
async function openCaptured(serverPort: number): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = await startCaptureRig([], { controller: 'there', original: { host: '127.0.0.1', port: serverPort } });
  const route = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GRPCRoute',
    metadata: { name: 'r', namespace: 'shop' },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: 'interop' }], rules: [{ backendRefs: [{ name: 'interop', port: 80 }] }] },
  };
  const objects = [...service('interop', '10.96.0.10', { name: 'grpc' }, [server.capture.inboundPort]), route];
  const client = await startCaptureRig(objects, { controller: 'there', original: { host: '10.96.0.10', port: 80 } });
  return {
    port: client.capture.outboundPort,
    close: async () => {
      await client.close();
      await server.close();
    },
  };
}

/** A listener for each way, and a route for each of the two servers. */
function gatewayManifests(authority: Authority, pair: Pair): readonly string[] {
  const gatewayApi = (kind: string, name: string, spec: object): string =>
    JSON.stringify({ apiVersion: 'gateway.networking.k8s.io/v1', kind, metadata: { name, namespace: 'shop' }, spec });
  const listeners = [
    { name: 'plain-plain', port: 18_081, protocol: 'HTTP' },
    { name: 'plain-tls', port: 18_082, protocol: 'HTTP' },
    { name: 'tls-plain', port: 18_443, protocol: 'HTTPS', hostname: host, tls: { certificateRefs: [{ name: 'cert' }] } },
    { name: 'tls-tls', port: 18_444, protocol: 'HTTPS', hostname: host, tls: { certificateRefs: [{ name: 'cert' }] } },
  ];
  const route = (backend: string, sections: readonly string[]): string =>
    gatewayApi('GRPCRoute', backend, { parentRefs: sections.map((sectionName) => ({ name: 'g', sectionName })), rules: [{ backendRefs: [{ name: backend, port: 8080 }] }] });
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return [
    gatewayApi('Gateway', 'g', { gatewayClassName: 'weft', listeners }),
    route('plain', ['plain-plain', 'tls-plain']),
    route('secure', ['plain-tls', 'tls-tls']),
    gatewayApi('BackendTLSPolicy', 'secure', {
      targetRefs: [{ group: '', kind: 'Service', name: 'secure' }],
      validation: { hostname: host, caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] },
    }),
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'ca', namespace: 'shop' }, data: { 'ca.crt': authority.certificate } }),
    JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'cert', namespace: 'shop' }, type: 'kubernetes.io/tls', data: { 'tls.crt': base64(pair.chain), 'tls.key': base64(pair.key) } }),
  ];
}

/** The two servers as Services of one Pod, a Pod with a sidecar, and what the sidecar does with calls of the plain one. */
function serviceManifests(ports: Readonly<Record<'plain' | 'secure', number>>): readonly string[] {
  const core = (kind: string, metadata: object, rest: object): string => JSON.stringify({ apiVersion: 'v1', kind, metadata: { namespace: 'shop', ...metadata }, ...rest });
  const pod = (name: string, podIP: string, labels: object): string => core('Pod', { name, labels }, { spec: { containers: [{ name: 'c' }] }, status: { podIP } });
  return [
    ...(['plain', 'secure'] as const).map((name) => core('Service', { name }, { spec: { selector: { app: 'server' }, ports: [{ name: 'grpc', port: 8080, targetPort: ports[name] }] } })),
    pod('server', podAddress, { app: 'server' }),
    pod('client', clientAddress, { app: 'client', 'weft-mesh.io/inject': 'enabled' }),
    JSON.stringify({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GRPCRoute',
      metadata: { name: 'inside', namespace: 'shop' },
      spec: { parentRefs: [{ group: '', kind: 'Service', name: 'plain' }], rules: [{ backendRefs: [{ name: 'plain', port: 8080 }] }] },
    }),
  ];
}
