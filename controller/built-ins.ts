import type { ClusterState, GatewayClass, XMesh } from '#crds';
import { memoByMap } from './memo.ts';
import { controllerName, gatewayClassName, meshName } from './names.ts';

const gatewayClass: GatewayClass = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GatewayClass',
  metadata: { name: gatewayClassName, namespace: '' },
  spec: { controllerName },
  status: { conditions: [] },
};

const mesh: XMesh = {
  apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
  kind: 'XMesh',
  metadata: { name: meshName, namespace: '' },
  spec: { controllerName },
  status: { conditions: [] },
};

/** The state with GatewayClass `weft` and XMesh `weft`, which need not be written down. */
export function withBuiltIns(state: ClusterState): ClusterState {
  const gatewayClasses = withClass(state.gatewayClasses);
  const meshes = withMesh(state.meshes);
  return gatewayClasses === state.gatewayClasses && meshes === state.meshes ? state : { ...state, gatewayClasses, meshes };
}

const withClass = memoByMap((classes: ClusterState['gatewayClasses']) => (classes.has(gatewayClassName) ? classes : new Map(classes).set(gatewayClassName, gatewayClass)));
const withMesh = memoByMap((meshes: ClusterState['meshes']) => (meshes.has(meshName) ? meshes : new Map(meshes).set(meshName, mesh)));

/** The objects that `withBuiltIns` adds; nobody wrote them, so nobody wants their status. */
export function isBuiltIn(object: unknown): boolean {
  return object === gatewayClass || object === mesh;
}
