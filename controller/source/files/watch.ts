import { watch, type FSWatcher } from 'node:fs';
import { sep } from 'node:path';
import { readText, scan, type FileFault, type FoundFile, type Scan } from './scan.ts';

/** The text of every file, as last read whole. */
export interface FileSet {
  readonly texts: ReadonlyMap<string, string>;
  readonly faults: readonly FileFault[];
}

export interface FileWatchEnvironment {
  readonly paths: readonly string[];
  /** Called when a text or a fault has changed, never while an earlier call runs. */
  changed(files: FileSet): void;
  /** Milliseconds since 1970, of the clock that stamps files. */
  now(): number;
}

export interface FileWatch {
  /** What the first reading found. */
  readonly first: FileSet;
  close(): void;
}

/** Milliseconds. Together they stay far below the 300 within which a change must act. */
const quiet = 20;
const longestQuiet = 100;
/** How long a file must stay away or empty until it counts as such: many programs write by emptying or moving away first. */
const doubtful = 80;
/** File systems stamp coarsely: a file stamped this recently may have changed again without a new stamp. */
const coarse = 50;
/** For file systems that tell nobody of changes, and for changes that were missed. */
const pollInterval = 1000;

interface Known {
  readonly signature: string;
  readonly text: string;
  /** Set while the file is missing or empty and was not before. */
  readonly doubtSince?: number;
  /** The path that led to it is missing: what it last said goes on. */
  readonly lost?: true;
}

/** Reads the files and keeps them up to date. Reading is asynchronous throughout; nothing here blocks. */
export async function watchFiles(env: FileWatchEnvironment): Promise<FileWatch> {
  const watcher = new Watcher(env);
  const first = await watcher.start();
  return { first, close: () => watcher.close() };
}

class Watcher {
  readonly #env: FileWatchEnvironment;
  readonly #watches = new Map<string, { readonly identity: string; readonly watcher: FSWatcher }>();
  #known: ReadonlyMap<string, Known> = new Map();
  #faults: readonly FileFault[] = [];
  #timer: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;
  #firstEvent: number | undefined;
  #reading = false;
  #again = false;
  #closed = false;

  constructor(env: FileWatchEnvironment) {
    this.#env = env;
  }

  async start(): Promise<FileSet> {
    this.#reading = true;
    const found = await scan(this.#env.paths);
    // Watch before reading, so that no change falls in between.
    this.#watchFolders(found);
    await this.#take(found);
    this.#reading = false;
    if (this.#again) this.#soon(quiet);
    this.#poll = setInterval(() => this.#soon(0), pollInterval).unref();
    return this.#set();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#poll);
    for (const { watcher } of this.#watches.values()) watcher.close();
    this.#watches.clear();
  }

  #set(): FileSet {
    return { texts: new Map([...this.#known].map(([path, { text }]) => [path, text])), faults: this.#faults };
  }

  #event(): void {
    this.#firstEvent ??= this.#env.now();
    const waited = this.#env.now() - this.#firstEvent;
    this.#soon(Math.max(0, Math.min(quiet, longestQuiet - waited)));
  }

  #soon(milliseconds: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#read(), milliseconds);
  }

  async #read(): Promise<void> {
    if (this.#reading) {
      this.#again = true;
      return;
    }
    this.#reading = true;
    this.#again = false;
    this.#firstEvent = undefined;
    const before = this.#set();
    const found = await scan(this.#env.paths);
    this.#watchFolders(found);
    await this.#take(found);
    this.#reading = false;
    if (this.#closed) return;
    const after = this.#set();
    if (!equal(before, after)) this.#env.changed(after);
    if (this.#again) this.#soon(quiet);
    else if ([...this.#known.values()].some((known) => known.doubtSince !== undefined)) this.#soon(doubtful);
  }

  async #take(found: Scan): Promise<void> {
    const now = this.#env.now();
    const known = new Map<string, Known>();
    const faults = [...found.faults];
    const reads = await Promise.all(found.files.map(async (file) => {
      const before = this.#known.get(file.path);
      return { file, before, read: before?.signature === file.signature ? { text: before.text } : await readText(file.path) };
    }));
    for (const { file, before, read } of reads) {
      if (read !== undefined && 'fault' in read) {
        faults.push(read.fault);
        if (before !== undefined) known.set(file.path, before);
      } else if (read !== undefined) known.set(file.path, this.#trust(file, read.text, before, now));
    }
    for (const [path, { doubtSince = now, lost, ...before }] of this.#known) {
      if (known.has(path)) continue;
      const fault = faults.find(({ file }) => path === file || path.startsWith(`${file}${sep}`));
      // What can't be read any more is not gone; its fault says so.
      if (fault?.missing === false) known.set(path, before);
      else if ((lost === undefined || fault === undefined) && now - doubtSince < doubtful && before.text.trim() !== '') known.set(path, { ...before, signature: '', doubtSince });
      // A path that was asked for is missing as a whole: as at the start a fault, not a wish that all of it goes.
      else if (fault !== undefined) known.set(path, { ...before, signature: '', lost: true });
    }
    this.#known = new Map([...known].sort(([a], [b]) => (a < b ? -1 : 1)));
    this.#faults = faults.filter(({ file, missing }) => !missing || this.#known.get(file)?.doubtSince === undefined).map((fault) => this.#withLoss(fault));
  }

  #withLoss(fault: FileFault): FileFault {
    const lost = [...this.#known].some(([path, known]) => known.lost === true && (path === fault.file || path.startsWith(`${fault.file}${sep}`)));
    return lost ? { ...fault, message: `${fault.message}; what it last said goes on` } : fault;
  }

  #trust(file: FoundFile, text: string, before: Known | undefined, now: number): Known {
    const signature = now - file.modifiedAt < coarse ? '' : file.signature;
    const emptied = text.trim() === '' && before !== undefined && before.text.trim() !== '';
    if (!emptied) return { signature, text };
    const doubtSince = before.doubtSince ?? now;
    return now - doubtSince < doubtful ? { signature: '', text: before.text, doubtSince } : { signature, text };
  }

  #watchFolders(found: Scan): void {
    if (this.#closed) return;
    for (const [folder, { identity, watcher }] of this.#watches) {
      if (found.folders.get(folder) === identity) continue;
      watcher.close();
      this.#watches.delete(folder);
    }
    for (const [folder, identity] of found.folders) if (!this.#watches.has(folder)) this.#watchFolder(folder, identity);
  }

  #watchFolder(folder: string, identity: string): void {
    try {
      const watcher = watch(folder, () => this.#event());
      watcher.on('error', () => {
        watcher.close();
        if (this.#watches.get(folder)?.watcher === watcher) this.#watches.delete(folder);
      });
      this.#watches.set(folder, { identity, watcher });
    } catch {
      // Gone again, or no watches left on this system: polling finds the change.
    }
  }
}

function equal(a: FileSet, b: FileSet): boolean {
  if (a.texts.size !== b.texts.size || JSON.stringify(a.faults) !== JSON.stringify(b.faults)) return false;
  return [...a.texts].every(([path, text]) => b.texts.get(path) === text);
}
