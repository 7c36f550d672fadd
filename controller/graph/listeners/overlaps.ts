import type { Pace, Steps } from '#snapshot';
import type { Verdict } from '../../problems.ts';
import { tellTo } from './conflicts.ts';
import type { ListenerFacts } from './listeners.ts';

/**
 * The verdict on each listener with TLS (HTTPS, and TLS in both modes) whose hostname overlaps with another's of the same port, or whose
 * certificate differs from another's and fits names of it, or the other way round: a client may use a connection made for the one for the
 * other (ListenerConditionOverlappingTLSConfig, which "MUST be set on all Listeners with overlapping TLS config"). Certificates are the
 * graver reason; of a listener that TLS passes through they are not known.
 */
export function* overlapsAmong(all: readonly ListenerFacts[], pace: Pace): Steps<ReadonlyMap<ListenerFacts, Verdict>> {
  const verdicts = new Map<ListenerFacts, Verdict>();
  const secure = all.filter(({ listener }) => listener.protocol === 'HTTPS' || listener.protocol === 'TLS');
  for (const listeners of Map.groupBy(secure, ({ listener }) => listener.port).values()) {
    if (listeners.length < 2) continue;
    const hostnames = new Names(listeners, (own) => [{ name: own.hostname, of: undefined }]);
    const certificates = new Names(listeners, (own) => own.certificateNames.map(({ of, dns }) => ({ name: dns, of })));
    for (const own of listeners) {
      const verdict = overlapOf(own, hostnames, certificates);
      if (verdict !== undefined) verdicts.set(own, verdict);
      if (pace.spend()) yield;
    }
  }
  return verdicts;
}

function overlapOf(own: ListenerFacts, hostnames: Names, certificates: Names): Verdict | undefined {
  const byCertificate = certificates.meeting(own);
  const [reason, found] = byCertificate.length > 0 ? (['OverlappingCertificates', byCertificate] as const) : (['OverlappingHostnames', hostnames.meeting(own)] as const);
  if (found.length === 0) return undefined;
  const what = reason === 'OverlappingCertificates' ? 'A certificate overlaps with one of' : 'The hostname overlaps with that of';
  const others = [...new Set(found.map((other) => tellOf(own, other)))].join(', ');
  const outcome = own.listener.protocol === 'HTTPS' ? 'a request for it on a connection made for this listener is answered with 421' : 'a connection made for this listener is not looked into, so requests for it go the same way';
  return { status: 'True', reason, message: `${what} ${others}; ${outcome}` };
}

/** Those of one object need no more than a name. */
function tellOf(own: ListenerFacts, other: ListenerFacts): string {
  return own.set === other.set ? `listener ${other.listener.name}` : tellTo(own, { owner: other, listener: other.listener });
}

interface Named {
  readonly name: string;
  /** What has the name; the same thing does not overlap with itself. Undefined: each name is its own. */
  readonly of: string | undefined;
}

/** So many others are named; a condition has little room, and one wildcard may meet thousands. */
const maxFound = 10;

/** Which listeners' names meet, found by the names that could: a listener per host and certificate may be there thousands of times. */
class Names {
  readonly #namesOf: (own: ListenerFacts) => readonly Named[];
  /** By a name, who has exactly that; then by what has it. */
  readonly #exact = new Map<string, Map<string | undefined, ListenerFacts[]>>();
  /** By a name, who has one that it covers. */
  readonly #covered = new Map<string, Map<string | undefined, ListenerFacts[]>>();

  constructor(listeners: readonly ListenerFacts[], namesOf: (own: ListenerFacts) => readonly Named[]) {
    this.#namesOf = namesOf;
    for (const own of listeners) {
      for (const { name, of } of namesOf(own)) {
        enter(this.#exact, name, of, own);
        for (const wide of covering(name)) enter(this.#covered, wide, of, own);
      }
    }
  }

  meeting(own: ListenerFacts): readonly ListenerFacts[] {
    const found = new Set<ListenerFacts>();
    for (const { name, of } of this.#namesOf(own)) {
      for (const owners of [this.#covered.get(name), ...covering(name).map((wide) => this.#exact.get(wide))]) {
        for (const [theirs, listeners] of owners ?? []) {
          if (theirs !== undefined && theirs === of) continue;
          for (const other of listeners) {
            if (other !== own) found.add(other);
            if (found.size >= maxFound) return [...found];
          }
        }
      }
    }
    return [...found];
  }
}

function enter(index: Map<string, Map<string | undefined, ListenerFacts[]>>, name: string, of: string | undefined, own: ListenerFacts): void {
  const owners = index.get(name) ?? new Map<string | undefined, ListenerFacts[]>();
  index.set(name, owners);
  const listeners = owners.get(of);
  if (listeners === undefined) owners.set(of, [own]);
  else listeners.push(own);
}

/** The name itself and every wider one: `a.b.c` is covered by `*.b.c`, `*.c` and the empty name. */
export function covering(name: string): readonly string[] {
  const labels = name.replace(/^\*\./, '').split('.');
  const suffixes = labels.slice(1).map((_, index) => `*.${labels.slice(index + 1).join('.')}`);
  return [...new Set([name, ...suffixes, ''])];
}
