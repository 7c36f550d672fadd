import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Bounds: a folder given by mistake (a home, a root) must not be read whole. */
export const maxFiles = 10_000;
export const maxFileBytes = 32 << 20;
const maxDepth = 32;

const manifestName = /\.(ya?ml|json)$/i;

/** A path that could not be read as asked. */
export interface FileFault {
  readonly file: string;
  readonly message: string;
  /** Nothing is there; otherwise something is there and could not be read. */
  readonly missing: boolean;
}

export interface FoundFile {
  readonly path: string;
  readonly bytes: number;
  /** Differs when the file was written or replaced. */
  readonly signature: string;
  readonly modifiedAt: number;
}

export interface Scan {
  readonly files: readonly FoundFile[];
  readonly faults: readonly FileFault[];
  /** Folders in which a change may concern us, with what tells a folder from a later one of the same name. */
  readonly folders: ReadonlyMap<string, string>;
}

/**
 * What the paths hold now: files as named, folders with all `.yaml`, `.yml` and `.json` files below them, in the order of their names.
 * Entries that begin with a dot are left out (editors and `kubectl`-style volume mounts keep their own things there).
 */
export async function scan(paths: readonly string[]): Promise<Scan> {
  const found: Found = { files: new Map(), faults: [], folders: new Map(), visited: new Set() };
  for (const path of paths) await visitRoot(path, found);
  return { files: [...found.files.values()], faults: found.faults, folders: found.folders };
}

/** The file's text, undefined where it is gone; other failures are faults. */
export async function readText(path: string): Promise<{ readonly text: string } | { readonly fault: FileFault } | undefined> {
  try {
    return { text: await readFile(path, 'utf8') };
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? undefined : { fault: faultOf(path, error) };
  }
}

interface Found {
  readonly files: Map<string, FoundFile>;
  readonly faults: FileFault[];
  readonly folders: Map<string, string>;
  /** Real paths of folders, so that links can't lead round in circles. */
  readonly visited: Set<string>;
}

async function visitRoot(path: string, found: Found): Promise<void> {
  // Editors replace a file by renaming another over it, which only its folder sees.
  await noteFolder(dirname(path), found);
  try {
    const target = dirname(await realpath(path));
    if ((await stat(path)).isDirectory()) await visitFolder(path, 0, found);
    else {
      await noteFolder(target, found);
      await visitFile(path, found);
    }
  } catch (error) {
    found.faults.push(faultOf(path, error));
  }
}

async function noteFolder(path: string, found: Found): Promise<void> {
  try {
    const info = await stat(path);
    found.folders.set(path, `${info.dev}:${info.ino}`);
  } catch {
    // No such folder: nothing to watch; what was asked for in it is reported as missing.
  }
}

async function visitFolder(path: string, depth: number, found: Found): Promise<void> {
  const real = await realpath(path);
  if (found.visited.has(real)) return;
  found.visited.add(real);
  await noteFolder(path, found);
  if (depth > maxDepth) return void found.faults.push({ file: path, missing: false, message: `folders more than ${maxDepth} deep are not read` });
  const entries = await readdir(path, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    await visitEntry(join(path, entry.name), depth, found);
  }
}

async function visitEntry(path: string, depth: number, found: Found): Promise<void> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) await visitFolder(path, depth + 1, found);
    else if (info.isFile() && manifestName.test(path)) await visitFile(path, found);
  } catch (error) {
    // Gone between the listing and now, or a link to nothing: the next scan sees what comes of it.
    if (codeOf(error) !== 'ENOENT') found.faults.push(faultOf(path, error));
  }
}

async function visitFile(path: string, found: Found): Promise<void> {
  if (found.files.has(path)) return;
  if (found.files.size >= maxFiles) {
    if (!found.faults.some((fault) => fault.message.startsWith('more than'))) found.faults.push({ file: path, missing: false, message: `more than ${maxFiles} files; this and later ones are not read` });
    return;
  }
  const info = await stat(path);
  if (info.size > maxFileBytes) return void found.faults.push({ file: path, missing: false, message: `${info.size} bytes; files above ${maxFileBytes} are not read` });
  found.files.set(path, { path, bytes: info.size, modifiedAt: info.mtimeMs, signature: `${info.dev}:${info.ino}:${info.size}:${info.mtimeMs}:${info.ctimeMs}` });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

const reasons: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'no such file or folder'],
  ['ENOTDIR', 'a part of the path is no folder'],
  ['EACCES', 'permission denied'],
  ['ELOOP', 'links lead round in a circle'],
]);

function faultOf(file: string, error: unknown): FileFault {
  const code = codeOf(error) ?? '';
  const message = reasons.get(code) ?? (error instanceof Error ? error.message : String(error));
  return { file, message, missing: code === 'ENOENT' || code === 'ENOTDIR' };
}
