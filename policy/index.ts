export type * from './types.ts';
export { attach } from './attach/attach.ts';
export { describeTarget, policyKey, policyRef, refKey, rootNamespace, targetKey, targetKinds } from './attach/targets.ts';
export { connectionPolicy, settle } from './settle/settle.ts';
export { connectionSteps, gatewayPath, meshPath, type GatewayPathParts, type MeshPathParts, type RouteStep, type ServiceStep } from './settle/paths.ts';
export { describeOrigin } from './settle/leaves.ts';
export { policyApiVersion, policyGroup, policyKinds, type PolicyKind } from './schema/kinds.ts';
