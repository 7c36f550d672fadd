import { execFile, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { addresses, yaml } from '../../component/mesh-rig.ts';
import { certificateFor } from '../../component/streams-rig.ts';
import { weftUp, type WeftUp } from '../../faults/process.ts';
import { namespace, timeoutPolicy } from '../../faults/rig.ts';
import type { Targets, Told } from './attacks/sockets.ts';

/** `weft up` in a process of its own, what it forwards to in another, and each attacker in one. */

const at = addresses(98);
const port = 18_092;
/** 2 s without a byte, 1 s for a head: so that the test need not wait for the defaults. */
const limits = 'requestHeaders: 1s, idle: 2s, streamIdle: 2s';

export const targets: Targets = { http: { address: at(1), port: 18_080 }, https: { address: at(1), port: 18_443 }, udp: { address: at(1), port: 18_053 } };

export interface Counts {
  /** Bytes that were poured into responses. */
  readonly poured: number;
  /** Requests for `/reset`, which are never answered. */
  readonly begun: number;
}

export interface Upstream {
  /** Since they were last asked for. */
  counts(): Promise<Counts>;
  close(): void;
}

export async function startUpstream(): Promise<Upstream> {
  const child = fork(fileURLToPath(new URL('upstream.ts', import.meta.url)), [at(2), String(port)]);
  const next = (): Promise<unknown> => new Promise((resolve) => child.once('message', resolve));
  await next();
  return {
    counts: async () => {
      const told = next();
      child.send('tell');
      return (await told) as Counts;
    },
    close: () => child.kill('SIGKILL'),
  };
}

const indented = (pem: string): string => Buffer.from(pem).toString('base64');

function manifests(): string {
  const { chain, key } = certificateFor('strict.test');
  const gateway = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: g, namespace: shop }
spec:
  gatewayClassName: weft
  addresses: [{ value: ${at(1)} }]
  listeners:
    - { name: http, port: ${targets.http.port}, protocol: HTTP }
    - { name: https, port: ${targets.https.port}, protocol: HTTPS, tls: { certificateRefs: [{ name: pair }] } }
    - { name: udp, port: ${targets.udp.port}, protocol: UDP, allowedRoutes: { kinds: [{ kind: UDPRoute }] } }
---
apiVersion: v1
kind: Secret
metadata: { name: pair, namespace: shop }
type: kubernetes.io/tls
data: { tls.crt: ${indented(chain)}, tls.key: ${indented(key)} }
---
apiVersion: v1
kind: Service
metadata: { name: datagrams, namespace: shop }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: ${port}, protocol: UDP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: { name: u, namespace: shop }
spec: { parentRefs: [{ name: g, sectionName: udp }], rules: [{ backendRefs: [{ name: datagrams, port: 80 }] }] }
`;
  return yaml.join(namespace, gateway, yaml.route('r', '{ name: g }', { web: 1 }), yaml.service('web', 'web', port), yaml.pod('p', 'web', at(2)), timeoutPolicy(limits));
}

export function startWeft(): Promise<WeftUp> {
  return weftUp(manifests());
}

/** Runs an attack in a process of its own. */
export function attack(name: string): Promise<Told> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [fileURLToPath(new URL('attacker.ts', import.meta.url)), name, JSON.stringify(targets)], { timeout: 60_000 }, (error, out, err) => {
      if (error === null) resolve(JSON.parse(out) as Told);
      else reject(new Error(`${name}: ${error.message} ${err}`));
    });
  });
}

export type { Told };
