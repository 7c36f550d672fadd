export { createMesh, formatProblem, type GatewayAddress, type Mesh, type MeshOptions, type MeshProblem, type SidecarAddress } from '#mesh';
export type { ObjectStatus } from '#controller';
