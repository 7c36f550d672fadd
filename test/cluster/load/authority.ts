import { connect } from 'node:tls';
import { eventually, get, kubectl, later } from '../cluster.ts';
import { soon, system } from '../rig.ts';
import { podsOf } from './cluster-faults.ts';

const secret = (): { readonly metadata: { readonly annotations?: object }; readonly data: Readonly<Record<string, string>> } => get('secret', 'weft-ca', system) as ReturnType<typeof secret>;
const certificates = (pem: string): readonly string[] => pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];

/** The certificate of the authority that signs, PEM. */
export function signingAuthority(): string {
  return certificates(Buffer.from(secret().data['ca.crt'] ?? '', 'base64').toString('utf8'))[0] ?? '';
}

/**
 * Replaces the authority as docs/cluster.md says, and waits until every replica of the controller serves with the new one. The Pods of
 * this namespace get it into their files before.
 */
export async function replaceAuthority(namespace: string): Promise<void> {
  const before = signingAuthority();
  kubectl(['annotate', 'secret', 'weft-ca', '-n', system, 'weft-mesh.io/replace-after=20s']);
  await eventually(() => certificates((get('configmap', 'weft-ca', namespace) as { data: Record<string, string> }).data['ca.crt'] ?? '').length >= 2, 20_000);
  // A kubelet brings a changed ConfigMap into a Pod that itself changes at once, into others within about a minute; it has to have heard
  // of that change itself.
  await later(3000);
  kubectl(['annotate', '--overwrite', 'pod', '-n', namespace, '--all', `example.com/touched=${Date.now()}`]);
  const next = await eventually(() => (signingAuthority() === before ? undefined : signingAuthority()), 60_000);
  for (const { status } of podsOf(system, 'weft-controller')) await soon(() => servesBy(next, status.podIP ?? ''), 30_000);
}

/** Whether the annotation is gone. */
export function isReplaced(): boolean {
  return !('weft-mesh.io/replace-after' in (secret().metadata.annotations ?? {})) && secret().data['next.crt'] === undefined;
}

function servesBy(authority: string, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: 15_010, ca: authority, servername: `weft-controller.${system}.svc`, ALPNProtocols: ['weft-stream'], timeout: 3000 }, () => end(true));
    const end = (answer: boolean): void => {
      resolve(answer);
      socket.destroy();
    };
    socket.on('error', () => end(false));
    socket.on('timeout', () => end(false));
  });
}
