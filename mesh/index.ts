export { createMesh } from './main.ts';
export { startMesh } from './mesh.ts';
export { formatProblem, type MeshProblem } from './problems.ts';
export type { Edit, GatewayAddress, Mesh, MeshEnvironment, MeshOptions, SidecarAddress } from './types.ts';
