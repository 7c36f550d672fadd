import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import test from 'ava';

/** Of a process of its own, for it can't be undone: how far each thread stands behind the main one, at once and later. */
const program = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { prepareV8 } from ${JSON.stringify(new URL('v8.ts', import.meta.url).href)};
  const nice = (thread) => Number(readFileSync('/proc/self/task/' + thread + '/stat', 'utf8').replace(/^.*\\) /, '').split(' ')[16]);
  const threads = () => readdirSync('/proc/self/task').map((thread) => [readFileSync('/proc/self/task/' + thread + '/comm', 'utf8').trim(), nice(thread) - nice(process.pid)]);
  prepareV8(50);
  const atFirst = threads();
  setTimeout(() => console.log(JSON.stringify([atFirst, threads(), nice(process.pid)])), 200);
`;

const onLinux = existsSync('/proc/self/task') ? test : test.skip;

onLinux("V8's helpers stand behind the thread that serves, and nothing else does", (t) => {
  type Threads = readonly (readonly [string, number])[];
  const [atFirst, later, own] = JSON.parse(execFileSync(process.execPath, ['--v8-pool-size=2', '--input-type=module', '-e', program], { encoding: 'utf8' })) as [Threads, Threads, number];
  const behind = (threads: Threads): readonly number[] => threads.filter(([name]) => name.includes('V8Worker')).map(([, steps]) => steps);
  // There is nothing behind 19.
  const later19 = Math.min(own + 19, 19) - own;
  t.deepEqual(behind(atFirst), [5, 5]);
  t.deepEqual(behind(later), [later19, later19]);
  t.true([...atFirst, ...later].every(([name, steps]) => name.includes('V8Worker') || steps === 0), JSON.stringify([atFirst, later]));
});
