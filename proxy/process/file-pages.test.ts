import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';
import { unchangedRanges } from './file-pages.ts';

const mapping = (head: string, anonymous: number): string => `${head}\nSize:               4280 kB\nRss:                4280 kB\nAnonymous:             ${anonymous} kB\nVmFlags: rd mr mw me\n`;

test('only what a file can give again is given back', (t) => {
  const smaps = [
    mapping('00400000-0082e000 r--p 00000000 fe:00 123                        /usr/bin/node', 0),
    mapping('0082e000-03489000 r-xp 0042e000 fe:00 123                        /usr/bin/node', 0),
    // RELRO: the loader wrote into it, then closed it.
    mapping('072a7000-072dc000 r--p 06ea7000 fe:00 123                        /usr/bin/node', 212),
    mapping('072dc000-07308000 rw-p 06edc000 fe:00 123                        /usr/bin/node', 0),
    mapping('7f2000000000-7f2000001000 r--s 00000000 fe:00 124                 /shared', 0),
    mapping('7f2000002000-7f2000003000 r-xp 00000000 00:00 0 ', 0),
    mapping('7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                  [vdso]', 0),
    mapping('7f276f844000-7f276f845000 r-xp 00000000 fe:00 9                  /usr/lib/a b.so (deleted)', 0),
    mapping('7f276f846000-7f276f847000 r-xp 00000000 fe:00 9                  /usr/lib/changed.so', 4),
  ].join('');
  t.deepEqual(
    unchangedRanges(smaps).map(({ start, length }) => `${start.toString(16)}+${length.toString(16)}`),
    ['400000+42e000', '82e000+2c5b000', '7f276f844000+1000'],
  );
  t.deepEqual(unchangedRanges('garbage\n00400000-0082e000 r--p\nAnonymous: 0 kB\n'), []);
});

(process.platform === 'linux' ? test : test.skip)('a process goes on without them, smaller', (t) => {
  const program = `
    import { readFileSync } from 'node:fs';
    import { createHash } from 'node:crypto';
    import { releaseFilePages } from ${JSON.stringify(join(import.meta.dirname, 'file-pages.ts'))};
    const files = () => Number(/RssFile:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    const before = files();
    const ranges = await releaseFilePages();
    const after = files();
    const sum = createHash('sha256').update(JSON.stringify(new Intl.NumberFormat('en').format(1e6))).digest('hex');
    console.log(JSON.stringify({ before, after, ranges, sum: sum.length, decoded: new TextDecoder('utf-16le').decode(Buffer.from('a', 'utf16le')) }));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  t.is(stderr, '');
  const { before, after, ranges, ...rest } = JSON.parse(stdout) as Record<'before' | 'after' | 'ranges' | 'sum', number> & { decoded: string };
  t.true(after < before / 2, `${before} kB before, ${after} kB after`);
  t.true(ranges > 3);
  t.deepEqual(rest, { sum: 64, decoded: 'a' });
});
