import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { accessLogFields, AccessLog, describeTarget, fileSink, jsonText, streamLogFields, type AccessRecord, type LogSink } from './index.ts';

const record: AccessRecord = {
  id: '0f8fad5b-d9cb-469f-a165-70867728950e', method: 'GET', host: 'shop.example', path: '/a?b=c', status: 200, durationMs: 12.3456, bytesIn: 5, bytesOut: 1024,
  client: '127.0.0.9', endpoint: '10.0.0.1:9080', attempts: 1, failedAttempts: undefined, failure: undefined, failureReason: undefined, traceId: '', protocol: 'HTTP/1.1', grpcStatus: -1,
  target: describeTarget({ source: 'shop/web/http' }),
};
const now = () => Date.UTC(2026, 0, 2, 3, 4, 5, 67);

function memory(): LogSink & { readonly texts: string[] } {
  const texts: string[] = [];
  return { texts, write: async (bytes) => void texts.push(bytes.toString('latin1')), close: async () => {} };
}

async function lineOf(changes: Partial<AccessRecord>): Promise<Record<string, unknown>> {
  const sink = memory();
  const log = new AccessLog({ sink, now });
  log.write({ ...record, ...changes });
  await log.close();
  return JSON.parse(sink.texts.join('')) as Record<string, unknown>;
}

test('a plain request', async (t) => {
  t.deepEqual(await lineOf({}), {
    time: '2026-01-02T03:04:05.067Z', id: record.id, protocol: 'HTTP/1.1', method: 'GET', host: 'shop.example', path: '/a?b=c', status: 200, durationMs: 12.346,
    bytesIn: 5, bytesOut: 1024, client: '127.0.0.9', source: 'shop/web/http', endpoint: '10.0.0.1:9080',
  });
});

test('one that failed: attempts with the reason of each, code, trace, and where each policy field came from', async (t) => {
  const target = describeTarget({
    source: 'mesh/shop', route: { kind: 'HTTPRoute', namespace: 'shop', name: 'reviews' }, rule: 2, backend: 'shop/reviews:9080',
    policy: { origins: { 'retry.maxRetries': { kind: 'RetryPolicy', namespace: 'shop', name: 'foo', stanza: 'override', level: 'Route' } } },
  });
  const failedAttempts = [{ endpoint: '10.0.0.1:9080', why: 'connect-failed', durationMs: 1 }, { endpoint: '10.0.0.2:9080', why: 503, durationMs: 2.5 }] as const;
  const line = await lineOf({ target, status: 503, attempts: 3, failedAttempts, failure: 'retry-budget-exhausted', failureReason: 'spent', traceId: 'ab'.repeat(16), protocol: 'HTTP/2', grpcStatus: 14 });
  t.deepEqual(Object.keys(line), Object.keys(accessLogFields));
  t.like(line, {
    source: 'mesh/shop', route: 'HTTPRoute/shop/reviews', rule: 2, backend: 'shop/reviews:9080',
    policy: { 'retry.maxRetries': 'RetryPolicy/shop/foo (override at Route)' },
    attempts: 3, failedAttempts: [...failedAttempts], failure: 'retry-budget-exhausted', reason: 'spent', traceId: 'ab'.repeat(16),
  });
});

test('a connection whose bytes pass as they are has a line of its own', async (t) => {
  const sink = memory();
  const log = new AccessLog({ sink, now });
  const target = describeTarget({ source: 'shop/gw/tls', route: { kind: 'TLSRoute', namespace: 'shop', name: 'db' }, rule: 0, backend: 'shop/db:5432' });
  const common = { protocol: 'tls', durationMs: 1.5, bytesIn: 5, bytesOut: 7, client: '127.0.0.9', target } as const;
  log.writeStream({ ...common, serverName: 'db.example', endpoint: '10.0.0.1:5432', attempts: 2, failure: 'connect-failed', failureReason: 'ECONNREFUSED' });
  log.writeStream({ ...common, serverName: '', endpoint: '', attempts: 0, failure: undefined, failureReason: undefined });
  await log.close();
  const [full, bare] = sink.texts.join('').trim().split('\n').map((text) => JSON.parse(text) as Record<string, unknown>);
  t.deepEqual(Object.keys(full!), Object.keys(streamLogFields));
  t.like(full, { protocol: 'tls', serverName: 'db.example', route: 'TLSRoute/shop/db', backend: 'shop/db:5432', attempts: 2, failure: 'connect-failed' });
  t.deepEqual(Object.keys(bare!), ['time', 'protocol', 'durationMs', 'bytesIn', 'bytesOut', 'client', 'source', 'route', 'rule', 'backend']);
});

test('whatever a client sends stays one line of valid JSON, in ASCII', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 60 }), async (path, host) => {
      const sink = memory();
      const log = new AccessLog({ sink, now });
      log.write({ ...record, path, host, durationMs: NaN });
      await log.close();
      const text = sink.texts.join('');
      const parsed = JSON.parse(text) as Record<string, unknown>;
      return /^[ -~]+\n$/.test(text) && parsed['path'] === path && parsed['host'] === host;
    }),
  );
  t.pass();
});

test('numbers stand as JSON has them, and a path is the same as text and as bytes', async (t) => {
  const integer = fc.oneof(fc.nat(), fc.nat(1200), fc.maxSafeNat());
  await fc.assert(
    fc.asyncProperty(integer, integer, fc.nat(70_000_000), fc.uint8Array({ maxLength: 1100 }), async (bytesIn, status, micros, bytes) => {
      const path = Buffer.from(bytes).toString('latin1');
      const common = { bytesIn, status, durationMs: micros / 1000 };
      const line = await lineOf({ ...common, path });
      t.like(line, common);
      const padded = Buffer.concat([Buffer.from('GET '), bytes, Buffer.from(' HTTP/1.1')]);
      t.deepEqual(await lineOf({ ...common, path: 'not looked at', pathBytes: { bytes: padded, targetStart: 4, targetEnd: 4 + bytes.length } }), line);
    }),
  );
});

test('lines of any length fit, in order', async (t) => {
  const sink = memory();
  const log = new AccessLog({ sink, now });
  const target = `,"source":"${'s'.repeat(200_000)}"`;
  const failedAttempts = Array.from({ length: 300 }, () => ({ endpoint: '\u0000'.repeat(100), why: 'connect-failed', durationMs: 1 }) as const);
  for (let count = 0; count < 300; count++) log.write({ ...record, bytesIn: count, ...(count % 100 === 7 ? { target } : {}), ...(count % 100 === 9 ? { failedAttempts } : {}) });
  await log.close();
  const lines = sink.texts.join('').trim().split('\n').map((text) => JSON.parse(text) as { readonly bytesIn: number; readonly source: string; readonly failedAttempts?: readonly unknown[] });
  t.deepEqual(lines.map(({ bytesIn }) => bytesIn), Array.from({ length: 300 }, (_, count) => count));
  t.is(lines[107]!.source.length, 200_000);
  t.is(lines[209]!.failedAttempts!.length, 300);
});

test('an escape equals JSON.stringify, once read', (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => JSON.parse(jsonText(text)) === text));
  t.is(jsonText('"\\\n\u2028é'), '"\\"\\\\\\u000a\\u2028\\u00e9"');
});

test('long texts are cut', async (t) => {
  const { path } = await lineOf({ path: `/${'"'.repeat(100_000)}` });
  t.is(path, `/${'"'.repeat(1023)}…`);
});

test('lines wait for a batch: 64 KiB, or a quarter of a second', async (t) => {
  const sink = memory();
  const log = new AccessLog({ sink, now });
  log.write(record);
  await Promise.resolve();
  t.is(sink.texts.length, 0);
  while (sink.texts.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  t.is(sink.texts.length, 1);
  for (let count = 0; count < 400; count++) log.write(record);
  await new Promise((resolve) => setImmediate(resolve));
  t.is(sink.texts.length, 2);
  t.true(sink.texts[1]!.length >= 65_536);
  await log.close();
  t.is(sink.texts.join('').trim().split('\n').length, 401);
});

test('a sink that fails costs lines, which are counted, and nothing else', async (t) => {
  for (const code of ['EPIPE', 'ENOSPC']) {
    const counted: Record<string, number> = {};
    const sink: LogSink = { write: () => Promise.reject(Object.assign(new Error(code), { code })), close: async () => {} };
    const log = new AccessLog({ sink, now, onLines: (result, lines) => (counted[result] = (counted[result] ?? 0) + lines) });
    log.write(record);
    log.write(record);
    await log.flush();
    log.write(record);
    await log.close();
    t.is(log.dropped, 3);
    t.deepEqual(counted, { dropped: 3 });
  }
});

test('behind a sink that stands still the backlog is bounded', async (t) => {
  let open = () => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  let written = 0;
  const sink: LogSink = { write: async (bytes) => { await gate; written += bytes.length; }, close: async () => {} };
  const log = new AccessLog({ sink, now });
  for (let count = 0; count < 40_000; count++) log.write(record);
  t.true(log.dropped > 0);
  const dropped = log.dropped;
  open();
  await log.close();
  t.is(log.dropped, dropped);
  t.true(written > 4 * 1024 * 1024 && written < 5 * 1024 * 1024);
});

test('a sample leaves out successes, never failures', async (t) => {
  const sink = memory();
  const log = new AccessLog({ sink, now, sample: 0.1, random: () => 0.5 });
  log.write(record);
  log.write({ ...record, status: 502 });
  log.write({ ...record, status: 404, failure: 'no-route' });
  await log.close();
  t.is(sink.texts.join('').trim().split('\n').length, 2);
});

test('a file gets whole lines in order; one that can not be opened costs lines only', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-log-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'access.log');
  const log = new AccessLog({ sink: fileSink(path), now });
  for (let count = 0; count < 1000; count++) log.write({ ...record, status: 200 + (count % 100) });
  await log.close();
  const written = readFileSync(path, 'latin1').trim().split('\n').map((text) => (JSON.parse(text) as { status: number }).status);
  t.deepEqual(written, Array.from({ length: 1000 }, (_, count) => 200 + (count % 100)));
  const lost = new AccessLog({ sink: fileSink(join(folder, 'no', 'such', 'folder')), now });
  lost.write(record);
  await lost.close();
  t.is(lost.dropped, 1);
});
