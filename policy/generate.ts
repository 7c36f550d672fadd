import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { renderCrd } from './schema/crd.ts';
import { policyKinds } from './schema/kinds.ts';
import { renderReference } from './schema/reference.ts';

const root = join(import.meta.dirname, '..');

/** Every generated file, by its path from the repository's root. */
export function generated(): ReadonlyMap<string, string> {
  return new Map(
    policyKinds.flatMap((kind) => [
      [`charts/weft-crds/templates/${kind.plural}.yaml`, renderCrd(kind)],
      [`docs/reference/${kind.kind.toLowerCase()}.md`, renderReference(kind)],
    ]),
  );
}

if (import.meta.main) {
  for (const [path, text] of generated()) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
    console.log(path);
  }
}
