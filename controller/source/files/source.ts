import { ManifestStore, type Loaded } from './store.ts';
import { readText, scan, type FileFault } from './scan.ts';
import { watchFiles, type FileSet } from './watch.ts';

export interface LoadedFiles extends Loaded {
  /** Paths that could not be read. */
  readonly faults: readonly FileFault[];
}

export interface FileSourceEnvironment {
  /** Files, and folders that are read with all below them. */
  readonly paths: readonly string[];
  /** After every change. */
  changed(loaded: LoadedFiles): void;
  /** Milliseconds since 1970. */
  now(): number;
}

export interface FileSource {
  /** What the files said at first. */
  readonly first: LoadedFiles;
  close(): void;
}

/** Keeps reading the files until closed; a broken one goes on as it last was (`ManifestStore`). */
export async function openFiles(env: FileSourceEnvironment): Promise<FileSource> {
  const store = new ManifestStore();
  const load = ({ texts, faults }: FileSet): LoadedFiles => ({ ...store.update(texts), faults });
  const watch = await watchFiles({ paths: env.paths, now: env.now, changed: (set) => env.changed(load(set)) });
  return { first: load(watch.first), close: () => watch.close() };
}

/** Reads the files once. */
export async function readFiles(paths: readonly string[]): Promise<LoadedFiles> {
  const { files, faults } = await scan(paths);
  const texts = new Map<string, string>();
  const unread: FileFault[] = [];
  for (const { path } of files) {
    const read = await readText(path);
    if (read === undefined) continue;
    if ('fault' in read) unread.push(read.fault);
    else texts.set(path, read.text);
  }
  const empty = files.length > 0 || faults.length > 0 ? [] : [{ file: paths.join(', '), missing: false, message: 'no .yaml, .yml or .json file is here' }];
  return { ...new ManifestStore().update(texts), faults: [...faults, ...unread, ...empty] };
}
