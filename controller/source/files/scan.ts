import { isUtf8 } from 'node:buffer';
import type { Stats } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Bounds: a folder given by mistake (a home, a root) must not be read whole. */
export const maxFiles = 10_000;
export const maxFileBytes = 32 << 20;
const maxDepth = 32;
/** Of one scan, all folders together: links can make a small tree look endless. */
const maxEntries = 100_000;

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
  /** The same for all names of one file. */
  readonly identity: string;
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
 * Entries that begin with a dot are left out (editors and `kubectl`-style volume mounts keep their own things there). Asks the file
 * system for as much as possible at once: on a busy machine each answer that is waited for costs a turn of the event loop.
 */
export async function scan(paths: readonly string[]): Promise<Scan> {
  const budget = { entries: maxEntries };
  const parts = await Promise.all(paths.map((path) => visitRoot(path, budget)));
  // Of several names of one file the first counts, whichever answer came first.
  const files = new Map<string, FoundFile>();
  for (const file of parts.flatMap((part) => part.files)) if (!files.has(file.identity)) files.set(file.identity, file);
  const kept = [...files.values()].slice(0, maxFiles);
  const faults = parts.flatMap((part) => part.faults);
  const [beyond] = [...files.values()].slice(maxFiles);
  if (beyond !== undefined) faults.push({ file: beyond.path, missing: false, message: `more than ${maxFiles} files; this and later ones are not read` });
  return { files: kept, faults, folders: new Map(parts.flatMap((part) => [...part.folders])) };
}

/** The file's text, undefined where it is gone; other failures are faults. */
export async function readText(path: string): Promise<{ readonly text: string } | { readonly fault: FileFault } | undefined> {
  try {
    const bytes = await readFile(path);
    if (!isUtf8(bytes)) return { fault: { file: path, missing: false, message: 'is no text in UTF-8; save it as such' } };
    return { text: bytes.toString('utf8') };
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? undefined : { fault: faultOf(path, error) };
  }
}

interface Found {
  readonly files: readonly FoundFile[];
  readonly faults: readonly FileFault[];
  readonly folders: readonly (readonly [string, string])[];
}

const nothing: Found = { files: [], faults: [], folders: [] };

interface Budget {
  entries: number;
}

async function visitRoot(path: string, budget: Budget): Promise<Found> {
  // Editors replace a file by renaming another over it, which only its folder sees; a link's target has a folder of its own.
  const parent = folderOf(dirname(path));
  const target = realpath(path).then((real) => folderOf(dirname(real)), () => []);
  const found = await stat(path).then((info) => (info.isDirectory() ? visitFolder(path, { info, above: [] }, budget) : visitFile(path, info)), (error: unknown) => ({ ...nothing, faults: [faultOf(path, error)] }));
  return { ...found, folders: [...(await parent), ...(await target), ...found.folders] };
}

/** With what tells a folder from a later one of the same name; empty where there is none (what was asked for in it is missing, then). */
async function folderOf(path: string): Promise<Found['folders']> {
  return stat(path).then((info) => [[path, identityOf(info)] as const], () => []);
}

async function visitFolder(path: string, { info, above }: { readonly info: Stats; readonly above: readonly string[] }, budget: Budget): Promise<Found> {
  const identity = identityOf(info);
  // A link that leads back up.
  if (above.includes(identity)) return nothing;
  if (above.length >= maxDepth) return { ...nothing, faults: [{ file: path, missing: false, message: `folders more than ${maxDepth} deep are not read` }] };
  const listing = await readdir(path).then((names) => ({ names: names.sort(), faults: [] }), (error: unknown) => ({ names: [], faults: [faultOf(path, error)] }));
  const names = listing.names.filter((name) => !name.startsWith('.') && name !== 'node_modules');
  budget.entries -= names.length;
  if (budget.entries < 0) return { ...nothing, faults: [{ file: path, missing: false, message: `more than ${maxEntries} files and folders in all; this folder is not read` }] };
  const parts = await Promise.all(names.map((name) => visitEntry(join(path, name), [...above, identity], budget)));
  return {
    files: parts.flatMap((part) => part.files),
    faults: [...listing.faults, ...parts.flatMap((part) => part.faults)],
    folders: [[path, identity], ...parts.flatMap((part) => part.folders)],
  };
}

async function visitEntry(path: string, above: readonly string[], budget: Budget): Promise<Found> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) return await visitFolder(path, { info, above }, budget);
    return info.isFile() && manifestName.test(path) ? visitFile(path, info) : nothing;
  } catch (error) {
    // Gone between the listing and now, or a link to nothing: the next scan sees what comes of it.
    return codeOf(error) === 'ENOENT' ? nothing : { ...nothing, faults: [faultOf(path, error)] };
  }
}

function visitFile(path: string, info: Stats): Found {
  if (info.size > maxFileBytes) return { ...nothing, faults: [{ file: path, missing: false, message: `${info.size} bytes; files above ${maxFileBytes} are not read` }] };
  const signature = `${identityOf(info)}:${info.size}:${info.mtimeMs}:${info.ctimeMs}`;
  return { ...nothing, files: [{ path, identity: identityOf(info), bytes: info.size, modifiedAt: info.mtimeMs, signature }] };
}

function identityOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
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
