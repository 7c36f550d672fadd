import { builtInKinds, readManifests, type KindDefinition, type KindRegistry, type KubernetesObject } from '#crds';
import { policyKinds } from '#policy';
import { controllerName, experimentalGroup, gatewayClassName, gatewayGroup, meshName } from '../names.ts';

/** Every kind that Weft reads: Gateway API, the core kinds and its own policies. */
export const knownKinds: KindRegistry = builtInKinds.with(policyKinds.map((kind) => ({ ...kind, apiVersions: kind.apiVersions as KindDefinition['apiVersions'] })));

const installed = `
apiVersion: ${gatewayGroup}/v1
kind: GatewayClass
metadata: { name: ${gatewayClassName} }
spec: { controllerName: ${controllerName} }
---
apiVersion: ${experimentalGroup}/v1alpha1
kind: XMesh
metadata: { name: ${meshName} }
spec: { controllerName: ${controllerName} }
`;

let objects: readonly KubernetesObject[] | undefined;

/** What an installation of Weft brings into a cluster, for a machine without one. Objects of the user's with these names take their place. */
export function installedObjects(): readonly KubernetesObject[] {
  objects ??= readManifests([{ file: 'installed by weft', text: installed }], knownKinds).objects;
  return objects;
}
