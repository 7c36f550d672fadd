import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Resource, Route, RouteTable } from '#snapshot';
import type { Bench } from '../bench.ts';
import { resourcesOf } from '../targets/resources.ts';
import type { Site } from '../targets/types.ts';
import type { WeftTarget } from '../targets/weft.ts';
import { within } from './memory.ts';
import { reasonOf, settleMs } from './measure.ts';
import type { Figure } from './types.ts';

const routes = 10_000;
const probe = pathToFileURL(join(import.meta.dirname, 'swap-probe.ts')).href;

export interface Delay {
  /** Milliseconds that a request which comes at any time would wait: quantiles of that, and the longest. */
  readonly p99: number;
  readonly longest: number;
  /** The same of the time in which the thread had the processor: without what others took. */
  readonly busy: { readonly p99: number; readonly longest: number };
  /** Of one swap, from sent to acknowledged. */
  readonly swapMs: number;
}

/** 10,000 routes: a hundred hosts, a hundred prefixes each. `edition` stands in each route, so that two editions share nothing. */
function tableOf(site: Site, edition: number): readonly Resource[] {
  return resourcesOf(site).map((resource) => (resource.kind === 'RouteTable' ? { ...resource, routes: many(resource, edition) } : resource));
}

function many({ routes: [first] }: RouteTable, edition: number): readonly Route[] {
  const template = first!;
  const rule = template.rules[0]!;
  return Array.from({ length: routes }, (_, index): Route => {
    const host = `service-${index % 100}.shop.example`;
    const path = { type: 'PathPrefix', value: `/api/v${edition}/part-${Math.floor(index / 100)}` } as const;
    return { ...template, ref: { ...template.ref, name: `route-${index}` }, hostnames: [{ match: host, written: host }], rules: [{ ...rule, matches: [{ ...rule.matches[0]!, path }] }] };
  });
}

/** Swaps one edition for another, one after the other without a pause. */
export async function measureDelay(bench: Bench, swaps: number, flags: readonly string[] = []): Promise<Delay> {
  let site: Site | undefined;
  const weft = await bench.weft('routes', { flags: ['--import', probe, ...flags], messages: 'yes' });
  try {
    site = { ...(await bench.site('routes', 'swap')), port: weft.port };
    await swapOnce(bench, weft, tableOf(site, 0));
    // Past what a proxy does once, five seconds after its start.
    await sleep(settleMs);
    weft.program.child.send('reset');
    const start = performance.now();
    for (let edition = 1; edition <= swaps; edition++) await swapOnce(bench, weft, tableOf(site, edition % 2));
    const swapMs = (performance.now() - start) / swaps;
    const answered = new Promise<readonly Gap[]>((resolve) => weft.program.child.once('message', (message) => resolve(message as readonly Gap[])));
    weft.program.child.send('read');
    const gaps = await answered;
    return { ...delayOf(gaps.map(({ wall }) => wall)), busy: delayOf(gaps.map(({ cpu }) => cpu)), swapMs };
  } finally {
    await weft.stop();
  }
}

interface Gap {
  readonly wall: number;
  readonly cpu: number;
}

function delayOf(gaps: readonly number[]): Delay['busy'] {
  return { p99: quantileOfWait(gaps, 0.99), longest: Math.max(...gaps) };
}

async function swapOnce(bench: Bench, weft: WeftTarget, resources: readonly Resource[]): Promise<void> {
  bench.control.set(weft.token, resources);
  while (bench.control.settled(weft.token) === 'no') await sleep(2);
}

/** Who comes at a random time of a gap of g waits between 0 and g, all equally likely: Σ max(0, g − wait) ÷ Σ g is the share that waits longer. */
export function quantileOfWait(gaps: readonly number[], quantile: number): number {
  const total = gaps.reduce((sum, gap) => sum + gap, 0);
  const longer = (wait: number): number => gaps.reduce((sum, gap) => sum + Math.max(0, gap - wait), 0) / total;
  let [low, high] = [0, Math.max(...gaps)];
  for (let turn = 0; turn < 40; turn++) {
    const middle = (low + high) / 2;
    if (longer(middle) > 1 - quantile) low = middle;
    else high = middle;
  }
  return high;
}

export async function measureSwap(bench: Bench): Promise<Figure> {
  const about = { id: 'swap', title: `event-loop delay p99 while ${routes.toLocaleString('en-US')} routes are swapped in, ms`, atMost: '20 ms' };
  try {
    const { p99, longest, busy, swapMs } = await measureDelay(bench, 20);
    return { ...about, values: { Weft: `${p99.toFixed(1)} (longest ${longest.toFixed(0)})` }, verdict: within(p99, 20), note: `of the thread's own time, without what the machine did meanwhile: ${busy.p99.toFixed(1)} (longest ${busy.longest.toFixed(0)}); one swap takes ${swapMs.toFixed(0)} ms from sent to acknowledged; all routes differ` };
  } catch (error) {
    return { ...about, values: {}, verdict: 'not measured', note: reasonOf(error) };
  }
}
