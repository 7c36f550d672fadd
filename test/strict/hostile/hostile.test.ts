import test, { type ExecutionContext } from 'ava';
import { sleep } from '../../faults/rig.ts';
import { stolenMs } from '../../stolen.ts';
import { peerNames } from './proxies/types.ts';
import { startAttacker, startScene, type Attacker, type Counts, type PeerName, type Scene, type Taken, type Told } from './rig.ts';
import { seated } from './seats.ts';

/**
 * Hostile clients in numbers, against `weft up` in a process of its own: each attack has a bound on time and memory, and another client is
 * served all the while. WEFT_LONG=1, in place of the bound on memory, which is told: the other client's p99 must stay within twice what it is without the attack, in the median of several pairs of windows,
 * one quiet and one under attack; the attack goes on, again and again, until its window has enough requests for a p99. A pair in which the host took
 * the machine away is taken again, as long as there are no more than twice as many pairs; the log tells.
 * WEFT_HOSTILE_PROXY=nginx|envoy|haproxy, with WEFT_LONG=1: the same against a proxy of others. What it does is told, and nothing of it is asserted.
 */

const long = process.env['WEFT_LONG'] === '1';
const peer = ((): PeerName | undefined => {
  const said = process.env['WEFT_HOSTILE_PROXY'];
  if (said === undefined) return undefined;
  const name = peerNames.find((each) => each === said);
  if (name === undefined || !long) throw new Error(`WEFT_HOSTILE_PROXY is one of ${peerNames.join(', ')}, with WEFT_LONG=1`);
  return name;
})();
/** An attack that a peer does not end is ended after this. */
const peerRunMs = 20_000;
const rounds = long ? 3 : 1;
/** At 600 requests a second, 1,200 of them. */
const windowMs = long ? 2000 : 500;
/** What an attack leaves behind (connections that time out) is of the attack, not of the next quiet window. */
const restMs = long ? 2500 : 500;
/** A pair in which the host took more of the machine's time than this, of a second of one core, says nothing. */
const stolenShare = 0.02;
/** What a p99 of less than a millisecond may become. */
const slackMs = 2;

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
  // Most of it stands in the kernel's buffers, the backend's own first of all.
  'slow readers': { growth: 96, fault: (_, { poured }) => (poured / 120 / MiB < 6 ? undefined : `${(poured / 120 / MiB).toFixed(1)} MiB were fetched for each`) },
  'header bombs': { growth: 96, fault: ({ closed }) => (closed === 600 ? undefined : `${closed} of 600 were ended`) },
  'endless bodies': { growth: 96, fault: (told, counts) => ended(50, 10_000)(told, counts) ?? ((told['sentMiB'] ?? 0) <= 6 ? undefined : `${told['sentMiB']} MiB were taken of each`) },
  'endless framing': { growth: 96, fault: ended(100, 5000) },
  'idle connections': { growth: 96, fault: ended(3000, 8000) },
  'rapid reset': { growth: 96, fault: (told, counts) => cutOff(7500, 4096)(told, counts) ?? (counts.begun <= 30 * 20 ? undefined : `${counts.begun} requests got upstream`) },
  'made to reset': { growth: 96, fault: cutOff(7500, 4096) },
  'continuation flood': { growth: 96, fault: cutOff(3000, 8192) },
  'empty continuations': { growth: 96, fault: cutOff(3000, 8192) },
  'settings flood': { growth: 96, fault: cutOff(3000, 8192) },
  'ping flood': { growth: 96, fault: cutOff(3000, 8192) },
  'window flood': { growth: 96, fault: cutOff(3000, 8192) },
  'empty data flood': { growth: 96, fault: cutOff(3000, 8192) },
  'unknown frames': { growth: 96, fault: cutOff(3000, 8192) },
  'HPACK bombs': { growth: 96, fault: (told, counts) => ended(60, 5000)(told, counts) ?? (told['calmed'] === 60 ? undefined : `${told['calmed']} were told to be calm`) },
  // 32 MiB of heads for all, and one head for each connection.
  'heads of references': { growth: 96, fault: ({ refused = 0 }) => (refused >= 1350 ? undefined : `${refused} of 2000 were refused`) },
  'header bombs on streams': { growth: 96, fault: ended(20, 8000) },
  'slow frames': { growth: 96, fault: ended(500, 3500) },
  'slow readers of streams': { growth: 96, fault: (_, { poured }) => (poured / 100 / MiB < 16 ? undefined : `${(poured / 100 / MiB).toFixed(1)} MiB were fetched for each`) },
  'shut windows': { growth: 96, fault: ({ resets }) => (resets === 100 ? undefined : `${resets} of 100 streams were reset`) },
  'endless bodies on streams': { growth: 128, fault: () => undefined },
  'idle HTTP/2 connections': { growth: 96, fault: ended(1000, 9000) },
  'handshakes not begun': { growth: 96, fault: ended(1000, 14_000) },
  'handshakes not finished': { growth: 96, fault: ended(500, 15_000) },
  // As many as the machine takes: none is turned away, and who waits for a turn gets one.
  'whole handshakes': { growth: 96, fault: ({ ended: done = 0, failed: broken, slowestMs = 0 }) => (done < 100 || broken !== 0 ? `${done} handshakes, ${broken} failed` : slowestMs > 8000 ? `one took ${slowestMs} ms` : undefined) },
  'handshakes broken off': { growth: 96, fault: ({ closed = 0, slowestMs = 0 }) => (closed < 100 || slowestMs > 8000 ? `${closed} closed, the slowest after ${slowestMs} ms` : undefined) },
  'dribbled ClientHellos': { growth: 96, fault: ended(300, 14_000) },
  'nonsense instead of TLS': { growth: 96, fault: ended(500, 5000) },
  'flow flood': { growth: 128, fault: ({ sent }) => (sent === 12_000 ? undefined : `${sent} were sent`) },
};

let scene!: Scene;

test.before(async (t) => {
  t.timeout(120_000);
  scene = await startScene(peer);
  // Code that runs for the first time costs memory and time of its own; a Weft that was started just now lets its compiler have more of the core.
  await scene.beside(() => sleep(long && peer === undefined ? 33_000 : 2500));
});

test.after.always(() => scene?.close());

interface Pair {
  readonly quiet: Taken;
  readonly attacked: Taken;
  readonly runs: number;
  /** What the host took, of the time of one core. */
  readonly stolen: number;
  readonly told: Told;
  readonly counts: Counts;
  /** What was not as it has to be; of a peer alone, where it is told. */
  readonly faults: readonly string[];
}

/** Nothing, then the attack until its window is full. */
async function pair(t: ExecutionContext, attacker: Attacker, fault: Bound['fault']): Promise<Pair> {
  const [start, stolenBefore] = [performance.now(), stolenMs()];
  const quiet = await scene.beside(() => sleep(windowMs));
  await scene.counts();
  let last: Pick<Pair, 'told' | 'counts'> | undefined;
  const faults: string[] = [];
  let runs = 0;
  const attacked = await scene.beside(async () => {
    for (const end = performance.now() + windowMs; runs === 0 || performance.now() < end; runs++) {
      last = { told: await attacker.run(), counts: await scene.counts() };
      const found = fault(last.told, last.counts);
      if (peer === undefined) t.is(found, undefined);
      else if (found !== undefined) faults.push(found);
    }
  });
  const stolen = (stolenMs() - stolenBefore) / (performance.now() - start);
  await sleep(restMs);
  return { quiet, attacked, runs, stolen, ...last!, faults };
}

function percentile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

const p99 = ({ kept, fresh }: Taken): number => percentile([...kept, ...fresh], 0.99);
const shown = ({ kept, fresh }: Taken): string => [percentile(kept, 0.5), percentile(kept, 0.99), percentile(fresh, 0.99), Math.max(...kept, ...fresh)].map((ms) => ms.toFixed(1)).join('/');

/** How many of each. */
function kinds(texts: readonly string[]): string {
  return JSON.stringify(Object.fromEntries([...Map.groupBy(texts, (text) => text)].map(([text, same]) => [text, same.length])));
}

async function besides(t: ExecutionContext, name: string, { growth, fault }: Bound): Promise<void> {
  t.timeout(300_000);
  const at = scene.proxy.targetsOf(name);
  if (at === undefined) {
    t.log(`${name}: ${peer} can't`);
    t.pass();
    return;
  }
  const attacker = await startAttacker(name, at, peer === undefined ? undefined : peerRunMs);
  t.teardown(() => attacker.close());
  const before = scene.proxy.memory() ?? 0;
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, scene.proxy.memory() ?? 0)), 50);
  const all: Pair[] = [];
  try {
    const isEnough = (): boolean => !long || all.length === 2 * rounds || all.filter(({ stolen }) => stolen <= stolenShare).length >= rounds;
    while (all.length < rounds || !isEnough()) all.push(await pair(t, attacker, fault));
  } finally {
    clearInterval(watch);
  }
  // The least disturbed ones; never chosen by what they showed.
  const pairs = all.toSorted((one, other) => one.stolen - other.stolen).slice(0, rounds);
  for (const one of all) {
    const { quiet, attacked, runs, stolen, told, counts } = one;
    t.log(`${pairs.includes(one) ? '' : 'NOT COUNTED, '}${(100 * stolen).toFixed(1)} % stolen, ${name} × ${runs}: ${JSON.stringify(told)}, fetched ${(counts.poured / MiB).toFixed(0)} MiB, ${counts.begun} begun; p50/p99/fresh p99/worst ms: ${attacked.kept.length + attacked.fresh.length} requests ${shown(attacked)}, quiet ${shown(quiet)}`);
    if (peer === undefined) t.deepEqual([...quiet.failed, ...attacked.failed], []);
    else t.log(`${name}: failed of others ${kinds(attacked.failed)}, quiet ${kinds(quiet.failed)}; not as Weft has to be: ${kinds(one.faults)}`);
  }
  t.true(scene.proxy.runs());
  if (!long) t.true(peak - before <= growth, `memory grew by ${(peak - before).toFixed(0)} MiB, ${growth} MiB allowed`);
  const ratio = percentile(pairs.map(({ quiet, attacked }) => p99(attacked) / p99(quiet)), 0.5);
  const beyond = percentile(pairs.map(({ quiet, attacked }) => p99(attacked) - Math.max(2 * p99(quiet), p99(quiet) + slackMs)), 0.5);
  t.log(`${name}: memory +${(peak - before).toFixed(0)} MiB; p99 of others × ${ratio.toFixed(2)}${beyond > 0 ? `, ${beyond.toFixed(1)} ms BEYOND` : ''}`);
  if (long && seated && peer === undefined) t.true(beyond <= 0, `p99 of others × ${ratio.toFixed(2)}, beyond the bound by ${beyond.toFixed(1)} ms`);
}

for (const [name, bound] of Object.entries(attacks)) test.serial(name, (t) => besides(t, name, bound));

test.serial('the process is still the same', (t) => {
  t.true(scene.proxy.runs());
  t.log(`memory at the end: ${scene.proxy.memory()?.toFixed(0)} MiB`);
});
