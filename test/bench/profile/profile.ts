import type { Profiler } from 'node:inspector';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Bench } from '../bench.ts';
import { costRows } from '../rows/cost.ts';
import { gatewaySource } from '../targets/weft.ts';
import { summarize, type Summary } from './categories.ts';

export interface Profiled extends Summary {
  readonly title: string;
  /** Of the processor per request, with the profiler on. Microseconds. */
  readonly us: number;
}

const probe = pathToFileURL(join(import.meta.dirname, 'probe.ts')).href;

/** Profiles of the gateway's main thread under a row's load. From the sources, so that one file can be told from another. */
export async function profileRow(bench: Bench, id: string, seconds: number): Promise<Profiled> {
  const row = costRows.find((one) => one.id === id)!;
  const weft = await bench.weft(row.scenario, { command: gatewaySource, flags: ['--import', probe], messages: 'yes' });
  const { child } = weft.program;
  const answer = <T>(message: 'start' | 'stop'): Promise<T> =>
    new Promise((resolve) => {
      child.once('message', (value) => resolve(value as T));
      child.send(message);
    });
  try {
    // Beyond the five seconds after which a proxy gives back pages of its start.
    const warm = await row.load(bench, weft, 6, undefined);
    await answer('start');
    const before = weft.program.cpuNs();
    const { requests } = await row.load(bench, weft, seconds, warm.requests / warm.seconds);
    const us = (weft.program.cpuNs() - before) / requests / 1000;
    return { title: row.title, us, ...summarize(await answer<Profiler.Profile>('stop')) };
  } finally {
    await weft.stop();
  }
}

/** Categories side by side, then the functions of each. */
export function profileLines(profiles: readonly Profiled[], functions: number): readonly string[] {
  const titles = [...new Set(profiles.flatMap((profile) => profile.categories.map(({ title }) => title)))];
  const cell = ({ categories, us }: Profiled, title: string): string => {
    const share = categories.find((category) => category.title === title)?.share ?? 0;
    return `${(share * 100).toFixed(1)} % (${(share * us).toFixed(1)} µs)`;
  };
  return [
    `| where | ${profiles.map(({ title, us }) => `${title}: ${us.toFixed(1)} µs`).join(' | ')} |`,
    `|---|${profiles.map(() => '---|').join('')}`,
    ...titles.map((title) => `| ${title} | ${profiles.map((profile) => cell(profile, title)).join(' | ')} |`),
    ...profiles.flatMap((profile) => [
      '',
      `${profile.title}, the functions with the most time of their own:`,
      '',
      ...profile.functions.slice(0, functions).map(({ title, share }) => `- ${(share * 100).toFixed(1)} % ${title}`),
    ]),
  ];
}
