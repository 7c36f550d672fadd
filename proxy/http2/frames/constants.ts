/** RFC 9113, 6. */
export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = {
  endStream: 0x1,
  ack: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

/** RFC 9113, 7. */
export const errorCode = {
  none: 0x0,
  protocol: 0x1,
  internal: 0x2,
  flowControl: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSize: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compression: 0x9,
  connect: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

/** Of the specification's codes, or whatever a peer sends. */
export type ErrorCode = number;

/** RFC 9113, 6.5.2; RFC 8441. */
export const setting = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
  enableConnectProtocol: 0x8,
} as const;

export const frameHeaderBytes = 9;
/** What everybody must take, and all that we send and take: larger frames would only hold up other streams. */
export const maxFrameBytes = 16_384;
export const initialWindow = 65_535;
export const maxWindow = 0x7fffffff;
export const maxStreamId = 0x7fffffff;

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Whether a connection begins as HTTP/2 does; `short` where the bytes do not tell yet. For ports that speak both. */
export function matchPreface(bytes: Uint8Array, start: number, end: number): 'http2' | 'other' | 'short' {
  const length = Math.min(preface.length, end - start);
  for (let offset = 0; offset < length; offset++) if (bytes[start + offset] !== preface[offset]) return 'other';
  return length === preface.length ? 'http2' : 'short';
}
