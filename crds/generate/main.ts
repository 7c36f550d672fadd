/**
 * Writes crds/generated/ from the experimental CRDs of the Go module sigs.k8s.io/gateway-api.
 * `node crds/generate/main.ts [folder]`: the folder that holds the module; without it `go mod download` finds or fetches it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generate } from './generate.ts';
import { moduleFolder } from './module.ts';

const output = join(import.meta.dirname, '..', 'generated');
const folder = process.argv[2] ?? moduleFolder({ download: true, env: process.env });
if (folder === undefined) {
  console.error('The Go module of Gateway API was not found. Give its folder as an argument, or install Go.');
  process.exitCode = 1;
} else {
  const files = generate(folder);
  for (const [name, text] of files) {
    mkdirSync(dirname(join(output, name)), { recursive: true });
    writeFileSync(join(output, name), text);
  }
  console.log(`${files.size} files in ${output}`);
}
