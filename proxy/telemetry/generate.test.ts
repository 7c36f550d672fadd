import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { generated } from './generate.ts';

for (const [path, text] of generated()) {
  test(`${path} is what \`node proxy/telemetry/generate.ts\` writes`, (t) => {
    t.is(readFileSync(join(import.meta.dirname, '..', '..', path), 'utf8'), text);
  });
}
