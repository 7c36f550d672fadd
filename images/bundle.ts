import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';

/** `node images/bundle.ts [folder]`: one bundle per process, in one folder per image (`dist/` unless given). */

const root = join(import.meta.dirname, '..');

interface Bundle {
  readonly image: string;
  readonly name: string;
  readonly entry: string;
  /** Packages that must not be in it, whoever imports them. */
  readonly without: readonly string[];
}

/** What only the control plane may hold: a proxy that had it could be made to use it. */
const controlPlaneOnly = ['@kubernetes/client-node', 'node-forge', 'yaml', 'commander'];

export const bundles: readonly Bundle[] = [
  { image: 'weft', name: 'controller', entry: 'controller/main.ts', without: [] },
  { image: 'weft', name: 'injector', entry: 'injector/main.ts', without: [] },
  { image: 'weft', name: 'cli', entry: 'cli/main.ts', without: [] },
  { image: 'weft-proxy', name: 'sidecar', entry: 'sidecar/main.ts', without: controlPlaneOnly },
  { image: 'weft-proxy', name: 'gateway', entry: 'gateway/main.ts', without: controlPlaneOnly },
  { image: 'weft-proxy-init', name: 'redirect', entry: 'injector/redirect/main.ts', without: controlPlaneOnly },
];

const nativePackages = ['koffi'];

/** Packages that an output holds. */
export function packagesOf(metafile: Metafile): ReadonlySet<string> {
  const found = Object.keys(metafile.inputs).map((input) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(input)?.[1]);
  return new Set(found.filter((name) => name !== undefined));
}

/** Bundles one process. Throws where it can't be built or holds what it must not. */
export async function bundle({ image, name, entry, without }: Bundle, folder: string): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [{ in: entry, out: name }],
    outdir: join(folder, image, 'weft'),
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    splitting: true,
    chunkNames: `${name}-[hash]`,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    // Native code can't be bundled: `copyPackages` puts it beside.
    external: nativePackages,
    // CommonJS packages ask for Node's own modules by `require`, which an ES module has not.
    banner: { js: "import { createRequire as weftRequire } from 'node:module'; const require = weftRequire(import.meta.url);" },
  });
  const forbidden = without.filter((one) => packagesOf(metafile).has(one));
  if (forbidden.length > 0) throw new Error(`the bundle of ${name} must not hold ${forbidden.join(', ')}`);
  return metafile;
}

/** Packages with native code that a bundle asks for, with the part of them that is of this platform. */
export async function copyPackages({ outputs }: Metafile, target: string): Promise<void> {
  const asked = new Set(Object.values(outputs).flatMap(({ imports }) => imports.filter(({ external, path }) => external === true && !isBuiltin(path)).map(({ path }) => path)));
  const scope = join(root, 'node_modules/@koromix');
  for (const name of nativePackages.filter((one) => asked.has(one))) {
    const parts = existsSync(scope) ? (await readdir(scope)).filter((part) => part.startsWith(name)).map((part) => `@koromix/${part}`) : [];
    const unused = new Set(['vendor', 'doc', 'CHANGELOG.md'].map((file) => join(root, 'node_modules', name, file)));
    for (const part of [name, ...parts]) await cp(join(root, 'node_modules', part), join(target, 'node_modules', part), { recursive: true, filter: (source) => !unused.has(source) });
  }
}

export async function bundleAll(folder: string): Promise<readonly string[]> {
  await rm(folder, { recursive: true, force: true });
  const lines: string[] = [];
  for (const one of bundles) {
    if (!existsSync(join(root, one.entry))) {
      lines.push(`${one.image}/${one.name}: no ${one.entry}`);
      continue;
    }
    const metafile = await bundle(one, folder);
    const { outputs } = metafile;
    const target = join(folder, one.image, 'weft');
    await copyPackages(metafile, target);
    // Read at run time, beside the bundle as beside the source.
    if (Object.keys(metafile.inputs).includes('crds/builtin.ts')) await cp(join(root, 'crds/generated/schemas'), join(target, 'generated/schemas'), { recursive: true });
    lines.push(`${one.image}/${one.name}: ${Math.ceil(Object.values(outputs).reduce((sum, { bytes }) => sum + bytes, 0) / 1024)} KiB`);
  }
  for (const image of new Set(bundles.map((one) => one.image))) {
    await mkdir(join(folder, image, 'weft'), { recursive: true });
    await writeFile(join(folder, image, 'weft', 'package.json'), '{"type":"module"}\n');
  }
  return lines;
}

if (import.meta.main) {
  const folder = process.argv[2] ?? join(root, 'dist');
  for (const line of await bundleAll(folder)) process.stdout.write(`${line}\n`);
}
