import type { FailureCode } from '../failures.ts';
import { failures } from '../failures.ts';
import type { Fields } from '../codec/index.ts';
import { failureHeader, type Reply } from './replies.ts';

/** gRPC over HTTP/2: a request's outcome is in `grpc-status`, behind the response or, where there is nothing else, in its head. */

export const grpcStatus = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

const lastStatus = 16;

/** By failure, where it is not what the HTTP status says. GRPCRoute: no route is UNIMPLEMENTED, an invalid backend UNAVAILABLE. */
const byFailure: Partial<Record<FailureCode, number>> = {
  'no-backends': grpcStatus.unavailable,
  'invalid-backend': grpcStatus.unavailable,
  'invalid-rule': grpcStatus.unavailable,
  'misdirected-request': grpcStatus.unavailable,
  'connect-timeout': grpcStatus.unavailable,
  'per-try-timeout': grpcStatus.deadlineExceeded,
  'request-timeout': grpcStatus.deadlineExceeded,
  'stream-idle-timeout': grpcStatus.deadlineExceeded,
  'header-timeout': grpcStatus.deadlineExceeded,
  'bad-response': grpcStatus.internal,
  'response-too-large-head': grpcStatus.internal,
  // Not to be tried again before something is put right; no condition of retries names it, as none has 508.
  'loop-detected': grpcStatus.failedPrecondition,
  'internal-error': grpcStatus.internal,
  'head-too-large': grpcStatus.resourceExhausted,
  'target-too-long': grpcStatus.resourceExhausted,
  'connect-refused-method': grpcStatus.unimplemented,
};

/** gRPC's "HTTP to gRPC Status Code Mapping". */
const byHttp: Readonly<Record<number, number>> = {
  400: grpcStatus.internal,
  401: grpcStatus.unauthenticated,
  403: grpcStatus.permissionDenied,
  404: grpcStatus.unimplemented,
  429: grpcStatus.unavailable,
  502: grpcStatus.unavailable,
  503: grpcStatus.unavailable,
  504: grpcStatus.unavailable,
};

export function grpcStatusOf(code: FailureCode): number {
  return byFailure[code] ?? byHttp[failures[code].status] ?? grpcStatus.unknown;
}

/** A failure as gRPC wants to hear of it: a response of trailers alone ("Trailers-Only"). */
export function grpcReply(code: FailureCode): Reply {
  return { status: 200, headers: [{ name: 'content-type', value: 'application/grpc' }, ...grpcTrailers(code)], body: '' };
}

/** The same behind messages that have gone out: no response whose status is not OK is taken for complete. */
export function grpcTrailers(code: FailureCode): Reply['headers'] {
  return [
    { name: 'grpc-status', value: String(grpcStatusOf(code)) },
    { name: 'grpc-message', value: percentEncoded(failures[code].text) },
    { name: failureHeader, value: code },
  ];
}

/** `grpc-status` of a head or of trailers; -1 where there is none that is valid. */
export function statusIn(fields: Fields, bytes: Buffer): number {
  for (let index = 0; index < fields.count; index++) {
    if (!fields.isNamed(bytes, index, 'grpc-status')) continue;
    const start = fields.valueStart(index);
    const length = fields.valueEnd(index) - start;
    let status = length === 1 || length === 2 ? 0 : -1;
    for (let p = start; p < start + length && status >= 0; p++) {
      const digit = bytes[p]! - 48;
      status = digit >= 0 && digit <= 9 ? 10 * status + digit : -1;
    }
    return status <= lastStatus ? status : -1;
  }
  return -1;
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };

/** `grpc-timeout` in milliseconds; Infinity where it says nothing that is valid. */
export function grpcTimeout(text: string | undefined): number {
  const parts = text === undefined ? null : /^([0-9]{1,8})([HMSmun])$/.exec(text);
  return parts === null ? Infinity : Number(parts[1]) * unitMs[parts[2]!]!;
}

/** Printable ASCII but for `%` stays as it is. */
function percentEncoded(text: string): string {
  return text.replace(/[^ -$&-~]/g, (character) => encodeURIComponent(character));
}
