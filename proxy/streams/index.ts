export { plainAddress } from './address.ts';
export { normalServerName, readClientHello } from './client-hello.ts';
export { chooseStream, openStream, passingSettings, StreamConnection, type StreamTimes, type StreamWay } from './connection.ts';
export type { Joined } from './dial.ts';
export { Ledger } from './ledger.ts';
export { decodeErrorAlert, peekHello, type Peeked } from './peek.ts';
export { StreamRouting } from './routing.ts';
export { reset, Splice } from './splice.ts';
export { UdpPort } from './udp/index.ts';
