import type { Bench } from '../bench.ts';
import { median, spread } from '../statistics.ts';
import type { PeerName, TargetName } from '../targets/types.ts';
import { within } from './memory.ts';
import type { Figure } from './types.ts';

/** From spawn to ready: of Weft the first 200 of `/ready`, with its listeners bound; of the others that their port answers. */
export async function measureStart(bench: Bench, rounds: number): Promise<readonly Figure[]> {
  const readyMs = new Map<TargetName, number[]>();
  const cpuMs: number[] = [];
  const note = (name: TargetName, took: number): void => void readyMs.set(name, [...(readyMs.get(name) ?? []), took]);
  for (let round = 0; round < rounds; round++) {
    const weft = await bench.weft('plain');
    note('Weft', weft.readyMs);
    cpuMs.push(weft.readyCpuMs);
    await weft.stop();
    for (const name of ['nginx', 'HAProxy', 'Envoy'] satisfies PeerName[]) {
      const peer = await bench.peer(name, 'plain');
      if (peer === undefined) continue;
      note(name, performance.now() - peer.program.spawnedAt);
      await peer.stop();
    }
  }
  return [
    {
      id: 'start',
      title: 'start to ready, ms',
      values: Object.fromEntries([...readyMs].map(([name, took]) => [name, `${median(took).toFixed(0)} (${spread(took, 0)})`])),
      atMost: '400 ms',
      verdict: within(median(readyMs.get('Weft') ?? []), 400),
      note: `Weft used ${median(cpuMs).toFixed(0)} ms of the processor until it was ready`,
    },
  ];
}
