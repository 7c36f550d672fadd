import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import test from 'ava';

/** Of a process of its own, for it can't be undone: threads and how far each stands behind the main one. */
const program = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { prepareV8 } from ${JSON.stringify(new URL('v8.ts', import.meta.url).href)};
  prepareV8();
  const nice = (thread) => Number(readFileSync('/proc/self/task/' + thread + '/stat', 'utf8').replace(/^.*\\) /, '').split(' ')[16]);
  const threads = readdirSync('/proc/self/task').map((thread) => [readFileSync('/proc/self/task/' + thread + '/comm', 'utf8').trim(), nice(thread) - nice(process.pid)]);
  console.log(JSON.stringify(threads));
`;

const onLinux = existsSync('/proc/self/task') ? test : test.skip;

onLinux("V8's helpers stand behind the thread that serves, and nothing else does", (t) => {
  const threads = JSON.parse(execFileSync(process.execPath, ['--v8-pool-size=2', '--input-type=module', '-e', program], { encoding: 'utf8' })) as [string, number][];
  const behind = threads.filter(([name]) => name.includes('V8Worker')).map(([, steps]) => steps);
  t.deepEqual(behind, [5, 5]);
  t.true(threads.filter(([name]) => !name.includes('V8Worker')).every(([, steps]) => steps === 0), JSON.stringify(threads));
});
