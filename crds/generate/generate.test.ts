import test from 'ava';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { builtInKinds, readManifests, type ManifestFile } from '../index.ts';
import { generate } from './generate.ts';
import { gatewayApi, moduleFolder } from './module.ts';

// Upstream's CRDs and examples are not copied into this repository; where they are not on the machine there is nothing to compare.
const folder = moduleFolder({ download: false, env: process.env });
const upstream = folder === undefined ? test.skip : test;
if (folder === undefined) console.log(`skipped: ${gatewayApi.path}@${gatewayApi.version} is not in the Go module cache (go mod download fetches it)`);

upstream('generating again changes nothing', (t) => {
  const output = join(import.meta.dirname, '..', 'generated');
  const files = generate(folder ?? '');
  const present = readdirSync(output, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(ts|json)$/.test(name));
  t.deepEqual(present.sort(), [...files.keys()].sort());
  for (const [name, text] of files) t.is(readFileSync(join(output, name), 'utf8'), text, `${name} differs: run node crds/generate/main.ts`);
});

upstream("upstream's valid examples are read without a problem, its invalid ones are all refused", (t) => {
  const valid = manifestsBelow('examples').flatMap((file) => readManifests([file], builtInKinds).problems);
  t.deepEqual(valid.map(({ source, message }) => `${source.file}:${source.line} ${message}`), []);
  const invalid = manifestsBelow(join('hack', 'invalid-examples'));
  t.true(invalid.length > 30);
  for (const file of invalid) t.true(readManifests([file], builtInKinds).problems.length > 0, file.file);
});

function manifestsBelow(below: string): ManifestFile[] {
  const names = readdirSync(join(folder ?? '', below), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'));
  return names.map((name) => ({ file: name, text: readFileSync(join(folder ?? '', below, name), 'utf8') }));
}
