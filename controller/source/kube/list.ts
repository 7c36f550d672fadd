import { ApiError, fieldsOf, type KubeApi } from '../../kube/types.ts';

/** An object as the API server wrote it. */
export type RawObject = Readonly<Record<string, unknown>>;

export interface ListOptions {
  /** Objects asked for in one answer. */
  readonly page: number;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  /** For one page. Milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Reads a whole collection, page by page, and returns the version to watch it from. Rejects where a page can't be had. */
export async function listPages(api: KubeApi, path: string, { page, fieldSelector, labelSelector, timeoutMs, signal }: ListOptions, each: (raw: RawObject) => void): Promise<string> {
  let token = '';
  for (;;) {
    const query = { limit: String(page), ...(token === '' ? {} : { continue: token }), ...(fieldSelector === undefined ? {} : { fieldSelector }), ...(labelSelector === undefined ? {} : { labelSelector }) };
    const answer = await api.send({ path, query, signal, timeoutMs });
    if (answer.status !== 200) throw new ApiError(`list of ${path}`, answer);
    const { items, metadata } = fieldsOf(answer.body);
    const { resourceVersion, continue: next } = fieldsOf(metadata);
    if (!(Array.isArray(items) || items === null) || typeof resourceVersion !== 'string') throw new Error(`list of ${path}: not a list`);
    for (const item of items ?? []) each(fieldsOf(item));
    if (typeof next !== 'string' || next === '') return resourceVersion;
    token = next;
  }
}
