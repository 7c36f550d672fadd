import { fieldsOf, reasonOf, type ApiAnswer, type KubeApi } from '../kube/types.ts';
import { managedByLabel, manager } from './names.ts';
import type { Manifest } from './template.ts';

const fieldManager = 'weft';

/** Plural of each kind in the template. */
const collections: Readonly<Record<string, string>> = {
  ServiceAccount: 'serviceaccounts',
  Service: 'services',
  Deployment: 'deployments',
  PodDisruptionBudget: 'poddisruptionbudgets',
};

/** Why something could not be applied. */
export interface ApplyFault {
  readonly message: string;
  /** What its Gateway's condition Programmed is to say; absent where the fault is likely to pass by itself. */
  readonly reason?: 'Invalid' | 'NoResources';
}

export interface ApplyOptions {
  /** Of a Deployment that is made; later on that is not ours to say. */
  readonly replicas: number;
  readonly signal: AbortSignal;
}

/** Creates or changes the objects by server-side apply, in their order; what others set stays. Returns why not, if so. Never rejects. */
export async function applyManifests(api: KubeApi, manifests: readonly Manifest[], options: ApplyOptions): Promise<ApplyFault | undefined> {
  for (const manifest of manifests) {
    const fault = await applyOne(api, manifest, options);
    if (fault !== undefined) return { ...fault, message: `${manifest.kind} ${manifest.metadata.namespace}/${manifest.metadata.name}${fault.message}` };
  }
  return undefined;
}

async function applyOne(api: KubeApi, manifest: Manifest, { replicas, signal }: ApplyOptions): Promise<ApplyFault | undefined> {
  const path = pathOf(manifest);
  const apply = (as: string, body: object): Promise<ApiAnswer> => api.send({ method: 'PATCH', path, query: { fieldManager: as, force: 'true' }, contentType: 'application/apply-patch+yaml', body, signal });
  try {
    const present = await api.send({ path, signal });
    if (present.status === 200 && !isOurs(present.body)) return { message: ` exists and is not ours (label ${managedByLabel}); rename it or the Gateway`, reason: 'Invalid' };
    if (present.status !== 200 && present.status !== 404) return faultOf(present);
    const applied = await apply(fieldManager, manifest);
    if (applied.status >= 300) return faultOf(applied);
    if (manifest.kind !== 'Deployment' || present.status !== 404 || replicas === 1) return undefined;
    // By a manager that never applies it again: as a field of ours it would go back to 1 the next time, when it is left out.
    const { apiVersion, kind, metadata } = manifest;
    const scaled = await apply(`${fieldManager}-initial`, { apiVersion, kind, metadata: { name: metadata.name, namespace: metadata.namespace }, spec: { replicas } });
    return scaled.status >= 300 ? faultOf(scaled) : undefined;
  } catch (error) {
    return { message: `: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** An API server that is overloaded, or in a muddle, is no news for the author of a Gateway. */
function faultOf({ status, body }: ApiAnswer): ApplyFault {
  const message = `: ${status} ${reasonOf(body)}`;
  if (status === 400 || status === 422) return { message, reason: 'Invalid' };
  return status === 403 || status === 404 ? { message, reason: 'NoResources' } : { message };
}

/** Deletes what of it is ours. Returns why not, if so. Never rejects. */
export async function deleteManifests(api: KubeApi, manifests: readonly Manifest[], signal: AbortSignal): Promise<string | undefined> {
  for (const manifest of manifests) {
    const what = `${manifest.kind} ${manifest.metadata.namespace}/${manifest.metadata.name}`;
    try {
      const path = pathOf(manifest);
      const present = await api.send({ path, signal });
      if (present.status === 404 || !isOurs(present.body)) continue;
      const deleted = await api.send({ method: 'DELETE', path, body: { propagationPolicy: 'Background' }, signal });
      if (deleted.status >= 300 && deleted.status !== 404) return `${what}: ${deleted.status} ${reasonOf(deleted.body)}`;
    } catch (error) {
      return `${what}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return undefined;
}

function isOurs(body: unknown): boolean {
  return fieldsOf(fieldsOf(fieldsOf(body)['metadata'])['labels'])[managedByLabel] === manager;
}

function pathOf({ apiVersion, kind, metadata }: Manifest): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return `${root}/namespaces/${metadata.namespace}/${collections[kind] ?? ''}/${metadata.name}`;
}
