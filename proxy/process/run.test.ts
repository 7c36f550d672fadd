import test from 'ava';
import type { ProcessParts } from './parts.ts';
import { runProcess } from './run.ts';

test('a log or a collector that takes nothing does not keep the process beyond its time', async (t) => {
  let isClosed = false;
  const parts = {
    proxy: { retire: () => {} },
    log: () => {},
    admin: async () => ({ address: '', port: 0, close: async () => void (isClosed = true) }),
    close: () => new Promise<void>(() => {}),
  } as unknown as ProcessParts;
  const running = { waitsFor: () => undefined, config: () => ({}), drain: async () => {} };
  await runProcess(parts, running, { delayMs: 0, drainMs: 10 }, { end: AbortSignal.abort(), now: new AbortController().signal });
  t.true(isClosed);
});
