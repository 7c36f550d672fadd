import { errorCode, flag, frameType, maxFrameBytes, type ErrorCode } from './constants.ts';

/** What is wrong with a connection; one object for each fault there is. */
export interface FrameFault {
  readonly code: ErrorCode;
  readonly reason: string;
}

const tooLarge = fault(errorCode.frameSize, 'frame-too-large');
const badSize = fault(errorCode.frameSize, 'frame-size');
const needsStream = fault(errorCode.protocol, 'stream-missing');
const needsConnection = fault(errorCode.protocol, 'stream-unexpected');
const push = fault(errorCode.protocol, 'push');

/** Size, and whether it is for a stream or the connection (RFC 9113, 4.2 and 6). Frames of unknown types are only bounded in size. */
export function checkFrameHeader(type: number, flags: number, length: number, id: number): FrameFault | undefined {
  if (length > maxFrameBytes) return tooLarge;
  switch (type) {
    case frameType.data:
    case frameType.headers: {
      if (id === 0) return needsStream;
      const least = ((flags & flag.padded) === 0 ? 0 : 1) + (type === frameType.headers && (flags & flag.priority) !== 0 ? 5 : 0);
      return length < least ? badSize : undefined;
    }
    case frameType.priority:
      // A wrong size is the stream's fault, not the connection's.
      return id === 0 ? needsStream : undefined;
    case frameType.reset:
      if (id === 0) return needsStream;
      return length === 4 ? undefined : badSize;
    case frameType.windowUpdate:
      return length === 4 ? undefined : badSize;
    case frameType.continuation:
      return id === 0 ? needsStream : undefined;
    case frameType.settings:
      if (id !== 0) return needsConnection;
      return ((flags & flag.ack) === 0 ? length % 6 : length) === 0 ? undefined : badSize;
    case frameType.ping:
      if (id !== 0) return needsConnection;
      return length === 8 ? undefined : badSize;
    case frameType.goaway:
      if (id !== 0) return needsConnection;
      return length >= 8 ? undefined : badSize;
    case frameType.pushPromise:
      // Nobody may send one: clients never, and servers not to us, for we say that we take none.
      return push;
    default:
      return undefined;
  }
}

/** A fault of the whole connection. */
export function fault(code: ErrorCode, reason: string): FrameFault {
  return { code, reason };
}
