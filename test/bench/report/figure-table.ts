import type { Figure } from '../rows/types.ts';
import type { TargetName } from '../targets/types.ts';

const columns: readonly TargetName[] = ['Weft', 'Envoy', 'nginx', 'HAProxy'];

export function figureTable(figures: readonly Figure[]): readonly string[] {
  const notes = figures.flatMap(({ title, note }) => (note === undefined ? [] : [`- ${title}: ${note}.`]));
  return [
    `| | ${columns.join(' | ')} | at most | |`,
    `|---|${columns.map(() => '---|').join('')}---|---|`,
    ...figures.map(({ title, values, atMost, verdict }) => `| ${title} | ${columns.map((name) => values[name] ?? '').join(' | ')} | ${atMost} | ${verdict} |`),
    ...(notes.length === 0 ? [] : ['', ...notes]),
  ];
}
