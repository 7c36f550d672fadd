export { outboundPort, startSidecar, type Sidecar, type SidecarOptions } from './sidecar.ts';
export * from './capture/index.ts';
