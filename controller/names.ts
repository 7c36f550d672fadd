/** What users and other programs see of the controller. */
export const controllerName = 'weft-mesh.io/controller';
export const gatewayClassName = 'weft';
export const meshName = 'weft';
/** Policies for GatewayClass and XMesh are taken from this namespace only. */
export const rootNamespace = 'weft-system';

export const gatewayGroup = 'gateway.networking.k8s.io';
export const experimentalGroup = 'gateway.networking.x-k8s.io';
