import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { createTracer, formatTraceparent, parseTraceparent, parseTracestate, Tracer, type SpanEnd, type TraceSpan } from './index.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

test('traceparent of version 00', (t) => {
  t.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-01`), { traceId, spanId, sampled: true });
  t.is(parseTraceparent(`00-${traceId}-${spanId}-00`)?.sampled, false);
  t.is(parseTraceparent(`00-${traceId}-${spanId}-03`)?.sampled, true);
});

const invalid = [
  '', '00', `00-${traceId}-${spanId}`, `00-${traceId}-${spanId}-01-extra`, `00-${traceId}-${spanId}-1`, `ff-${traceId}-${spanId}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`, `00-${'0'.repeat(32)}-${spanId}-01`, `00-${traceId}-${'0'.repeat(16)}-01`, ` 00-${traceId}-${spanId}-01`,
  `00-${traceId}-${spanId}-01\n`, `00-${traceId}-${spanId}-0g`, `01-${traceId}-${spanId}-01.x`, `01-${traceId}-${spanId}-01-${'x'.repeat(300)}`,
];
for (const value of invalid) {
  test(`traceparent: ${JSON.stringify(value.slice(0, 70))} is invalid`, (t) => {
    t.is(parseTraceparent(value), undefined);
  });
}

test('a later version is read as far as it is known (W3C Trace Context, 4.1)', (t) => {
  t.truthy(parseTraceparent(`01-${traceId}-${spanId}-01`));
  t.truthy(parseTraceparent(`cc-${traceId}-${spanId}-01-what-else`));
});

test('tracestate: members kept in order, empty ones left out, malformed lists dropped whole', (t) => {
  t.is(parseTracestate('rojo=00f067aa0ba902b7, congo=t61rcWkgMzE,'), 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE');
  t.is(parseTracestate('tenant@vendor=x y'), 'tenant@vendor=x y');
  for (const bad of ['', ' ,', 'a', '=b', 'A=b', 'a=b,a=c', 'a=\u0001', 'a=b=c', `a=${'x'.repeat(600)}`, Array.from({ length: 33 }, (_, n) => `k${n}=1`).join(',')]) {
    t.is(parseTracestate(bad), undefined, bad);
  }
});

test('whatever arrives, what is passed on is valid', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789abcdef-'), minLength: 50, maxLength: 60 })), fc.string(), (parent, state) => {
      const span = new Tracer({ sink, sample: 0.5 }).begin(parent, state);
      return parseTraceparent(formatTraceparent(span)) !== undefined;
    }),
  );
  t.pass();
});

const ended: [TraceSpan, SpanEnd][] = [];
const sink = { export: (span: TraceSpan, end: SpanEnd) => void ended.push([span, end]), close: async () => {} };

test('a child keeps trace, decision and state; each span has its own id', (t) => {
  const tracer = new Tracer({ sink, sample: 0 });
  const request = tracer.begin(`00-${traceId}-${spanId}-01`, 'a=b');
  t.like(request, { traceId, parentId: spanId, parent: 'remote', sampled: true, tracestate: 'a=b' });
  const attempt = tracer.attempt(request);
  t.like(attempt, { traceId, parentId: request.spanId, parent: 'local', sampled: true });
  t.is(new Set([spanId, request.spanId, attempt.spanId]).size, 3);
  t.is(tracer.header(attempt), `00-${traceId}-${attempt.spanId}-01`);
});

test('an invalid traceparent starts a new trace without the state', (t) => {
  const span = new Tracer({ sink, sample: 1 }).begin('00-bad', 'a=b');
  t.like(span, { parent: 'none', parentId: undefined, tracestate: undefined, sampled: true });
});

test('the sample decides for new traces only; what is not sampled is not exported', (t) => {
  const end: SpanEnd = { name: 'GET', kind: 'server', startedAt: 0, endedAt: 1, attributes: {}, status: 200 };
  const count = (sample: number, parent?: string) => {
    const tracer = new Tracer({ sink, sample });
    const before = ended.length;
    for (let turn = 0; turn < 400; turn++) tracer.end(tracer.begin(parent, undefined), end);
    return ended.length - before;
  };
  t.is(count(0), 0);
  t.is(count(1), 400);
  t.true(Math.abs(count(0.5) - 200) < 60);
  t.is(count(1, `00-${traceId}-${spanId}-00`), 0);
  t.is(count(0, `00-${traceId}-${spanId}-01`), 400);
});

test('no endpoint: no tracer; an endpoint that is no address is refused', async (t) => {
  t.is(await createTracer({ endpoint: undefined, serviceName: 'x' }), undefined);
  t.is(await createTracer({ endpoint: '', serviceName: 'x' }), undefined);
  await t.throwsAsync(createTracer({ endpoint: 'file:///etc/passwd', serviceName: 'x' }));
  await t.throwsAsync(createTracer({ endpoint: 'nonsense', serviceName: 'x' }));
});

test('spans reach a collector by OTLP', async (t) => {
  const bodies: { url: string | undefined; body: string }[] = [];
  const collector = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      bodies.push({ url: request.url, body });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  t.teardown(() => collector.close().closeAllConnections());
  const counts: unknown[] = [];
  const onSpans = (...count: unknown[]) => void counts.push(count);
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/`;
  const tracer = (await createTracer({ endpoint, serviceName: 'gateway shop/web', resource: { 'k8s.namespace.name': 'shop' }, onSpans }))!;
  const request = tracer.begin(`00-${traceId}-${spanId}-01`, 'a=b');
  const attempt = tracer.attempt(request);
  tracer.end(attempt, { name: 'GET', kind: 'client', startedAt: 1_700_000_000_001, endedAt: 1_700_000_000_002.5, attributes: { 'weft.backend': 'shop/reviews:9080' }, status: 0, failure: 'connect-failed' });
  tracer.end(request, { name: 'GET', kind: 'server', startedAt: 1_700_000_000_000, endedAt: 1_700_000_000_003, attributes: { 'url.path': '/a' }, status: 404 });
  await tracer.close();
  t.is(bodies[0]?.url, '/v1/traces');
  interface Sent { resourceSpans: { resource: { attributes: { key: string; value: object }[] }; scopeSpans: { spans: Record<string, unknown>[] }[] }[] }
  const [{ resource, scopeSpans }] = (JSON.parse(bodies[0]!.body) as Sent).resourceSpans as [Sent['resourceSpans'][0]];
  t.deepEqual(resource.attributes, [{ key: 'service.name', value: { stringValue: 'gateway shop/web' } }, { key: 'k8s.namespace.name', value: { stringValue: 'shop' } }]);
  const [first, second] = scopeSpans[0]!.spans;
  t.like(first, { traceId, spanId: attempt.spanId, parentSpanId: request.spanId, kind: 3, startTimeUnixNano: '1700000000001000000', endTimeUnixNano: '1700000000002500000', status: { code: 2, message: 'connect-failed' } });
  t.like(second, { traceId, spanId: request.spanId, parentSpanId: spanId, kind: 2, status: { code: 0 }, traceState: 'a=b' });
  t.deepEqual(counts, [['exported', 2]]);
});

test('a collector that is not there costs spans, nothing else', async (t) => {
  let lost = 0;
  const tracer = (await createTracer({ endpoint: 'http://127.0.0.1:1', serviceName: 'x', exportTimeout: 100, onSpans: (result, spans) => { lost += result === 'lost' ? spans : 0; } }))!;
  for (let count = 0; count < 10; count++) {
    tracer.end(tracer.begin(undefined, undefined), { name: 'GET', kind: 'server', startedAt: 0, endedAt: 1, attributes: {}, status: 200 });
  }
  const giveUp = new Promise<'late'>((resolve) => setTimeout(resolve, 3000, 'late'));
  t.not(await Promise.race([tracer.close(), giveUp]), 'late');
  t.is(lost, 10);
});

test.serial('spans beyond those that may wait are lost, and counted', async (t) => {
  const counts = { exported: 0, lost: 0 };
  const tracer = (await createTracer({ endpoint: 'http://127.0.0.1:1', serviceName: 'x', exportTimeout: 100, onSpans: (result, spans) => (counts[result] += spans) }))!;
  const all = 5000;
  for (let count = 0; count < all; count++) tracer.end(tracer.begin(undefined, undefined), { name: 'GET', kind: 'server', startedAt: 0, endedAt: 1, attributes: {}, status: 200 });
  // The first batch is under way.
  t.deepEqual(counts, { exported: 0, lost: all - 2048 - 512 });
  await tracer.close();
  // Its end does not wait for all of them.
  for (let round = 0; round < 300 && counts.lost < all; round++) await new Promise((resolve) => setTimeout(resolve, 10));
  t.deepEqual(counts, { exported: 0, lost: all });
});
