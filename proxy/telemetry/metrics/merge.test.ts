import test from 'ava';
import { createExposition, Metrics, mergePages } from './index.ts';

test('each sample says of which process it is, each family stands once', async (t) => {
  const pages = await Promise.all(
    [1, 2].map(async (count) => {
      const metrics = new Metrics();
      const series = metrics.series({ source: 's{"', routeKind: '', routeNamespace: '', routeName: '', rule: '', backend: '' });
      for (let round = 0; round < count; round++) {
        metrics.began(series);
        metrics.observe(series, 200, 1, 0, 0);
      }
      return { worker: String(count - 1), text: (await createExposition(metrics)()).body };
    }),
  );
  const lines = mergePages(pages).split('\n');
  const of = (start: string): readonly string[] => lines.filter((line) => line.startsWith(start));
  const labels = 'status="200",source="s{\\"",route_kind="",route_namespace="",route_name="",rule="",backend=""';
  t.deepEqual(of('weft_requests_total'), [`weft_requests_total{worker="0",${labels}} 1`, `weft_requests_total{worker="1",${labels}} 2`]);
  t.deepEqual(of('weft_draining'), ['weft_draining{worker="0"} 0', 'weft_draining{worker="1"} 0']);
  const heads = of('# TYPE');
  t.is(new Set(heads).size, heads.length);
  t.true(lines.indexOf(heads.find((line) => line.includes('weft_requests_total'))!) + 1 === lines.findIndex((line) => line.startsWith('weft_requests_total')));
  t.is(mergePages([pages[0]!]).split('\n').length, pages[0]!.text.split('\n').filter((line) => line !== '').length + 1);
});
