import { open } from 'node:fs/promises';
import test from 'ava';
import fc from 'fast-check';
import { createExposition, families } from './exposition.ts';
import { seriesFamilies } from './families.ts';
import { exposedBounds, latencyCell, latencyCellEnd, latencyCells } from './layout.ts';
import { Metrics, type SeriesLabels } from './metrics.ts';

const labels = (routeName: string, backend = 'shop/reviews:9080'): SeriesLabels => ({
  source: 'shop/web/http', routeKind: 'HTTPRoute', routeNamespace: 'shop', routeName, rule: '0', backend,
});
const lines = async (metrics: Metrics) => (await createExposition(metrics)()).body.split('\n');
const common = 'route_kind="HTTPRoute",route_namespace="shop"';

test('a latency lies in the cell it is counted in', (t) => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 200_000, noNaN: true }), (ms) => {
      const cell = latencyCell(ms);
      return cell >= 0 && cell < latencyCells && ms < latencyCellEnd(cell) && (cell === 0 || ms >= latencyCellEnd(cell - 1));
    }),
  );
  for (const odd of [NaN, -1, Infinity, 1e300]) t.true(latencyCell(odd) >= 0 && latencyCell(odd) < latencyCells);
  t.is(exposedBounds[0], 0.0005);
  t.is(exposedBounds.at(-1), 65.536);
});

const onLinux = process.platform === 'linux' ? test.serial : test.serial.skip;
onLinux('descriptors that are open, and how many there may be', async (t) => {
  const metrics = new Metrics();
  const of = async (name: string): Promise<number> => Number((await lines(metrics)).find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
  const before = await of('weft_open_files');
  const opened = await Promise.all(Array.from({ length: 300 }, () => open(import.meta.filename)));
  t.true((await of('weft_open_files')) >= before + 250);
  t.true((await of('weft_open_files_limit')) > before + 300);
  await Promise.all(opened.map((file) => file.close()));
});

test('requests, bytes and durations by series', async (t) => {
  const metrics = new Metrics();
  const series = metrics.series(labels('reviews'));
  for (const [status, ms] of [[200, 1.2], [200, 3], [503, 40]] as const) {
    metrics.began(series);
    metrics.observe(series, status, ms, 10, 100);
  }
  metrics.began(series);
  const page = await lines(metrics);
  const of = (name: string, rest = '') => page.find((each) => each.startsWith(name) && each.includes(rest) && !each.startsWith('#'))?.split(' ').at(-1);
  t.is(of('weft_requests_total', 'status="200"'), '2');
  t.is(of('weft_requests_total', 'status="503"'), '1');
  t.is(of('weft_requests_active'), '1');
  t.is(of('weft_request_bytes_total'), '30');
  t.is(of('weft_response_bytes_total'), '300');
  t.is(of('weft_request_duration_seconds_bucket', 'le="0.002"'), '1');
  t.is(of('weft_request_duration_seconds_bucket', 'le="0.004"'), '2');
  t.is(of('weft_request_duration_seconds_bucket', 'le="0.064"'), '3');
  t.is(of('weft_request_duration_seconds_bucket', 'le="+Inf"'), '3');
  t.is(of('weft_request_duration_seconds_count'), '3');
  t.is(of('weft_request_duration_seconds_sum'), '0.0442');
  t.true(page.some((each) => each.includes(common) && each.includes('source="shop/web/http"') && each.includes('route_name="reviews",rule="0",backend="shop/reviews:9080"')));
});

test('the buckets of a histogram never fall, and the last is the count', (t) => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 50 }), (durations) => {
      const metrics = new Metrics();
      const series = metrics.series(labels('reviews'));
      for (const ms of durations) metrics.observe(series, 200, ms, 0, 0);
      const text = seriesFamilies.find(({ name }) => name === 'weft_request_duration_seconds')!.lines(metrics, series);
      const buckets = [...text.matchAll(/_bucket\{le="([^"]+)".*\} ([0-9]+)/g)].map(([, le, value]) => ({ bound: le === '+Inf' ? Infinity : Number(le) * 1000, value: Number(value) }));
      return (
        buckets.length === exposedBounds.length + 1 &&
        buckets.every(({ bound, value }, index) => value >= (buckets[index - 1]?.value ?? 0) && value === durations.filter((ms) => ms < bound).length) &&
        text.includes(`_count{source="shop/web/http",route_kind="HTTPRoute",route_namespace="shop",route_name="reviews",rule="0",backend="shop/reviews:9080"} ${durations.length}\n`)
      );
    }),
    { numRuns: 50 },
  );
  t.pass();
});

test('failures, retries, mirrors, process counters and gauges', async (t) => {
  const metrics = new Metrics();
  const series = metrics.series(labels('reviews'));
  metrics.observe(series, 503, 1, 0, 0);
  metrics.failed(series, 'connect-failed');
  metrics.failed(series, 'connect-failed');
  metrics.retried(series, 'made');
  metrics.retried(series, 'over-budget');
  metrics.mirrored(series, 'sent');
  metrics.count('client_tls_handshakes');
  metrics.move('client_connections_active', 2);
  metrics.move('client_connections_active', -1);
  metrics.set('control_plane_connected', 1);
  const page = (await lines(metrics)).join('\n');
  t.regex(page, /weft_failures_total\{code="connect-failed",.*\} 2/);
  t.regex(page, /weft_retries_total\{result="made",.*\} 1/);
  t.regex(page, /weft_retries_total\{result="over-budget",.*\} 1/);
  t.regex(page, /weft_mirrored_requests_total\{result="sent",.*\} 1/);
  t.regex(page, /^weft_client_tls_handshakes_total 1$/m);
  t.regex(page, /^weft_client_connections_active 1$/m);
  t.regex(page, /^weft_control_plane_connected 1$/m);
});

test('every line of the page is one that Prometheus reads, whatever a name holds', async (t) => {
  const metrics = new Metrics();
  metrics.observe(metrics.series({ ...labels('a"b\\c\nd'), rule: 'x'.repeat(9999) }), 200, 1, 0, 0);
  for (const each of await lines(metrics)) {
    t.true(each.length < 3000);
    t.regex(each, /^$|^# (HELP|TYPE) weft_[a-z_]+ .*$|^weft_[a-z_]+(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? [0-9.e+-]+$/);
  }
});

test('names follow the conventions: prefix, base units, counters end in _total', (t) => {
  const names = families.map(({ name }) => name);
  t.is(new Set(names).size, names.length);
  for (const { name, type, help } of families) {
    t.regex(name, /^weft_[a-z_]+$/);
    t.is(name.endsWith('_total'), type === 'counter', name);
    t.notRegex(name, /_(ms|milliseconds|kb)(_|$)/);
    t.regex(help, /^[ -~]+\.$/);
  }
});

test('what is configured but never used is not exposed', async (t) => {
  const metrics = new Metrics();
  metrics.series(labels('unused'));
  t.false((await lines(metrics)).some((each) => each.includes('unused')));
});

test('equal labels are one series; beyond the limit all share one; a released place is used again only then', async (t) => {
  const metrics = new Metrics({ maxSeries: 3 });
  const [a, b, c] = [metrics.series(labels('a')), metrics.series(labels('b')), metrics.series(labels('c'))];
  t.is(metrics.series(labels('a')), a);
  metrics.release(a);
  const other = metrics.series(labels('d'));
  t.is(metrics.series(labels('e')), other);
  metrics.observe(b, 200, 1, 0, 0);
  metrics.began(c);
  metrics.release(b);
  metrics.release(c);
  t.is(metrics.requests(b), 1);
  t.is(metrics.series(labels('f')), b);
  t.is(metrics.requests(b), 0);
  // c has a request in flight, so its place is not given away.
  t.is(metrics.series(labels('g')), other);
  // Nor that of a, which has one user left.
  // And a name that is wanted again is no longer released.
  t.is(metrics.series(labels('c')), c);
});

test('ten minutes after its route is gone a series leaves the page, unless the route comes back or a request is in flight', async (t) => {
  const metrics = new Metrics();
  let now = 0;
  const page = createExposition(metrics, () => now);
  const shown = async (): Promise<readonly string[]> => [...new Set([...(await page()).body.matchAll(/^weft_requests_total\{.*route_name="([^"]*)"/gm)].map(([, name]) => name!))];
  const of = (name: string): number => {
    const series = metrics.series(labels(name));
    metrics.began(series);
    metrics.observe(series, 200, 1, 0, 0);
    return series;
  };
  const all = ['stays', 'gone', 'back', 'busy'].map(of);
  metrics.began(all[3]!);
  const names = await shown();
  for (const series of all.slice(1)) metrics.release(series);
  t.deepEqual(await shown(), names);
  metrics.series(metrics.labels[all[2]!]!);
  now = 599_999;
  t.deepEqual(await shown(), names);
  now = 600_000;
  t.deepEqual(await shown(), names.toSpliced(1, 1));
  metrics.observe(all[3]!, 200, 1, 0, 0);
  t.deepEqual(await shown(), names.slice(0, 1).concat(names[2]!));
  // Twenty thousand names, each gone after one request, leave as many series as there is room for, and after a while none.
  for (let index = 0; index < 20_000; index++) metrics.release(of(`r${index}`));
  t.true(metrics.labels.length <= 5002);
  await shown();
  now = 1_200_000;
  t.is((await shown()).length, 2);
});

test('growth keeps the numbers', (t) => {
  const metrics = new Metrics();
  const ids = Array.from({ length: 200 }, (_, index) => metrics.series(labels(`r${index}`)));
  for (const id of ids) metrics.observe(id, 200, id, 0, 0);
  const more = metrics.series(labels('more'));
  for (let index = 0; index < 500; index++) metrics.series(labels(`s${index}`));
  t.true(ids.every((id) => metrics.requests(id) === 1));
  t.is(metrics.requests(more), 0);
});

test('a quantile is at most a quarter of a doubling above the true one', (t) => {
  const metrics = new Metrics();
  const series = metrics.series(labels('reviews'));
  t.is(metrics.quantile(series, 0.5), undefined);
  for (let ms = 1; ms <= 1000; ms++) metrics.observe(series, 200, ms, 0, 0);
  for (const share of [0.5, 0.9, 0.99]) {
    const found = metrics.quantile(series, share)!;
    t.true(found >= share * 1000 && found <= share * 1000 * 1.26, `${share}: ${found}`);
  }
});
