export { plainAddress } from './address.ts';
export { normalServerName, readClientHello } from './client-hello.ts';
export { chooseStream, lifetimeOf, openStream, passingSettings, StreamConnection, type StreamWay } from './connection.ts';
export type { Joined } from './dial.ts';
export { Ledger } from './ledger.ts';
export { decodeErrorAlert, peekHello, type Peeked } from './peek.ts';
export { StreamRouting, type StreamTimes } from './routing.ts';
export { endless, Splice } from './splice.ts';
export { UdpPort } from './udp/index.ts';
