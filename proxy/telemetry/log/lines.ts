import { uuidLength } from '../ids.ts';
import { bytesOf, type LineBuffer } from './line.ts';
import type { AccessRecord, FailedAttempt, StreamRecord } from './record.ts';

const caps = { id: 128, method: 32, host: 256, path: 1024, client: 64, endpoint: 64, serverName: 256, reason: 256, traceId: 32 } as const;
/** What an escaped character takes. */
const escapedBytes = 6;
/** More than any line has beside its target and the attempts that failed: names and numbers, and each text escaped whole. */
const ownBytes = 1024 + escapedBytes * Object.values(caps).reduce((sum, cap) => sum + cap, 0);
const failedAttemptBytes = 128 + escapedBytes * caps.endpoint;

/** Bytes that a line may take at most. */
export function boundOf(record: AccessRecord | StreamRecord): number {
  const failed = 'failedAttempts' in record ? (record.failedAttempts?.length ?? 0) : 0;
  return ownBytes + record.target.length + failed * failedAttemptBytes;
}

/** Of a line whose target has its usual size and whose attempts none failed: the least capacity of a buffer. */
export const usualBound = ownBytes + 4096;

const name = (member: string): Uint8Array => bytesOf(`,"${member}":`);
const id = name('id');
const protocols = { 'HTTP/1.0': bytesOf(',"protocol":"HTTP/1.0","method":'), 'HTTP/1.1': bytesOf(',"protocol":"HTTP/1.1","method":'), 'HTTP/2': bytesOf(',"protocol":"HTTP/2","method":') } as const;
const streamProtocols = { tcp: bytesOf(',"protocol":"tcp"'), tls: bytesOf(',"protocol":"tls"'), udp: bytesOf(',"protocol":"udp"') } as const;
const host = name('host');
const path = name('path');
const status = name('status');
const grpcStatus = name('grpcStatus');
const durationMs = name('durationMs');
const bytesIn = name('bytesIn');
const bytesOut = name('bytesOut');
const client = name('client');
const endpoint = name('endpoint');
const attempts = name('attempts');
const failedAttempts = bytesOf(',"failedAttempts":[');
const failedEndpoint = bytesOf('{"endpoint":');
const why = name('why');
const failure = bytesOf(',"failure":"');
const reason = name('reason');
const traceId = name('traceId');
const serverName = name('serverName');
const quote = bytesOf('"');
const comma = bytesOf(',');
const brace = bytesOf('}');
const bracket = bytesOf(']');
const lineEnd = bytesOf('}\n');

/** All of a request's line but its beginning, which is the clock's. */
export function putLine(to: LineBuffer, record: AccessRecord): void {
  to.constant(id);
  const { idBytes } = record;
  if (idBytes === undefined) to.json(record.id, caps.id);
  else to.jsonBytes(idBytes.uuids, idBytes.uuidStart, idBytes.uuidStart + uuidLength, caps.id);
  to.constant(protocols[record.protocol]);
  to.json(record.method, caps.method);
  to.constant(host);
  to.json(record.host, caps.host);
  to.constant(path);
  const { pathBytes } = record;
  if (pathBytes === undefined) to.json(record.path, caps.path);
  else to.jsonBytes(pathBytes.bytes, pathBytes.targetStart, pathBytes.targetEnd, caps.path);
  to.constant(status);
  to.decimal(record.status);
  if (record.grpcStatus >= 0) {
    to.constant(grpcStatus);
    to.decimal(record.grpcStatus);
  }
  putAmounts(to, record);
  if (record.attempts !== 1) {
    to.constant(attempts);
    to.decimal(record.attempts);
  }
  if (record.failedAttempts !== undefined) putFailedAttempts(to, record.failedAttempts);
  putFailure(to, record);
  if (record.traceId !== '') {
    to.constant(traceId);
    to.json(record.traceId, caps.traceId);
  }
  to.constant(lineEnd);
}

/** The same of a connection whose bytes pass as they are, or a UDP flow. */
export function putStreamLine(to: LineBuffer, record: StreamRecord): void {
  to.constant(streamProtocols[record.protocol]);
  if (record.serverName !== '') {
    to.constant(serverName);
    to.json(record.serverName, caps.serverName);
  }
  putAmounts(to, record);
  if (record.attempts > 1) {
    to.constant(attempts);
    to.decimal(record.attempts);
  }
  putFailure(to, record);
  to.constant(lineEnd);
}

/** What both have between status and attempts. */
function putAmounts(to: LineBuffer, record: AccessRecord | StreamRecord): void {
  to.constant(durationMs);
  to.milliseconds(record.durationMs);
  to.constant(bytesIn);
  to.decimal(record.bytesIn);
  to.constant(bytesOut);
  to.decimal(record.bytesOut);
  to.constant(client);
  to.json(record.client, caps.client);
  to.ascii(record.target);
  if (record.endpoint === '') return;
  to.constant(endpoint);
  to.json(record.endpoint, caps.endpoint);
}

function putFailure(to: LineBuffer, record: AccessRecord | StreamRecord): void {
  if (record.failure !== undefined) {
    to.constant(failure);
    to.ascii(record.failure);
    to.constant(quote);
  }
  if (record.failureReason === undefined) return;
  to.constant(reason);
  to.json(record.failureReason, caps.reason);
}

function putFailedAttempts(to: LineBuffer, failed: readonly FailedAttempt[]): void {
  to.constant(failedAttempts);
  for (const [index, attempt] of failed.entries()) {
    if (index > 0) to.constant(comma);
    to.constant(failedEndpoint);
    to.json(attempt.endpoint, caps.endpoint);
    to.constant(why);
    if (typeof attempt.why === 'number') to.decimal(attempt.why);
    else to.json(attempt.why, attempt.why.length);
    to.constant(durationMs);
    to.milliseconds(attempt.durationMs);
    to.constant(brace);
  }
  to.constant(bracket);
}
