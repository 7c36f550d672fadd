import { copyFile, open, readFile, rename, rm } from 'node:fs/promises';
import { adoptResponse, resourceKinds, type ResourceKind, type VersionedResource } from '#snapshot';

/** Resources by kind and name. */
export type Holdings = ReadonlyMap<ResourceKind, ReadonlyMap<string, VersionedResource>>;

const format = 1;
/** A file that is longer was not written by us. Bytes. */
const maxFile = 1 << 30;

/** What an earlier run of this proxy held, perhaps in another version of it; undefined where it held nothing. Rejects where that can't be read. */
export async function readHoldings(file: string): Promise<Holdings | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  if (text.length > maxFile) throw new Error(`it is longer than ${maxFile}`);
  const { format: written, resources } = parsed(text);
  if (written !== format) throw new Error(`it is of format ${JSON.stringify(written)?.slice(0, 20)}, and ${format} is read here: another version of the proxy has written it`);
  const holdings = new Map<ResourceKind, ReadonlyMap<string, VersionedResource>>();
  for (const kind of resourceKinds) {
    // As if it came over the wire; so is each resource checked before it is put into force.
    const response = adoptResponse({ type: kind, nonce: '', resources: resources?.[kind] ?? [], removed: [] });
    if (!response.ok) throw new Error(`${kind}: ${response.error}`);
    holdings.set(kind, new Map(response.value.resources.map((each) => [each.name, each])));
  }
  return holdings;
}

interface Saved {
  readonly format?: unknown;
  readonly resources?: Readonly<Record<string, unknown>>;
}

/** What is wrong is not shown, for it may be a part of a key. */
function parsed(text: string): Saved {
  try {
    return (JSON.parse(text) ?? {}) as Saved;
  } catch {
    throw new Error('it is not JSON, or not all of it is there');
  }
}

/** Replaces the file in one step, so that a proxy that dies meanwhile leaves the old one. Only this user can read it: it holds keys. */
export async function writeHoldings(file: string, holdings: Holdings): Promise<void> {
  const next = `${file}.next`;
  await rm(next, { force: true });
  try {
    const opened = await open(next, 'wx', 0o600);
    try {
      await opened.writeFile(textOf(holdings));
      await opened.sync();
    } finally {
      await opened.close();
    }
    await rename(next, file);
  } catch (error) {
    // Half a file is of no use to anybody, and keeps a full disk full.
    await rm(next, { force: true }).catch(() => {});
    throw error;
  }
}

/** In one step as well. Where there is nothing to copy, or no room for it, the other file stays as it is. */
export async function copyHoldings(from: string, to: string): Promise<void> {
  const next = `${to}.next`;
  try {
    await copyFile(from, next);
    await rename(next, to);
  } catch {
    await rm(next, { force: true }).catch(() => {});
  }
}

/** Characters that are written at a time; requests have their turn between two. */
const slice = 65_536;

/** `{"format":…,"resources":{…}}`, in pieces; as it is now, whatever changes between two of them. */
async function* textOf(holdings: Holdings): AsyncGenerator<string> {
  const now = [...holdings].map(([kind, named]) => [kind, [...named.values()]] as const);
  let text = `{"format":${format},"resources":{`;
  let kinds = 0;
  for (const [kind, list] of now) {
    text += `${kinds++ === 0 ? '' : ','}${JSON.stringify(kind)}:[`;
    let count = 0;
    for (const each of list) {
      for (const piece of piecesOf(each)) {
        text += piece;
        if (text.length < slice) continue;
        yield text;
        text = '';
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (++count < list.length) text += ',';
    }
    text += ']';
  }
  yield `${text}}}`;
}

/** A resource's JSON; a table's route by route. */
function* piecesOf(held: VersionedResource): Generator<string> {
  if (held.resource.kind !== 'RouteTable') return yield JSON.stringify(held);
  const { name, version, resource: { routes, ...resource } } = held;
  // `resource` comes last and is not empty, so two braces end it.
  yield `${JSON.stringify({ name, version, resource }).slice(0, -2)},"routes":[`;
  for (const [index, route] of routes.entries()) yield (index === 0 ? '' : ',') + JSON.stringify(route);
  yield ']}}';
}
