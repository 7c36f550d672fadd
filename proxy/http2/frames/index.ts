export { checkFrameHeader, fault, type FrameFault } from './check.ts';
export * from './constants.ts';
export { FrameReader, type FrameTarget } from './reader.ts';
