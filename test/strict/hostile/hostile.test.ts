import test, { type ExecutionContext } from 'ava';
import type { WeftUp } from '../../faults/process.ts';
import { failed, figures, load, percentile } from '../../faults/rig.ts';
import { attack, startUpstream, startWeft, targets, type Counts, type Told, type Upstream } from './rig.ts';

/**
 * Hostile clients in numbers, against `weft up` in a process of its own: each attack has a bound on time and memory, and another client is
 * served all the while. WEFT_LONG=1: the other client's p99 must stay within twice what it is without the attack, which asks for a quiet
 * machine with cores to spare; it is told in any case.
 */

const long = process.env['WEFT_LONG'] === '1';
/** What a timer and a scheduler may add to a p99 of a few milliseconds. */
const slackMs = 10;

interface Bound {
  /** By how much the resident set may grow, MiB. */
  readonly growth: number;
  /** What has to be so of the attack; undefined where it is. */
  readonly fault: (told: Told, counts: Counts) => string | undefined;
}

const MiB = 2 ** 20;

/** All connections were ended, the last after so long. */
function ended(count: number, withinMs: number): Bound['fault'] {
  return ({ closed = 0, slowestMs = 0 }) => (closed < count ? `${closed} of ${count} were ended` : slowestMs > withinMs ? `the last was ended after ${slowestMs} ms` : undefined);
}

/** The same, of a flood: and no more than so much was taken of each. */
function cutOff(withinMs: number, sentKiB: number): Bound['fault'] {
  return (told, counts) => ended(30, withinMs)(told, counts) ?? ((told['sentKiB'] ?? 0) > sentKiB ? `${told['sentKiB']} KiB were taken of each` : undefined);
}

const attacks: Readonly<Record<string, Bound>> = {
  slowloris: { growth: 96, fault: (told, counts) => ended(500, 3500)(told, counts) ?? (told['refused'] === 500 ? undefined : `${told['refused']} got 408`) },
  'dribbled heads': { growth: 96, fault: ended(100, 6000) },
  // Most of it stands in the kernel's buffers on either side of the proxy.
  'slow readers': { growth: 96, fault: (_, { poured }) => (poured / 120 / MiB < 24 ? undefined : `${(poured / 120 / MiB).toFixed(1)} MiB were fetched for each`) },
  'header bombs': { growth: 96, fault: ({ closed }) => (closed === 600 ? undefined : `${closed} of 600 were ended`) },
  'endless bodies': { growth: 96, fault: ended(50, 10_000) },
  'endless framing': { growth: 96, fault: ended(100, 5000) },
  'idle connections': { growth: 96, fault: ended(3000, 8000) },
  'rapid reset': { growth: 96, fault: (told, counts) => cutOff(5000, 4096)(told, counts) ?? (counts.begun <= 30 * 450 ? undefined : `${counts.begun} requests got upstream`) },
  'made to reset': { growth: 96, fault: cutOff(5000, 4096) },
  'continuation flood': { growth: 96, fault: cutOff(3000, 8192) },
  'empty continuations': { growth: 96, fault: cutOff(3000, 8192) },
  'settings flood': { growth: 96, fault: cutOff(3000, 8192) },
  'ping flood': { growth: 96, fault: cutOff(3000, 8192) },
  'window flood': { growth: 96, fault: cutOff(3000, 8192) },
  'empty data flood': { growth: 96, fault: cutOff(3000, 8192) },
  'unknown frames': { growth: 96, fault: cutOff(3000, 8192) },
  'HPACK bombs': { growth: 96, fault: (told, counts) => ended(60, 5000)(told, counts) ?? (told['calmed'] === 60 ? undefined : `${told['calmed']} were told to be calm`) },
  'header bombs on streams': { growth: 96, fault: ended(20, 8000) },
  'slow frames': { growth: 96, fault: ended(500, 3500) },
  'slow readers of streams': { growth: 96, fault: (_, { poured }) => (poured / 100 / MiB < 16 ? undefined : `${(poured / 100 / MiB).toFixed(1)} MiB were fetched for each`) },
  'shut windows': { growth: 96, fault: ({ resets }) => (resets === 100 ? undefined : `${resets} of 100 streams were reset`) },
  'endless bodies on streams': { growth: 128, fault: () => undefined },
  'idle HTTP/2 connections': { growth: 96, fault: ended(1000, 9000) },
  'handshakes not begun': { growth: 96, fault: ended(1000, 14_000) },
  'handshakes not finished': { growth: 96, fault: ended(500, 15_000) },
  'dribbled ClientHellos': { growth: 96, fault: ended(300, 14_000) },
  'nonsense instead of TLS': { growth: 96, fault: ended(500, 5000) },
  'flow flood': { growth: 128, fault: ({ sent }) => (sent === 12_000 ? undefined : `${sent} were sent`) },
};

let running!: WeftUp;
let upstream!: Upstream;

test.before(async () => {
  upstream = await startUpstream();
  running = await startWeft();
  // Code that runs for the first time costs memory and time of its own.
  for (let round = 0; round < 2; round++) await load(targets.http, { total: 1000, lanes: 8, overMs: 500 });
});

test.after.always(async () => {
  upstream?.close();
  await running?.kill();
});

/** An even pace of 120 a second, as long as the attack takes. */
async function othersWhile<T>(work: Promise<T>): Promise<{ readonly told: T; readonly outcomes: Awaited<ReturnType<typeof load>> }> {
  let done = false;
  const ends = work.finally(() => (done = true));
  const outcomes = [];
  do outcomes.push(...(await load(targets.http, { total: 60, lanes: 4, overMs: 500 })));
  while (!done);
  return { told: await ends, outcomes };
}

async function besides(t: ExecutionContext, name: string, { growth, fault }: Bound): Promise<void> {
  t.timeout(90_000);
  const { outcomes: alone } = await othersWhile(new Promise((resolve) => setTimeout(resolve, long ? 3000 : 400)));
  const quiet = percentile(alone, 0.99);
  await upstream.counts();
  const before = running.memory() ?? 0;
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, running.memory() ?? 0)), 50);
  const { told, outcomes } = await othersWhile(attack(name)).finally(() => clearInterval(watch));
  const counts = await upstream.counts();
  const p99 = percentile(outcomes, 0.99);
  t.log(`${name}: ${JSON.stringify(told)}, fetched ${(counts.poured / MiB).toFixed(0)} MiB, ${counts.begun} begun; memory +${(peak - before).toFixed(0)} MiB; others: ${figures(outcomes)}; p99 alone ${quiet.toFixed(1)} ms, ×${(p99 / quiet).toFixed(1)}`);
  t.is(fault(told, counts), undefined);
  t.deepEqual(failed(outcomes), []);
  t.true(peak - before <= growth, `memory grew by ${(peak - before).toFixed(0)} MiB, ${growth} MiB allowed`);
  if (long) t.true(p99 <= 2 * quiet + slackMs, `p99 of others: ${p99.toFixed(1)} ms, alone ${quiet.toFixed(1)} ms`);
}

for (const [name, bound] of Object.entries(attacks)) test.serial(name, (t) => besides(t, name, bound));

test.serial('the process is still the same', (t) => {
  t.is(running.child.exitCode, null);
  t.log(`memory at the end: ${running.memory()?.toFixed(0)} MiB`);
});
