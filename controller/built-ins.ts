import type { ClusterState, GatewayClass, XMesh } from '#crds';
import { runSteps, Pace, type Steps } from '#snapshot';
import { withIngressesInSteps } from './graph/ingress/expand.ts';
import { withImports } from './graph/imports/expand.ts';
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

/** The state with what need not be written down: GatewayClass `weft` and XMesh `weft`, and what Ingresses and ServiceImports mean in the words of Gateway API. */
export function withBuiltIns(written: ClusterState): ClusterState {
  return runSteps(withBuiltInsInSteps(written, new Pace()));
}

/** `withBuiltIns`, giving way; that has the result at hand afterwards. */
export function* withBuiltInsInSteps(written: ClusterState, pace: Pace): Steps<ClusterState> {
  const state = withImports(yield* withIngressesInSteps(written, pace));
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
