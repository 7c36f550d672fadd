import { rawWeft, type TargetName } from '../targets/types.ts';
import { median, spread } from '../statistics.ts';
import type { CostResult } from '../rows/types.ts';
import { ratiosTo } from './cost-table.ts';

/** What is left of the differences where all proxies get the same requests in the same time. */
export function paceLines(results: readonly CostResult[]): readonly string[] {
  const result = results.find(({ row }) => row.id === 'paced');
  if (result === undefined) return [];
  const lines = (['Weft', rawWeft] as const).flatMap((weft) =>
    (['nginx', 'Envoy'] as const satisfies TargetName[]).flatMap((peer) => {
      const measured = ratiosTo(result, peer, weft);
      return measured.length === 0 ? [] : [`- ${weft}, ${result.row.title}: ${median(measured).toFixed(2)} × ${peer} (${spread(measured, 2)}).`];
    }),
  );
  return lines.length === 0 ? [] : ['', ...lines];
}
