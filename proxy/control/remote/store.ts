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
  const next = `${file}.next`;
  await rm(next, { force: true });
  const opened = await open(next, 'wx', 0o600);
  try {
    await opened.writeFile(textOf(holdings));
    await opened.sync();
  } finally {
    await opened.close();
  }
  await rename(next, file);
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
