import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { watchFiles, type FileSet } from './watch.ts';

interface Watched {
  readonly folder: string;
  readonly seen: FileSet[];
  readonly first: FileSet;
  /** Waits until the newest set passes; fails after a second. */
  until(passes: (files: FileSet) => boolean): Promise<FileSet>;
}

async function watched(t: ExecutionContext, files: Readonly<Record<string, string>>, paths: (folder: string) => readonly string[] = (folder) => [folder]): Promise<Watched> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-files-'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const seen: FileSet[] = [];
  const watch = await watchFiles({ paths: paths(folder), changed: (set) => seen.push(set), now: Date.now });
  t.teardown(async () => {
    watch.close();
    await rm(folder, { recursive: true, force: true });
  });
  const until = async (passes: (files: FileSet) => boolean): Promise<FileSet> => {
    const deadline = Date.now() + 3000;
    for (;;) {
      const newest = seen.at(-1);
      if (newest !== undefined && passes(newest)) return newest;
      if (Date.now() > deadline) throw new Error(`not seen; newest: ${JSON.stringify([...(newest?.texts ?? [])])}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return { folder, seen, first: watch.first, until };
}

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

test('reads manifests of a folder by name; other files and hidden ones are left out', async (t) => {
  const { folder, first } = await watched(t, { 'b.yaml': 'b', 'a.yml': 'a', 'c.txt': 'c', '.d.yaml': 'd', 'e.json': '{}' });
  t.deepEqual([...first.texts], [[join(folder, 'a.yml'), 'a'], [join(folder, 'b.yaml'), 'b'], [join(folder, 'e.json'), '{}']]);
});

test('sees a write in place, a replacement by rename, new files in new folders, and a deletion', async (t) => {
  const { folder, until } = await watched(t, { 'a.yaml': '1' });
  const a = join(folder, 'a.yaml');
  await writeFile(a, '2');
  await until((files) => files.texts.get(a) === '2');
  await writeFile(join(folder, 'a.tmp'), '3');
  await rename(join(folder, 'a.tmp'), a);
  await until((files) => files.texts.get(a) === '3');
  await mkdir(join(folder, 'sub'));
  await writeFile(join(folder, 'sub', 'b.yaml'), 'b');
  await until((files) => files.texts.get(join(folder, 'sub', 'b.yaml')) === 'b');
  await rm(a);
  await until((files) => !files.texts.has(a));
  t.pass();
});

test('a change is seen well within 300 ms', async (t) => {
  const { folder, until } = await watched(t, { 'a.yaml': '0' });
  const a = join(folder, 'a.yaml');
  const took: number[] = [];
  for (let i = 1; i <= 5; i++) {
    await wait(60);
    const start = performance.now();
    await writeFile(a, String(i));
    await until((files) => files.texts.get(a) === String(i));
    took.push(Math.round(performance.now() - start));
  }
  t.log(`seen after ${took.join(', ')} ms`);
  t.true(Math.min(...took) < 300);
});

test('a file that is emptied or moved away for a moment is never seen as empty or gone', async (t) => {
  const { folder, seen, until } = await watched(t, { 'a.yaml': 'old', 'b.yaml': 'old' });
  const [a, b] = [join(folder, 'a.yaml'), join(folder, 'b.yaml')];
  await writeFile(a, '');
  await rename(b, join(folder, 'b.bak'));
  await wait(40);
  await writeFile(a, 'new');
  await writeFile(b, 'new');
  await until((files) => files.texts.get(a) === 'new' && files.texts.get(b) === 'new');
  for (const { texts } of seen) t.true(['old', 'new'].includes(texts.get(a) ?? '') && ['old', 'new'].includes(texts.get(b) ?? ''));
});

test('a file that stays empty is empty', async (t) => {
  const { folder, until } = await watched(t, { 'a.yaml': 'old' });
  await writeFile(join(folder, 'a.yaml'), '');
  await until((files) => files.texts.get(join(folder, 'a.yaml')) === '');
  t.pass();
});

test('a named file is followed through its link, and one that is missing is a fault until it is there', async (t) => {
  const other = await mkdtemp(join(tmpdir(), 'weft-target-'));
  t.teardown(() => rm(other, { recursive: true, force: true }));
  await writeFile(join(other, 'real.yaml'), '1');
  const { folder, first, until } = await watched(t, {}, (at) => [join(at, 'late.yaml'), join(other, 'link.yaml')]);
  t.deepEqual(first.faults.map((fault) => [fault.file, fault.message]), [[join(folder, 'late.yaml'), 'no such file or folder'], [join(other, 'link.yaml'), 'no such file or folder']]);
  await symlink(join(other, 'real.yaml'), join(other, 'link.yaml'));
  await writeFile(join(folder, 'late.yaml'), 'here');
  await until((files) => files.faults.length === 0 && files.texts.get(join(other, 'link.yaml')) === '1');
  await writeFile(join(other, 'real.yaml'), '2');
  await until((files) => files.texts.get(join(other, 'link.yaml')) === '2');
});

test('when a path that was asked for goes missing as a whole, what it said goes on until it is back', async (t) => {
  const { folder, until } = await watched(t, {}, (at) => [join(at, 'all'), join(at, 'one.yaml')]);
  const [all, one] = [join(folder, 'all'), join(folder, 'one.yaml')];
  await mkdir(all);
  await writeFile(join(all, 'a.yaml'), 'a');
  await writeFile(join(all, 'b.yaml'), 'b');
  await writeFile(one, '1');
  await until((files) => files.texts.size === 3 && files.faults.length === 0);
  await rm(all, { recursive: true });
  await rm(one);
  const missing = await until((files) => files.faults.length === 2 && files.faults.every(({ message }) => message.endsWith('goes on')));
  t.is(missing.texts.size, 3);
  await mkdir(all);
  await writeFile(join(all, 'b.yaml'), 'new');
  await writeFile(one, '2');
  const back = await until((files) => files.faults.length === 0 && files.texts.get(one) === '2' && files.texts.size === 2);
  t.is(back.texts.get(join(all, 'b.yaml')), 'new');
});

test('a folder that is replaced as a whole is watched again', async (t) => {
  const { folder, until } = await watched(t, { 'x.yaml': 'x' });
  const sub = join(folder, 'sub');
  await mkdir(sub);
  await writeFile(join(sub, 'a.yaml'), '1');
  await until((files) => files.texts.get(join(sub, 'a.yaml')) === '1');
  await rm(sub, { recursive: true });
  await mkdir(sub);
  await writeFile(join(sub, 'a.yaml'), '2');
  await until((files) => files.texts.get(join(sub, 'a.yaml')) === '2');
  await wait(60);
  const start = performance.now();
  await writeFile(join(sub, 'a.yaml'), '3');
  await until((files) => files.texts.get(join(sub, 'a.yaml')) === '3');
  t.true(performance.now() - start < 900, 'by a watch, not by polling');
});

test('links that lead in circles end, and a file with two names is read once', async (t) => {
  const { folder, until } = await watched(t, { 'a.yaml': 'a' });
  await mkdir(join(folder, 'sub'));
  await writeFile(join(folder, 'sub', 'b.yaml'), 'b');
  await symlink(folder, join(folder, 'sub', 'up'));
  await symlink(join(folder, 'sub'), join(folder, 'sub', 'self'));
  await symlink(join(folder, 'sub'), join(folder, 'twice'));
  const files = await until(({ texts }) => texts.size === 2);
  t.deepEqual([...files.texts.values()].sort(), ['a', 'b']);
  t.deepEqual(files.faults, []);
});

test('a file that is no UTF-8 is told, and what it said before goes on', async (t) => {
  const { folder, until } = await watched(t, { 'a.yaml': 'old' });
  await writeFile(join(folder, 'a.yaml'), Buffer.from('new', 'utf16le').fill(0xff, 0, 2));
  const { texts, faults } = await until((files) => files.faults.length > 0);
  t.is(texts.get(join(folder, 'a.yaml')), 'old');
  t.deepEqual(faults.map(({ message }) => message), ['is no text in UTF-8; save it as such']);
});
