import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { addresses, yaml } from '../../component/mesh-rig.ts';
import { certificateFor } from '../../component/streams-rig.ts';
import { proxyEnvironment } from '../../../images/environment.ts';
import { weftUp, type WeftUp } from '../../faults/process.ts';
import { namespace, timeoutPolicy } from '../../faults/rig.ts';
import type { Targets, Told } from './attacks/sockets.ts';
import type { Taken } from './others.ts';
import { seat, seated, type Seat } from './seats.ts';

/** `weft up` in a process of its own, and so is everything around it: another client and its backend, each attacker and the attacked backend. */

const at = addresses(98);
const port = 18_092;
/** 2 s without a byte, 1 s for a head: so that the test need not wait for the defaults. */
const limits = 'requestHeaders: 1s, idle: 2s, streamIdle: 2s';

export const targets: Targets = { http: { address: at(1), port: 18_080 }, https: { address: at(1), port: 18_443 }, udp: { address: at(1), port: 18_053 } };

/** A program of this folder that is told what to do, and tells. */
class Program {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(who: Seat, file: string, ...words: readonly string[]): Promise<Program> {
    const [first, rest] = seat(who, [process.execPath, fileURLToPath(new URL(file, import.meta.url)), ...words]);
    const program = new Program(spawn(first, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
    await program.#next();
    return program;
  }

  tell(what: string): void {
    this.#child.send(what);
  }

  /** What it answers. */
  async ask(what: string): Promise<unknown> {
    const told = this.#next();
    this.tell(what);
    return told;
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error(`ended: ${this.#child.spawnargs.join(' ')}`));
      this.#child.once('exit', ended);
      this.#child.once('message', (message) => {
        this.#child.off('exit', ended);
        resolve(message);
      });
    });
  }
}

export interface Counts {
  /** Bytes that were poured into responses. */
  readonly poured: number;
  /** Requests for `/reset`, which are never answered. */
  readonly begun: number;
}

/** Everything but the attackers. */
export interface Scene {
  readonly weft: WeftUp;
  /** Of the attacked backend, since they were last asked for. */
  counts(): Promise<Counts>;
  /** How another client fares in the meantime. */
  beside(work: () => Promise<void>): Promise<Taken>;
  close(): Promise<void>;
}

export async function startScene(): Promise<Scene> {
  const bystander = await Program.start('bystander', 'upstream.ts', at(2), String(port));
  const victim = await Program.start('attack', 'upstream.ts', at(3), String(port));
  const others = await Program.start('bystander', 'others.ts', targets.http.address, String(targets.http.port));
  // As a container of it runs it.
  const settings = Object.entries(proxyEnvironment).map(([name, value]) => `${name}=${value}`);
  const weft = await weftUp(manifests(), { words: ['--access-log', '/dev/null'], launch: (command) => seat('proxy', ['env', ...settings, ...command]) });
  return {
    weft,
    counts: async () => (await victim.ask('tell')) as Counts,
    beside: async (work) => {
      others.tell('start');
      await work();
      return (await others.ask('stop')) as Taken;
    },
    close: async () => {
      for (const program of [bystander, victim, others]) program.close();
      await weft.kill();
    },
  };
}

export interface Attacker {
  /** Attacks once. */
  run(): Promise<Told>;
  close(): void;
}

export async function startAttacker(name: string): Promise<Attacker> {
  const program = await Program.start('attack', 'attacker.ts', name, JSON.stringify(targets), seated ? 'own' : 'shared');
  return { run: async () => (await program.ask('attack')) as Told, close: () => program.close() };
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
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: attacked, namespace: shop }
spec:
  parentRefs: [{ name: g }]
  rules:
    - matches: [${['/large', '/stall', '/reset'].map((path) => `{ path: { type: PathPrefix, value: ${path} } }`).join(', ')}]
      backendRefs: [{ name: attacked, port: 80 }]
---
apiVersion: v1
kind: Service
metadata: { name: datagrams, namespace: shop }
spec: { selector: { app: attacked }, ports: [{ port: 80, targetPort: ${port}, protocol: UDP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: { name: u, namespace: shop }
spec: { parentRefs: [{ name: g, sectionName: udp }], rules: [{ backendRefs: [{ name: datagrams, port: 80 }] }] }
`;
  const services = [yaml.service('web', 'web', port), yaml.pod('p', 'web', at(2)), yaml.service('attacked', 'attacked', port), yaml.pod('q', 'attacked', at(3))];
  return yaml.join(namespace, gateway, yaml.route('r', '{ name: g }', { web: 1 }), ...services, timeoutPolicy(limits));
}

export type { Taken, Told };
