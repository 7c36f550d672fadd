import type { KubeApi } from '../../kube/types.ts';
import { fieldsOf } from '../../kube/types.ts';
import { reflect, type RawObject } from './reflect.ts';

export interface FollowEnvironment<T> {
  readonly api: KubeApi;
  /** Of the collection, such as `/api/v1/configmaps`. */
  readonly path: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  /** What is kept of an object. Total. */
  read(raw: RawObject): T;
  /** Something came, changed or went. */
  changed(): void;
  failed(message: string): void;
  random(): number;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  readonly signal: AbortSignal;
}

/** A few objects that belong to no `ClusterState`, kept in line with the API server. */
export interface Followed<T> {
  /** By `{namespace}/{name}`; undefined until they were read once. */
  all(): ReadonlyMap<string, T> | undefined;
}

/** Follows them until the signal is aborted. */
export function follow<T>(env: FollowEnvironment<T>): Followed<T> {
  const found = new Map<string, T>();
  let read = false;
  interface Entry {
    readonly key: string;
    readonly value: T;
  }
  void reflect<Entry>({
    ...env,
    locate: async () => env.path,
    mirror: {
      read: (raw) => ({ key: keyOf(raw), value: env.read(raw) }),
      replace: (all) => {
        found.clear();
        for (const { key, value } of all) found.set(key, value);
        read = true;
        env.changed();
      },
      set: ({ key, value }) => {
        found.set(key, value);
        env.changed();
      },
      remove: (raw) => {
        found.delete(keyOf(raw));
        env.changed();
      },
      absent: () => {},
      following: () => {},
      failed: (reason) => env.failed(`can't follow ${env.path}: ${reason}`),
    },
  });
  return { all: () => (read ? found : undefined) };
}

function keyOf(raw: RawObject): string {
  const { namespace, name } = fieldsOf(raw['metadata']);
  return `${String(namespace ?? '')}/${String(name ?? '')}`;
}
