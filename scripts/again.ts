/**
 * `again.ts LOG [AVA ARGUMENTS…]`: runs once more, one after the other, the test files that failed in a run whose output is in LOG; for
 * continuous integration, where a machine that stands still for a moment must not cost the whole run. What fails twice has failed.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** More than this is no accident. */
const most = 3;

const [log = '', ...args] = process.argv.slice(2);
const files = execFileSync('git', ['ls-files', '*.test.ts'], { encoding: 'utf8' }).split('\n').filter((file) => file !== '');
const lines = readFileSync(log, 'utf8').split('\n');
if (lines.some((line) => line.includes('Timed out while running tests'))) end('it was ended before all files had run');
const failed = new Set<string>();
for (const line of lines) {
  const found = /✘ \[fail\]: /.test(line) ? fileOf(line.replace(/^.*✘ \[fail\]: /, '')) : /(?:pending in|running|✘) (\S+\.test\.ts)/.exec(line)?.[1];
  if (found !== undefined) failed.add(found);
}
if (failed.size === 0 || failed.size > most) end(`${failed.size} test files to run again, of at most ${most}`);
process.stdout.write(`once more: ${[...failed].join(' ')}\n`);
const { status } = spawnSync('ava', ['--concurrency', '1', '--serial', ...args, ...failed], { stdio: 'inherit' });
process.exitCode = status ?? 1;

/** A test's title begins with its file, cut off in front by what all files of the run have in common. */
function fileOf(title: string): string | undefined {
  const parts = title.split(' › ');
  for (let length = parts.length - 1; length > 0; length--) {
    const path = `${parts.slice(0, length).join('/')}.test.ts`;
    const matching = files.filter((file) => file === path || file.endsWith(`/${path}`));
    if (matching.length === 1) return matching[0];
  }
  return undefined;
}

function end(why: string): never {
  process.stdout.write(`${why}\n`);
  process.exit(1);
}
