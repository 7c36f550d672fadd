export { UdpPort } from './port.ts';
