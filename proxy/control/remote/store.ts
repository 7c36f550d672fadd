import { open, readFile, rename, rm } from 'node:fs/promises';
import { resourceKinds, type ResourceKind, type VersionedResource } from '#snapshot';

/** Resources by kind and name. */
export type Holdings = ReadonlyMap<ResourceKind, ReadonlyMap<string, VersionedResource>>;

const format = 1;
/** A file that is longer was not written by us. Bytes. */
const maxFile = 1 << 30;

/** What an earlier run of this proxy held; undefined where there is nothing that can be read. */
export async function readHoldings(file: string): Promise<Holdings | undefined> {
  try {
    const text = await readFile(file, 'utf8');
    if (text.length > maxFile) return undefined;
    const saved = JSON.parse(text) as { readonly format?: unknown; readonly resources?: Readonly<Record<string, readonly VersionedResource[]>> };
    if (saved.format !== format) return undefined;
    // Each resource is checked like one that comes over the wire before it is put into force.
    return new Map(resourceKinds.map((kind) => [kind, new Map((saved.resources?.[kind] ?? []).map((each) => [String(each.name), each]))]));
  } catch {
    return undefined;
  }
}

/** Replaces the file in one step, so that a proxy that dies meanwhile leaves the old one. Only this user can read it: it holds keys. */
export async function writeHoldings(file: string, holdings: Holdings): Promise<void> {
  const resources = Object.fromEntries([...holdings].map(([kind, named]) => [kind, [...named.values()]]));
  const next = `${file}.next`;
  await rm(next, { force: true });
  const opened = await open(next, 'wx', 0o600);
  try {
    await opened.writeFile(JSON.stringify({ format, resources }));
    await opened.sync();
  } finally {
    await opened.close();
  }
  await rename(next, file);
}
