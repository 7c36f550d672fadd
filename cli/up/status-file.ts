import { rename, writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import type { ObjectStatus } from '#controller';
import { resultInTurns, type Steps } from '#snapshot';

export interface StatusFile {
  /** Writes soon; of several calls while a write is under way only the last is written. */
  set(statuses: readonly ObjectStatus[]): void;
  /** Fulfils when what was set last is written, or has failed. */
  flush(): Promise<void>;
}

/** Where a status file is written before it takes its place. */
export function besideOf(path: string): string {
  return `${path}.new`;
}

/** Keeps a file of every object's status, as documents of YAML. Readers see the old or the new file whole, never a part. */
export function keepStatusFile(path: string, failed: (message: string) => void): StatusFile {
  let wanted: readonly ObjectStatus[] | undefined;
  let written = '';
  let writing: Promise<void> | undefined;

  const write = async (): Promise<void> => {
    while (wanted !== undefined) {
      const statuses = wanted;
      wanted = undefined;
      try {
        const text = await resultInTurns(statusText(statuses), { monotonic: () => performance.now() });
        if (text === written) continue;
        await writeFile(besideOf(path), text);
        await rename(besideOf(path), path);
        written = text;
      } catch (error) {
        failed(`${path}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };

  return {
    set: (statuses) => {
      wanted = statuses;
      // `write` may end before it has waited for anything; the reset must come after the assignment.
      writing ??= write().then(() => (writing = undefined));
    },
    flush: async () => writing,
  };
}

/** A status that did not change is the same object; ten thousand written anew at each change would take a second. */
const texts = new WeakMap<ObjectStatus, string>();

/** One document per object, as `kubectl get -o yaml` would show its identity and status. Gives way after each. */
export function* statusText(statuses: readonly ObjectStatus[]): Steps<string> {
  const parts: string[] = [];
  for (const each of statuses) {
    const known = texts.get(each);
    const text = known ?? documentOf(each);
    if (known === undefined) texts.set(each, text);
    parts.push(text);
    yield;
  }
  return parts.join('');
}

function documentOf({ apiVersion, kind, namespace, name, status }: ObjectStatus): string {
  const object = { apiVersion, kind, metadata: { name, ...(namespace === '' ? {} : { namespace }) }, status };
  return `---\n${stringify(object, { aliasDuplicateObjects: false, version: '1.1' })}`;
}
