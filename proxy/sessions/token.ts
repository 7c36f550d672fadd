import { createHash } from 'node:crypto';
import type { EndpointState } from '../balancing/index.ts';

/**
 * What a client carries so that its next request finds the same endpoint: `{entry}~{entry}…`, newest first, one per backend that it was
 * sent to. An entry is `{tag of the backend}{tag of the endpoint}`, and `.{second since 1970, base 36}` where the session has an end.
 *
 * Tags are hashes without a key. One that a client makes up picks, at most, an endpoint that the rule sends its requests to anyway; it is
 * looked up among those and never read as an address. So there is no key to hand out, to rotate, or to lose with a restart, and every proxy
 * of a gateway takes the others' tokens.
 */
export interface TokenEntry {
  /** Tag of the backend, then of the endpoint. */
  readonly tags: string;
  /** Seconds since 1970 at which the session began; undefined where it has no end. */
  readonly since: number | undefined;
}

/** A rule has at most 16 backends. */
const maxEntries = 16;
const backendTagLength = 6;
const tagsLength = backendTagLength + 11;
const entry = /^([\w-]{17})(?:\.([0-9a-z]{1,8}))?$/;
/** Of 16 entries as this proxy writes them, and no more. */
const maxLength = maxEntries * (tagsLength + 10);

/** Nothing of a text that is not a token as written here. */
export function parseToken(text: string): readonly TokenEntry[] {
  if (text === '' || text.length > maxLength) return [];
  const entries: TokenEntry[] = [];
  for (const part of text.split('~', maxEntries + 1)) {
    const found = entry.exec(part);
    if (found === null || entries.length === maxEntries) return [];
    entries.push({ tags: found[1]!, since: found[2] === undefined ? undefined : Number.parseInt(found[2], 36) });
  }
  return entries;
}

export function formatToken(entries: readonly TokenEntry[]): string {
  return entries.map(({ tags, since }) => (since === undefined ? tags : `${tags}.${since.toString(36)}`)).join('~');
}

/** The token after this request: the new entry in the place of all others for its backend. */
export function withEntry(entries: readonly TokenEntry[], added: TokenEntry): readonly TokenEntry[] {
  const backend = added.tags.slice(0, backendTagLength);
  return [added, ...entries.filter(({ tags }) => !tags.startsWith(backend))].slice(0, maxEntries);
}

/** Endpoints of one backend by the tags that name them. */
export interface Tagged<Pool> {
  /** What the tags of every endpoint of the backend begin with. */
  readonly backend: string;
  find(tags: string): EndpointState<Pool> | undefined;
  tagsOf(state: EndpointState<Pool>): string;
}

/** By list of endpoints: a set has another list after each update. */
const known = new WeakMap<readonly EndpointState<never>[], Tagged<never>>();

/** Hashes all endpoints when one of the list is first asked for. */
export function taggedEndpoints<Pool>(backend: string, states: readonly EndpointState<Pool>[]): Tagged<Pool> {
  const key = states as readonly EndpointState<never>[];
  const old = known.get(key) as Tagged<Pool> | undefined;
  if (old !== undefined) return old;
  const start = tag(backend, backendTagLength);
  const byTags = new Map<string, EndpointState<Pool>>();
  const tags = new Map<EndpointState<Pool>, string>();
  for (const state of states) {
    const text = start + endpointTag(backend, state);
    byTags.set(text, state);
    tags.set(state, text);
  }
  const made: Tagged<Pool> = {
    backend: start,
    find: (text) => byTags.get(text),
    // An endpoint may have left the list since its request began.
    tagsOf: (state) => tags.get(state) ?? start + endpointTag(backend, state),
  };
  known.set(key, made as Tagged<never>);
  return made;
}

/** With the Pod's name, so that another Pod at a freed address does not take over sessions that it knows nothing of. */
function endpointTag<Pool>(backend: string, { endpoint }: EndpointState<Pool>): string {
  return tag([backend, endpoint.address, endpoint.port, endpoint.workload ?? ''].join('\n'), tagsLength - backendTagLength);
}

function tag(text: string, length: number): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, length);
}
