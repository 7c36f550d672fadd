export { encodeFrame, FrameReader, type Frame, type FrameTaker, type FrameType } from './frames.ts';
export { maxHello, WireChannel, type WireOptions } from './channel.ts';
export { decodeHello, streamAudience, wireVersion, type Hello } from './hello.ts';
