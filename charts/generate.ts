import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { renderSchema } from './source/json-schema.ts';
import { renderRbacReference, renderRole, roles } from './source/rbac.ts';
import { renderReference, renderValues } from './source/render.ts';

const root = join(import.meta.dirname, '..');

/** Every generated file, by its path from the repository's root. */
export function generated(): ReadonlyMap<string, string> {
  return new Map([
    ['charts/weft/values.yaml', renderValues()],
    ['charts/weft/values.schema.json', renderSchema()],
    ['docs/reference/values.md', renderReference()],
    ['docs/reference/rbac.md', renderRbacReference()],
    ...roles.map((role): [string, string] => [`charts/weft/templates/rbac-${role.component}.yaml`, renderRole(role)]),
  ]);
}

if (import.meta.main) {
  for (const [path, text] of generated()) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
    console.log(path);
  }
}
