import { fieldsOf, reasonOf, ApiError, type KubeApi } from '../kube/types.ts';
import { authorityFault, createAuthority, type Authority } from './authority.ts';

/** The Secret with the authority and, in every namespace with proxies, the ConfigMap with its certificate. */
export const authorityName = 'weft-ca';
export const bundleKey = 'ca.crt';

export interface TrustEnvironment {
  readonly api: KubeApi;
  /** The control plane's. */
  readonly namespace: string;
  /** Milliseconds since 1970. */
  now(): number;
  readonly signal: AbortSignal;
}

/**
 * The authority of this cluster, from Secret `weft-ca` of the control plane's namespace. Where there is none it is made; of several
 * replicas that do so at once the API server lets one through, and the others read what it wrote. Rejects where what is there can't be
 * used: to replace it silently would cut off every proxy that trusts it.
 */
export async function loadAuthority(env: TrustEnvironment): Promise<Authority> {
  const collection = `/api/v1/namespaces/${env.namespace}/secrets`;
  for (let turn = 0; ; turn++) {
    const read = await env.api.send({ path: `${collection}/${authorityName}`, signal: env.signal });
    if (read.status === 200) return authorityOf(read.body, env);
    if (read.status !== 404 || turn > 3) throw new ApiError(`Secret ${env.namespace}/${authorityName}`, read);
    const made = await createAuthority(env.now());
    const written = await env.api.send({ method: 'POST', path: collection, body: secretOf(made, env.namespace), signal: env.signal });
    if (written.status === 201) return made;
    if (written.status !== 409) throw new ApiError(`Secret ${env.namespace}/${authorityName}`, written);
  }
}

function authorityOf(body: unknown, env: TrustEnvironment): Authority {
  const data = fieldsOf(fieldsOf(body)['data']);
  const text = (key: string): string => Buffer.from(String(data[key] ?? ''), 'base64').toString('utf8');
  const authority = { bundle: text('ca.crt'), key: text('ca.key') };
  const fault = authorityFault(authority, env.now());
  if (fault !== undefined) throw new Error(`Secret ${env.namespace}/${authorityName}: ${fault}; mend it, or delete it to have a new authority made`);
  return authority;
}

function secretOf({ bundle, key }: Authority, namespace: string): object {
  const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: authorityName, namespace, labels: { 'app.kubernetes.io/managed-by': 'weft' } },
    type: 'Opaque',
    data: { 'ca.crt': encode(bundle), 'ca.key': encode(key) },
  };
}

/** Writes the bundle into ConfigMap `weft-ca` of a namespace, whoever made that. Undefined where it is there now, else why not. */
export async function publishBundle({ api, signal }: TrustEnvironment, namespace: string, bundle: string): Promise<string | undefined> {
  const body = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: authorityName, namespace, labels: { 'app.kubernetes.io/managed-by': 'weft' } },
    data: { [bundleKey]: bundle },
  };
  try {
    const answer = await api.send({
      method: 'PATCH',
      path: `/api/v1/namespaces/${namespace}/configmaps/${authorityName}`,
      query: { fieldManager: 'weft', force: 'true' },
      contentType: 'application/apply-patch+yaml',
      body,
      signal,
    });
    return answer.status === 200 || answer.status === 201 ? undefined : `${answer.status} ${reasonOf(answer.body)}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
