export { startCapture, type Capture, type CaptureOptions } from './capture.ts';
export { linuxOriginalDestination, type Address, type OriginalDestination } from './original-destination.ts';
