import { statSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Endpoints, VersionedResource } from '#snapshot';
import { readHoldings, writeHoldings } from './store.ts';

/** Takes some writes. */
function long(name: string): readonly [string, VersionedResource] {
  const resource: Endpoints = { kind: 'Endpoints', name, endpoints: Array.from({ length: 5000 }, (_, port) => ({ address: '10.0.0.1', port })) };
  return [name, { name, version: '1', resource }];
}

for (const [what, change] of [
  ['gone', (named: Map<string, VersionedResource>) => named.delete('c')],
  ['new', (named: Map<string, VersionedResource>) => named.set(...long('d'))],
] as const) {
  test(`what is ${what} while the file is written does not break it: it has what there was`, async (t) => {
    const file = join(await mkdtemp(join(tmpdir(), 'weft-store-')), 'snapshot.json');
    const named = new Map(['a', 'b', 'c'].map(long));
    const written = writeHoldings(file, new Map([['Endpoints', named]]));
    let isChanged = false;
    for (let over = false; !over && !isChanged; ) {
      over = await Promise.race([written.then(() => true), new Promise<false>((resolve) => setImmediate(resolve, false))]);
      if ((statSync(`${file}.next`, { throwIfNoEntry: false })?.size ?? 0) === 0) continue;
      change(named);
      isChanged = true;
    }
    await written;
    t.true(isChanged);
    t.deepEqual([...((await readHoldings(file))?.get('Endpoints')?.keys() ?? [])], ['a', 'b', 'c']);
  });
}
