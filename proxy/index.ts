export * from './types.ts';
export { createProxy } from './proxy.ts';
export * from './telemetry/index.ts';
export { failures, failureCodes, ProxyError, type Failure, type FailureCode } from './failures.ts';
export { retrySettings, timeoutSettings, type RetrySettings, type TimeoutSettings } from './retry/index.ts';
export * from './control/index.ts';
export * from './process/index.ts';
export { streamChooser, type StreamChooser } from './streams/choose.ts';
export { plainAddress, readClientHello } from './streams/index.ts';
