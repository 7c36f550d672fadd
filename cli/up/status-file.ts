import { rename, writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import type { ObjectStatus } from '#controller';

export interface StatusFile {
  /** Writes soon; of several calls while a write is under way only the last is written. */
  set(statuses: readonly ObjectStatus[]): void;
  /** Fulfils when what was set last is written, or has failed. */
  flush(): Promise<void>;
}

/** Keeps a file of every object's status, as documents of YAML. Readers see the old or the new file whole, never a part. */
export function keepStatusFile(path: string, failed: (message: string) => void): StatusFile {
  let wanted: readonly ObjectStatus[] | undefined;
  let written = '';
  let writing: Promise<void> | undefined;

  const write = async (): Promise<void> => {
    while (wanted !== undefined) {
      const text = statusText(wanted);
      wanted = undefined;
      if (text === written) continue;
      try {
        await writeFile(`${path}.new`, text);
        await rename(`${path}.new`, path);
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

/** One document per object, as `kubectl get -o yaml` would show its identity and status. */
export function statusText(statuses: readonly ObjectStatus[]): string {
  return statuses
    .map(({ apiVersion, kind, namespace, name, status }) => stringify({ apiVersion, kind, metadata: { name, ...(namespace === '' ? {} : { namespace }) }, status }, { aliasDuplicateObjects: false, version: '1.1' }))
    .map((text) => `---\n${text}`)
    .join('');
}
