import type { EndpointSet, EndpointState } from '../balancing/index.ts';
import type { SessionSettings } from './settings.ts';
import { formatToken, parseToken, taggedEndpoints, withEntry, type TokenEntry } from './token.ts';

/** A clock that another proxy wrote a token by may be ahead of ours. Seconds. */
const clockSkew = 60;
/** A client may send several cookies of one name (other paths); more than these are not looked at. */
const maxTokens = 4;

export interface SessionInputs<Pool> {
  readonly settings: SessionSettings;
  /** Name of the backend that was picked, and its endpoints. */
  readonly backend: string;
  readonly endpoints: EndpointSet<Pool>;
  /** `Cookie`, or the session's header, lines joined; undefined where the request has none. */
  readonly header: string | undefined;
  /** Milliseconds since 1970. */
  readonly wallClock: number;
}

/** The session of one request with one backend. Lives as long as the request. */
export class RequestSession<Pool> {
  /** Where the client's session is; undefined where it has none, or none that goes on. */
  readonly pinned: EndpointState<Pool> | undefined;
  readonly #inputs: SessionInputs<Pool>;
  readonly #entries: readonly TokenEntry[];
  /** That of `pinned`. */
  readonly #found: TokenEntry | undefined;

  constructor(inputs: SessionInputs<Pool>) {
    this.#inputs = inputs;
    this.#entries = inputs.header === undefined ? [] : entriesOf(inputs.settings, inputs.header);
    if (this.#entries.length === 0) return;
    const tagged = taggedEndpoints(inputs.backend, inputs.endpoints.states);
    this.#found = this.#entries.find((each) => each.tags.startsWith(tagged.backend) && this.#lives(each));
    const state = this.#found === undefined ? undefined : tagged.find(this.#found.tags);
    // One that is set aside serves no session: it goes on elsewhere, and stays there.
    this.pinned = state?.aside === true ? undefined : state;
  }

  /**
   * The field line that a response from this endpoint needs: a new token where the client has none for it. Of a header the client gets the
   * token each time, for no client keeps headers by itself.
   */
  answer(endpoint: EndpointState<Pool>, scheme: 'http' | 'https'): { readonly name: string; readonly value: string } | undefined {
    const { settings, backend, endpoints, wallClock } = this.#inputs;
    const kept = endpoint === this.pinned;
    if (kept && settings.type === 'Cookie') return undefined;
    const since = settings.absoluteTimeout > 0 ? Math.floor(wallClock / 1000) : undefined;
    const entry = kept ? this.#found! : { tags: taggedEndpoints(backend, endpoints.states).tagsOf(endpoint), since };
    const token = formatToken(withEntry(this.#entries, entry));
    return settings.type === 'Header' ? { name: settings.name, value: token } : { name: 'set-cookie', value: `${settings.name}=${token}${settings.attributes[scheme]}` };
  }

  /** Whether a session that began then goes on. A token without a time was written when the session had no end, or by the client itself. */
  #lives({ since }: TokenEntry): boolean {
    const { settings, wallClock } = this.#inputs;
    if (settings.absoluteTimeout === 0) return true;
    if (since === undefined) return false;
    const age = wallClock - since * 1000;
    return age >= -clockSkew * 1000 && age < settings.absoluteTimeout;
  }
}

function entriesOf({ type, name }: SessionSettings, header: string): readonly TokenEntry[] {
  return type === 'Header' ? parseToken(header) : cookieValues(header, name).flatMap(parseToken);
}

/** Values of the cookies of that name (RFC 6265, 4.2.1). Several Cookie lines arrive joined by a comma, which no token has in it. */
export function cookieValues(header: string, name: string): readonly string[] {
  const values: string[] = [];
  const start = `${name}=`;
  // Most requests have none: then nothing is taken apart.
  if (!header.includes(start)) return values;
  for (const part of header.split(/[;,]/)) {
    const pair = part.trim();
    if (pair.startsWith(start)) values.push(unquoted(pair.slice(start.length)));
    if (values.length === maxTokens) break;
  }
  return values;
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}
