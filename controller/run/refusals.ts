import { resourceKinds, type ResourceKind } from '#snapshot';
import { pause } from '../kube/backoff.ts';
import { fieldsOf, reasonOf, type KubeApi } from '../kube/types.ts';
import type { Rejection } from '../push/index.ts';
import { follow } from '../source/kube/index.ts';

/**
 * What proxies refuse is known to the replica that serves them, and told in status by the one that leads. Each replica writes what it
 * knows into ConfigMap `weft-refusals` of the control plane's namespace, under a key of its own; the leader follows it. Nothing is
 * written while nothing is refused.
 */
export const refusalsName = 'weft-refusals';

export interface RefusalsEnvironment {
  readonly api: KubeApi;
  /** The control plane's. */
  readonly namespace: string;
  /** Of this replica: a name of a Pod, or another text that can be a key of a ConfigMap. */
  readonly identity: string;
  /** Milliseconds since 1970, for people who read it and as a sign of life. */
  now(): number;
  /** Milliseconds of a clock that never goes back. */
  monotonic(): number;
  random(): number;
  failed(message: string): void;
  readonly signal: AbortSignal;
}

/** A ConfigMap holds 1 MiB: of more refusals than this, and longer ones, the rest is left out. */
const most = 100;
const longestReason = 300;
/** Bytes of one replica's entry that are read; far above what is written. */
const longestEntry = 200_000;
/** Changes are written at most so often. Milliseconds. */
const restMs = 500;
const afterFailureMs = 5000;
/** An entry is written again after so long, as a sign of life. Milliseconds. */
const renewMs = 60_000;
/** An entry that stayed as it is for so long is that of a replica that is gone. Milliseconds on the leader's clock. */
const staleMs = 150_000;

export interface RefusalWriter {
  want(rejections: readonly Rejection[]): void;
  /** Takes back what this replica has said, as its proxies go to others. */
  close(): Promise<void>;
}

/** Writes what proxies of this replica refuse, whenever that changes. */
export function writeRefusals(env: RefusalsEnvironment): RefusalWriter {
  let wanted = '[]';
  let written = '[]';
  let wake = (): void => {};
  const turn = async (): Promise<number> => {
    const text = wanted;
    const value = text === '[]' ? undefined : JSON.stringify({ renewed: new Date(env.now()).toISOString(), refusals: JSON.parse(text) as unknown });
    const fault = await patchEntries(env, env.signal, value === undefined ? {} : { [keyOf(env.identity)]: value });
    if (fault === undefined) written = text;
    else if (!env.signal.aborted) env.failed(`ConfigMap ${refusalsName}: ${fault}`);
    return fault === undefined ? restMs : afterFailureMs;
  };
  void (async () => {
    let renewed = env.monotonic();
    while (!env.signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      if (wanted !== written || (written !== '[]' && env.monotonic() - renewed > renewMs)) {
        renewed = env.monotonic();
        await pause(await turn(), env.signal);
      } else await Promise.race([promise, pause(renewMs / 4, env.signal)]);
    }
  })();
  return {
    want: (rejections) => {
      wanted = JSON.stringify(rejections.slice(0, most).map(({ proxy, type, name, reason }) => ({ proxy, type, name, reason: reason.slice(0, longestReason) })));
      if (wanted !== written) wake();
    },
    close: async () => {
      if (written !== '[]') await patchEntries(env, AbortSignal.timeout(2000), {});
    },
  };
}

/** Server-side apply under a manager of its own: a key that is left out goes, those of others stay. Returns why not, if so. */
async function patchEntries({ api, namespace, identity }: RefusalsEnvironment, signal: AbortSignal, data: Readonly<Record<string, string>>): Promise<string | undefined> {
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: refusalsName, namespace, labels: { 'app.kubernetes.io/managed-by': 'weft' } }, data };
  try {
    const query = { fieldManager: `weft-${keyOf(identity)}`.slice(0, 128), force: 'true' };
    const answer = await api.send({ method: 'PATCH', path: `/api/v1/namespaces/${namespace}/configmaps/${refusalsName}`, query, contentType: 'application/apply-patch+yaml', body, signal });
    return answer.status === 200 || answer.status === 201 ? undefined : `${answer.status} ${reasonOf(answer.body)}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What may stand as a key of a ConfigMap. */
function keyOf(identity: string): string {
  return identity.replaceAll(/[^-._a-zA-Z0-9]/g, '_').slice(0, 200);
}

interface Heard {
  readonly text: string;
  readonly at: number;
  readonly rejections: readonly Rejection[];
}

/** Follows what the other replicas have written, until the signal is aborted, and takes away what replicas that are gone have left. The leader's job. */
export function readRefusals(env: RefusalsEnvironment & { heard(rejections: readonly Rejection[]): void }): void {
  const heard = new Map<string, Heard>();
  let told = '[]';
  const tell = (): void => {
    const all = [...heard.values()].filter(({ at }) => env.monotonic() - at < staleMs).flatMap(({ rejections }) => rejections);
    const text = JSON.stringify(all);
    if (text === told || env.signal.aborted) return;
    told = text;
    env.heard(all);
  };
  const look = (): void => {
    const entries = found.all()?.get(`${env.namespace}/${refusalsName}`) ?? {};
    for (const key of heard.keys()) if (entries[key] === undefined) heard.delete(key);
    for (const [key, text] of Object.entries(entries)) {
      if (key === keyOf(env.identity) || typeof text !== 'string' || heard.get(key)?.text === text) continue;
      heard.set(key, { text, at: env.monotonic(), rejections: readEntry(text) });
    }
    tell();
  };
  const found = follow<Readonly<Record<string, unknown>>>({
    ...env,
    now: () => env.monotonic(),
    path: `/api/v1/namespaces/${env.namespace}/configmaps`,
    fieldSelector: `metadata.name=${refusalsName}`,
    read: (raw) => fieldsOf(raw['data']),
    changed: () => queueMicrotask(look),
  });
  void (async () => {
    while (!env.signal.aborted) {
      await pause(staleMs / 10, env.signal);
      const gone = [...heard].filter(([, { at }]) => env.monotonic() - at >= staleMs).map(([key]) => key);
      if (gone.length > 0 && !env.signal.aborted) await forget(env, gone);
      tell();
    }
  })();
}

async function forget({ api, namespace, signal, failed }: RefusalsEnvironment, keys: readonly string[]): Promise<void> {
  try {
    const body = { data: Object.fromEntries(keys.map((key) => [key, null])) };
    const answer = await api.send({ method: 'PATCH', path: `/api/v1/namespaces/${namespace}/configmaps/${refusalsName}`, contentType: 'application/merge-patch+json', body, signal });
    if (answer.status !== 200 && answer.status !== 404) failed(`ConfigMap ${refusalsName}: ${answer.status} ${reasonOf(answer.body)}`);
  } catch (error) {
    if (!signal.aborted) failed(`ConfigMap ${refusalsName}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What is not as a replica writes it counts as nothing. */
function readEntry(text: string): readonly Rejection[] {
  if (text.length > longestEntry) return [];
  try {
    const { refusals } = fieldsOf(JSON.parse(text));
    return Array.isArray(refusals) ? refusals.slice(0, most).flatMap(readRejection) : [];
  } catch {
    return [];
  }
}

function readRejection(value: unknown): readonly Rejection[] {
  const { proxy, type, name, reason } = fieldsOf(value);
  const { id, role, namespace, name: proxyName } = fieldsOf(proxy);
  const kind = resourceKinds.find((known: ResourceKind) => known === type);
  if (kind === undefined || (role !== 'gateway' && role !== 'sidecar')) return [];
  if (typeof id !== 'string' || typeof namespace !== 'string' || typeof proxyName !== 'string' || typeof name !== 'string' || typeof reason !== 'string') return [];
  return [{ proxy: { id, role, namespace, name: proxyName }, type: kind, name, reason: reason.slice(0, longestReason) }];
}
