import { dirname } from 'node:path/posix';
import { caConfigMap, files, tokenAudience } from '../names.ts';
import type { Json } from './types.ts';

const nothing = 'weft-nothing';

/** Seconds; the kubelet renews the token when four fifths have passed. */
const tokenLifetime = 3600;

/** The volumes of the sidecar; their names are taken. */
export const volumes: readonly (Json & { readonly name: string })[] = [
  { name: 'weft-token', projected: { defaultMode: 0o644, sources: [{ serviceAccountToken: { audience: tokenAudience, expirationSeconds: tokenLifetime, path: 'token' } }] } },
  // Not optional: the controller writes it into every namespace, perhaps a moment after the first Pod. A kubelet tries such a mount again
  // after half a second, then twice that, and so on; a file that an optional one lacks it would bring after a minute or more.
  { name: 'weft-ca', configMap: { name: caConfigMap, defaultMode: 0o644 } },
  { name: 'weft-state', emptyDir: { sizeLimit: '64Mi' } },
  { name: nothing, emptyDir: { sizeLimit: '1Mi' } },
];

/**
 * Where the API server's admission would mount a token for its own API into every container of the Pod; something mounted there keeps it
 * out. Neither of our containers has any business with that API.
 */
const noToken: Json = { name: nothing, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', readOnly: true };

export function volumeMounts(container: 'init' | 'proxy'): readonly Json[] {
  if (container === 'init') return [noToken];
  return [
    { name: 'weft-token', mountPath: dirname(files.token), readOnly: true },
    { name: 'weft-ca', mountPath: dirname(files.ca), readOnly: true },
    { name: 'weft-state', mountPath: files.state },
    noToken,
  ];
}
