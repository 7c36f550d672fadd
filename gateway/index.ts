export { startGateway, type BoundSocket, type GatewayOptions, type GatewayProxy } from './gateway.ts';
