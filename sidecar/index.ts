export { outboundPort, startSidecar, type Sidecar, type SidecarOptions } from './sidecar.ts';
