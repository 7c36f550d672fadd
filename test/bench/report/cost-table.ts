import { median, ratios, spread } from '../statistics.ts';
import type { CostResult, Goal, Verdict } from '../rows/types.ts';
import { rawWeft, type TargetName } from '../targets/types.ts';

/** Weft as it is unless told otherwise, and its option. */
const ours = ['Weft', rawWeft] as const;
const columns: readonly TargetName[] = [...ours, 'Envoy', 'nginx', 'HAProxy'];

/** Weft's cost as a multiple of a peer's, round by round. */
export function ratiosTo(result: CostResult, peer: TargetName, weft: (typeof ours)[number] = 'Weft'): readonly number[] {
  const micros = (name: TargetName): readonly number[] => (result.samples.get(name) ?? []).map(({ us }) => us);
  return ratios(micros(weft), micros(peer));
}

function verdictOn(measured: readonly number[], { atMost }: Goal): Verdict {
  if (measured.length === 0) return 'not measured';
  return median(measured) <= atMost ? 'met' : 'missed';
}

/** Goals first: one line for each row, goal, and way of Weft that was measured. What it can do without an option comes first. */
export function goalTable(results: readonly CostResult[]): readonly string[] {
  const line = (result: CostResult, goal: Goal, weft: (typeof ours)[number]): string => {
    const measured = ratiosTo(result, goal.peer, weft);
    const [middle, range] = measured.length === 0 ? ['', ''] : [`${median(measured).toFixed(2)} × ${goal.peer}`, spread(measured, 2)];
    return `| ${result.row.title}${weft === 'Weft' ? '' : ', **raw I/O**'} | ${middle} | ${range} | ${goal.atMost.toFixed(2)} × ${goal.peer} | ${verdictOn(measured, goal)} |`;
  };
  return [
    '| work | Weft is | lowest–highest round | at most | |',
    '|---|---|---|---|---|',
    ...results.flatMap((result) => result.row.goals.flatMap((goal) => ours.filter((weft) => weft === 'Weft' || result.samples.has(weft)).map((weft) => line(result, goal, weft)))),
    ...gain(results),
  ];
}

/** What the option is worth. */
function gain(results: readonly CostResult[]): readonly string[] {
  const lines = results.flatMap((result) => {
    const [raw, plain] = ours.toReversed().map((weft) => (result.samples.get(weft) ?? []).map(({ us }) => us));
    const measured = ratios(raw!, plain!);
    return measured.length === 0 ? [] : [`| ${result.row.title} | ${median(measured).toFixed(2)} | ${spread(measured, 2)} |`];
  });
  return lines.length === 0 ? [] : ['', '| raw I/O (`WEFT_SOCKET_IO=raw`) as a multiple of the default | median of the rounds | lowest–highest |', '|---|---|---|', ...lines];
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
