import { fieldsOf, listPages, type KubeApi } from '#controller';

/** An object of any kind, with what every object has made sure of. */
export interface AnyObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly generation?: number;
  };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status: Readonly<Record<string, unknown>>;
  readonly raw: Readonly<Record<string, unknown>>;
}

export interface Selectors {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** A whole collection. Rejects where it can't be read. */
export async function listAll(api: KubeApi, path: string, selectors: Selectors = {}): Promise<readonly AnyObject[]> {
  const all: AnyObject[] = [];
  await listPages(api, path, { page: 500, timeoutMs: 60_000, signal: AbortSignal.timeout(120_000), ...selectors }, (raw) => all.push(objectOf(raw)));
  return all;
}

export function objectOf(raw: unknown): AnyObject {
  const fields = fieldsOf(raw);
  const { name, namespace, labels, annotations, creationTimestamp, deletionTimestamp, generation } = fieldsOf(fields['metadata']);
  return {
    metadata: {
      name: String(name ?? ''),
      namespace: typeof namespace === 'string' ? namespace : '',
      labels: fieldsOf(labels) as Readonly<Record<string, string>>,
      annotations: fieldsOf(annotations) as Readonly<Record<string, string>>,
      ...(typeof creationTimestamp === 'string' ? { creationTimestamp } : {}),
      ...(typeof deletionTimestamp === 'string' ? { deletionTimestamp } : {}),
      ...(typeof generation === 'number' ? { generation } : {}),
    },
    spec: fieldsOf(fields['spec']),
    status: fieldsOf(fields['status']),
    raw: fields,
  };
}
