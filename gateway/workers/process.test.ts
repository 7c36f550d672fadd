import test from 'ava';
import { forkWorker } from './process.ts';

test('a worker that can not even be started has ended, and says why', async (t) => {
  // As where there is no memory for it, Node throws.
  const worker = forkWorker('worker.js', { NAME: 'a\0b' });
  t.is(worker.pid, undefined);
  worker.send({ kind: 'metrics', question: 1 });
  worker.kill('SIGTERM');
  t.regex(await new Promise<string>((resolve) => worker.onExit(resolve)), /null bytes/);
});
