import type { KindDefinition } from '#crds';
import { ApiError, fieldsOf, type KubeApi } from '../../kube/types.ts';

/** Where the API server serves a kind. */
export interface Location {
  /** `v1`, `gateway.networking.k8s.io/v1`: the first of the kind's versions that is served. */
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

/** Undefined where the server has no such kind (its CRD is not installed). Rejects where that can't be told. */
export async function locateKind(api: KubeApi, definition: KindDefinition, signal: AbortSignal): Promise<Location | undefined> {
  for (const apiVersion of definition.apiVersions) {
    const answer = await api.send({ path: rootOf(apiVersion), signal });
    if (answer.status === 404) continue;
    if (answer.status !== 200) throw new ApiError(`GET ${rootOf(apiVersion)}`, answer);
    const { resources } = fieldsOf(answer.body);
    const found = (Array.isArray(resources) ? resources.map(fieldsOf) : []).find(({ kind, name }) => kind === definition.kind && typeof name === 'string' && !name.includes('/'));
    if (found !== undefined) return { apiVersion, plural: String(found['name']), namespaced: found['namespaced'] === true };
  }
  return undefined;
}

/** The same without asking for the kinds that every server has and that are read in great number one by one. */
export async function locateReferred(api: KubeApi, definition: KindDefinition, signal: AbortSignal): Promise<Location | undefined> {
  const { kind } = definition;
  return kind === 'Secret' || kind === 'ConfigMap' ? { apiVersion: 'v1', plural: `${kind.toLowerCase()}s`, namespaced: true } : locateKind(api, definition, signal);
}

/** The path of a collection, or of one object in it. */
export function pathOf({ apiVersion, plural, namespaced }: Location, { namespace = '', name = '' }: { readonly namespace?: string; readonly name?: string } = {}): string {
  const scope = namespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${rootOf(apiVersion)}${scope}/${plural}${name === '' ? '' : `/${encodeURIComponent(name)}`}`;
}

function rootOf(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}
