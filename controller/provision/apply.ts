import { fieldsOf, reasonOf, type KubeApi } from '../kube/types.ts';
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

/** Creates or changes the objects by server-side apply, in their order; what others set stays. Returns why not, if so. Never rejects. */
export async function applyManifests(api: KubeApi, manifests: readonly Manifest[], signal: AbortSignal): Promise<string | undefined> {
  for (const manifest of manifests) {
    const what = `${manifest.kind} ${manifest.metadata.namespace}/${manifest.metadata.name}`;
    try {
      const path = pathOf(manifest);
      const present = await api.send({ path, signal });
      if (present.status === 200 && !isOurs(present.body)) return `${what} exists and is not ours (label ${managedByLabel}); rename it or the Gateway`;
      if (present.status !== 200 && present.status !== 404) return `${what}: ${present.status} ${reasonOf(present.body)}`;
      const applied = await api.send({ method: 'PATCH', path, query: { fieldManager, force: 'true' }, contentType: 'application/apply-patch+yaml', body: manifest, signal });
      if (applied.status >= 300) return `${what}: ${applied.status} ${reasonOf(applied.body)}`;
    } catch (error) {
      return `${what}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  return undefined;
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
