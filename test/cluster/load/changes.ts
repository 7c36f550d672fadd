import { KubeConfig } from '@kubernetes/client-node';
import { connectApi, reasonOf, type KubeApi } from '#controller';

/** The API server of KUBECONFIG, without a kubectl process per request. */
export function connect(): KubeApi {
  const config = new KubeConfig();
  config.loadFromDefault();
  return connectApi(config, 'weft-cluster-test');
}

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
}

const plurals: Readonly<Record<string, string>> = { HTTPRoute: 'httproutes', RetryPolicy: 'retrypolicies', TimeoutPolicy: 'timeoutpolicies', Service: 'services', EndpointSlice: 'endpointslices' };

function pathOf({ apiVersion, kind, metadata }: Manifest): string {
  const root = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
  return `${root}/namespaces/${metadata.namespace}/${plurals[kind]}/${metadata.name}`;
}

/** What `kubectl apply --server-side` sends. Throws what the API server says against it. */
export async function applyNow(api: KubeApi, manifest: string): Promise<void> {
  const body = JSON.parse(manifest) as Manifest;
  const { status, body: answer } = await api.send({ method: 'PATCH', path: pathOf(body), query: { fieldManager: 'kubectl', force: 'true' }, contentType: 'application/apply-patch+yaml', body });
  if (status >= 300) throw new Error(`${body.kind} ${body.metadata.name}: ${status} ${reasonOf(answer)}`);
}

export async function removeNow(api: KubeApi, manifest: string): Promise<void> {
  const body = JSON.parse(manifest) as Manifest;
  const { status, body: answer } = await api.send({ method: 'DELETE', path: pathOf(body) });
  if (status >= 300 && status !== 404) throw new Error(`${body.kind} ${body.metadata.name}: ${status} ${reasonOf(answer)}`);
}
