import { proxyEnvironment } from '../../../../images/environment.ts';
import { yaml } from '../../../component/mesh-rig.ts';
import { certificateFor } from '../../../component/streams-rig.ts';
import { weftUp } from '../../../faults/process.ts';
import { namespace, timeoutPolicy } from '../../../faults/rig.ts';
import { seat } from '../seats.ts';
import { bystander, gatewayAddress, targets, victim, victimPaths, waits } from './places.ts';
import type { SceneProxy } from './types.ts';

/** `weft up` in a process of its own, as a container of it runs it. */
export async function startWeft(): Promise<SceneProxy> {
  const settings = Object.entries(proxyEnvironment).map(([name, value]) => `${name}=${value}`);
  const weft = await weftUp(manifests(), { words: ['--access-log', '/dev/null'], launch: (command) => seat('proxy', ['env', ...settings, ...command]) });
  return { targetsOf: () => targets, memory: () => weft.memory(), runs: () => weft.child.exitCode === null, kill: () => weft.kill() };
}

const indented = (pem: string): string => Buffer.from(pem).toString('base64');

function manifests(): string {
  const { chain, key } = certificateFor('strict.test');
  const gateway = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: g, namespace: shop }
spec:
  gatewayClassName: weft
  addresses: [{ value: ${gatewayAddress} }]
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
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: attacked, namespace: shop }
spec:
  parentRefs: [{ name: g }]
  rules:
    - matches: [${victimPaths.map((path) => `{ path: { type: PathPrefix, value: ${path} } }`).join(', ')}]
      backendRefs: [{ name: attacked, port: 80 }]
---
apiVersion: v1
kind: Service
metadata: { name: datagrams, namespace: shop }
spec: { selector: { app: attacked }, ports: [{ port: 80, targetPort: ${victim.port}, protocol: UDP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: { name: u, namespace: shop }
spec: { parentRefs: [{ name: g, sectionName: udp }], rules: [{ backendRefs: [{ name: datagrams, port: 80 }] }] }
`;
  const services = [yaml.service('web', 'web', bystander.port), yaml.pod('p', 'web', bystander.address), yaml.service('attacked', 'attacked', victim.port), yaml.pod('q', 'attacked', victim.address)];
  const { requestHeaders, idle, streamIdle } = waits;
  return yaml.join(namespace, gateway, yaml.route('r', '{ name: g }', { web: 1 }), ...services, timeoutPolicy(`requestHeaders: ${requestHeaders}s, idle: ${idle}s, streamIdle: ${streamIdle}s`));
}
