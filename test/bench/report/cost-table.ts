import { median, ratios, spread } from '../statistics.ts';
import type { CostResult, Goal, Verdict } from '../rows/types.ts';
import type { TargetName } from '../targets/types.ts';

const columns: readonly TargetName[] = ['Weft', 'Envoy', 'nginx', 'HAProxy'];

/** Weft's cost as a multiple of a peer's, round by round. */
export function ratiosTo(result: CostResult, peer: TargetName): readonly number[] {
  const micros = (name: TargetName): readonly number[] => (result.samples.get(name) ?? []).map(({ us }) => us);
  return ratios(micros('Weft'), micros(peer));
}

export function verdictOn(result: CostResult, { peer, atMost }: Goal): Verdict {
  const measured = ratiosTo(result, peer);
  if (measured.length === 0) return 'not measured';
  return median(measured) <= atMost ? 'met' : 'missed';
}

/** Goals first: one line for each row and goal. */
export function goalTable(results: readonly CostResult[]): readonly string[] {
  return [
    '| work | Weft is | lowest–highest round | at most | |',
    '|---|---|---|---|---|',
    ...results.flatMap((result) =>
      result.row.goals.map((goal) => {
        const measured = ratiosTo(result, goal.peer);
        const [middle, range] = measured.length === 0 ? ['', ''] : [`${median(measured).toFixed(2)} × ${goal.peer}`, spread(measured, 2)];
        return `| ${result.row.title} | ${middle} | ${range} | ${goal.atMost.toFixed(2)} × ${goal.peer} | ${verdictOn(result, goal)} |`;
      }),
    ),
  ];
}

/** Microseconds of each target. */
export function costTable(results: readonly CostResult[]): readonly string[] {
  const libraries = results.flatMap((result) => (['undici', 'http-proxy'] as const).flatMap((name) => (result.samples.has(name) ? [`${name === 'undici' ? '`node:http` with undici' : '`http-proxy`'}, ${result.row.title}: ${cell(result, name)} µs.`] : [])));
  return [
    `| CPU time per request, µs: median (lowest–highest) | ${columns.join(' | ')} |`,
    `|---|${columns.map(() => '---|').join('')}`,
    ...results.map((result) => `| ${result.row.title} | ${columns.map((name) => cell(result, name)).join(' | ')} |`),
    ...(libraries.length === 0 ? [] : ['', ...libraries]),
  ];
}

function cell({ samples }: CostResult, name: TargetName): string {
  const values = (samples.get(name) ?? []).map(({ us }) => us);
  return values.length === 0 ? '' : `${median(values).toFixed(1)} (${spread(values, 1)})`;
}
