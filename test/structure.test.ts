import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'ava';

/**
 * The boundaries of docs/architecture.md, and the sizes and bans of CONTRIBUTING.md, checked on every file git tracks or would track.
 * Our own few lines, because dependency-cruiser can't read TypeScript with a TypeScript 7 compiler (docs/decisions/0002).
 */

/** Folder → folders of ours that it may import. `cli`, `test` and the like are free. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  crds: [],
  snapshot: [],
  routing: ['snapshot'],
  policy: ['crds', 'snapshot'],
  controller: ['crds', 'policy', 'snapshot'],
  proxy: ['snapshot', 'routing'],
  sidecar: ['proxy', 'routing', 'snapshot'],
  gateway: ['proxy', 'routing', 'snapshot'],
  mesh: ['crds', 'policy', 'controller', 'snapshot', 'proxy', 'routing', 'gateway', 'sidecar'],
  injector: ['crds'],
};

const folders = new Set([...Object.keys(mayImport), 'cli', 'test', 'examples', 'dashboard']);
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '' && !file.includes('/generated/'));
const sources = files.filter((file) => !file.endsWith('.test.ts'));

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const specifier = /(?:^|\n)\s*(?:import|export)\b[^;'"`]*?\bfrom\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;
  return [...text.matchAll(specifier)].map((match) => (match[1] ?? match[2] ?? match[3])!);
}

function folderOf(file: string): string {
  return file.split('/')[0]!;
}

test('a folder imports only the folders that the architecture allows, and only by their index', (t) => {
  const faults: string[] = [];
  for (const file of files) {
    const own = folderOf(file);
    for (const specifier of importsOf(file)) {
      if (specifier.startsWith('.')) {
        const target = folderOf(normalize(join(dirname(file), specifier)));
        if (target !== own && folders.has(own) && own !== 'test' && folders.has(target)) faults.push(`${file} reaches into ${specifier}: import #${target}`);
      } else if (specifier.startsWith('#') && !file.endsWith('.test.ts')) {
        const target = specifier.slice(1);
        const allowed = mayImport[own];
        if (allowed !== undefined && target !== own && !allowed.includes(target)) faults.push(`${file} may not import ${specifier}`);
      }
    }
  }
  t.deepEqual(faults, []);
});

test('routing is pure by construction: it imports nothing of Node', (t) => {
  t.deepEqual(sources.filter((file) => folderOf(file) === 'routing' && importsOf(file).some((specifier) => specifier.startsWith('node:'))), []);
});

test('policy and the rendering of snapshots do no I/O', (t) => {
  const io = /^node:(fs|net|tls|http|https|child_process|dgram|dns|timers)/;
  const pure = sources.filter((file) => (folderOf(file) === 'policy' && !file.endsWith('generate.ts')) || /^controller\/(graph|status|render)\//.test(file));
  t.deepEqual(pure.filter((file) => importsOf(file).some((specifier) => io.test(specifier))), []);
});

test('time, chance and the environment are arguments: only entry points read them', (t) => {
  const ambient = /\b(Date\.now\(|Math\.random\(|performance\.now\(|process\.env\b|new Date\(\))/;
  const entry = /(^|\/)(main|generate|bench)\.ts$|^(cli|test|examples|mesh)\/|\/generate\//;
  t.deepEqual(sources.filter((file) => !entry.test(file) && ambient.test(withoutComments(readFileSync(file, 'utf8')))), []);
});

test('no file is longer than 500 lines, no folder holds more than 15 source files', (t) => {
  const long = files.filter((file) => readFileSync(file, 'utf8').split('\n').length > 501);
  const counts = Map.groupBy(sources, (file) => dirname(file));
  const full = [...counts].filter(([, members]) => members.length > 15).map(([folder, members]) => `${folder} (${members.length})`);
  t.deepEqual({ long, full }, { long: [], full: [] });
});

test('every folder of the architecture says in at most 30 lines what it is for', (t) => {
  const present = new Set(sources.map(folderOf));
  for (const folder of Object.keys(mayImport).filter((name) => present.has(name))) {
    const lines = readFileSync(join(folder, 'README.md'), 'utf8').trimEnd().split('\n');
    t.true(lines.length <= 30, `${folder}/README.md has ${lines.length} lines`);
  }
});

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|[^:])\/\/.*$/gm, '$1');
}
