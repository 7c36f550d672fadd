import { fieldsOf, reasonOf, ApiError, type KubeApi } from '../kube/types.ts';
import { authorityFault, createAuthority, type Authority } from './authority.ts';
import { rotationStep, trustedOf, type Stored } from './rotation.ts';

/** The Secret with the authority and, in every namespace with proxies, the ConfigMap with its certificate. */
export const authorityName = 'weft-ca';
export const bundleKey = 'ca.crt';
/** Annotation of the Secret: replace the authority; the next one signs after it was trusted for so long, such as `10m`. */
export const replaceAnnotation = 'weft-mesh.io/replace-after';

export interface TrustEnvironment {
  readonly api: KubeApi;
  /** The control plane's. */
  readonly namespace: string;
  /** Milliseconds since 1970. */
  now(): number;
  /** Told where what somebody wants can't be. */
  failed?(message: string): void;
  readonly signal: AbortSignal;
}

/** The authority, and what is to be trusted, which is more than it while it is being replaced. */
export interface Trust {
  readonly authority: Authority;
  /** PEM. */
  readonly bundle: string;
}

/**
 * The authority of this cluster, from Secret `weft-ca` of the control plane's namespace. Where there is none, `last` is put back (somebody
 * has deleted it), or one is made; of several replicas that do so at once the API server lets one through, and the others read what it
 * wrote. One that was made here is replaced, in steps (`rotation.ts`), when it comes near its end or the annotation asks for it. Rejects where what is there can't be used:
 * to replace it silently would cut off every proxy that trusts it.
 */
export async function loadAuthority(env: TrustEnvironment, last?: Trust): Promise<Trust> {
  const collection = `/api/v1/namespaces/${env.namespace}/secrets`;
  for (let turn = 0; turn < 5; turn++) {
    const read = await env.api.send({ path: `${collection}/${authorityName}`, signal: env.signal });
    if (read.status === 200) {
      const stored = storedOf(read.body, env);
      const changed = await rotate(stored, env, read.body);
      if (changed === undefined) return { authority: stored.authority, bundle: trustedOf(stored) };
      const { stored: next, metadata } = changed;
      const written = await env.api.send({ method: 'PUT', path: `${collection}/${authorityName}`, body: secretOf(next, metadata), signal: env.signal });
      if (written.status === 200) return { authority: next.authority, bundle: trustedOf(next) };
      if (written.status !== 409) throw new ApiError(`Secret ${env.namespace}/${authorityName}`, written);
      continue;
    }
    if (read.status !== 404) throw new ApiError(`Secret ${env.namespace}/${authorityName}`, read);
    const made: Stored = { authority: last === undefined ? await createAuthority(env.now()) : { bundle: last.bundle, key: last.authority.key } };
    const written = await env.api.send({ method: 'POST', path: collection, body: secretOf(made, { name: authorityName, namespace: env.namespace, labels: ours }), signal: env.signal });
    if (written.status === 201) return { authority: made.authority, bundle: trustedOf(made) };
    if (written.status !== 409) throw new ApiError(`Secret ${env.namespace}/${authorityName}`, written);
  }
  throw new Error(`Secret ${env.namespace}/${authorityName}: others keep changing it`);
}

const ours = { 'app.kubernetes.io/managed-by': 'weft' } as const;

/** What is to be written in place of it; undefined where nothing is. One that somebody else brought is theirs to replace. */
async function rotate(stored: Stored, env: TrustEnvironment, body: unknown): Promise<{ readonly stored: Stored; readonly metadata: object } | undefined> {
  const metadata = fieldsOf(fieldsOf(body)['metadata']);
  const { [replaceAnnotation]: wish, ...annotations } = fieldsOf(metadata['annotations']);
  const replaceAfter = durationOf(wish);
  if (wish !== undefined && replaceAfter === undefined) env.failed?.(`Secret ${env.namespace}/${authorityName}: annotation ${replaceAnnotation} must be a duration such as 90s, 10m or 24h`);
  const isOurs = fieldsOf(metadata['labels'])['app.kubernetes.io/managed-by'] === ours['app.kubernetes.io/managed-by'];
  if (!isOurs) {
    if (wish !== undefined) env.failed?.(`Secret ${env.namespace}/${authorityName} has no label app.kubernetes.io/managed-by: weft, so it is left as it is: annotation ${replaceAnnotation} has no effect`);
    return undefined;
  }
  const step = rotationStep(stored, env.now(), replaceAfter);
  const kept = { ...metadata, managedFields: undefined };
  switch (step.kind) {
    case 'keep':
      return undefined;
    case 'prepare':
      return { stored: { ...stored, next: { authority: await createAuthority(env.now()), since: env.now() } }, metadata: kept };
    case 'turn':
      // What was wished is done.
      return { stored: step.stored, metadata: { ...kept, annotations } };
  }
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds. */
function durationOf(text: unknown): number | undefined {
  const [, count, unit = ''] = typeof text === 'string' ? (/^([0-9]{1,6})([smh])$/.exec(text) ?? []) : [];
  return count === undefined ? undefined : Number(count) * units[unit]!;
}

function storedOf(body: unknown, env: TrustEnvironment): Stored {
  const data = fieldsOf(fieldsOf(body)['data']);
  const text = (key: string): string => Buffer.from(String(data[key] ?? ''), 'base64').toString('utf8');
  const authority = { bundle: text('ca.crt'), key: text('ca.key') };
  const fault = authorityFault(authority, env.now());
  if (fault !== undefined) throw new Error(`Secret ${env.namespace}/${authorityName}: ${fault}; mend it, or delete it to have a new authority made`);
  const next = { bundle: text('next.crt'), key: text('next.key') };
  const since = Date.parse(text('next-since'));
  // A next one that is spoilt counts as none: another is made.
  return Number.isNaN(since) || authorityFault(next, env.now()) !== undefined ? { authority } : { authority, next: { authority: next, since } };
}

function secretOf({ authority, next }: Stored, metadata: object): object {
  const texts = {
    'ca.crt': authority.bundle,
    'ca.key': authority.key,
    ...(next === undefined ? {} : { 'next.crt': next.authority.bundle, 'next.key': next.authority.key, 'next-since': new Date(next.since).toISOString() }),
  };
  const data = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Buffer.from(text, 'utf8').toString('base64')]));
  return { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', data };
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
