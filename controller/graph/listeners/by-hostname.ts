import { memoByMap } from '../../memo.ts';
import type { ListenerFacts } from './listeners.ts';
import { covering } from './overlaps.ts';

/** So few are looked through as fast. */
const few = 16;

/**
 * Those of the listeners whose hostnames meet one of these, in their order; all where none is given. Thousands of listeners, one for each host
 * of thousands of routes, are not looked through for each of the routes.
 */
export function listenersMeeting(listeners: readonly ListenerFacts[], hostnames: readonly string[]): readonly ListenerFacts[] {
  if (listeners.length < few || hostnames.length === 0) return listeners;
  const { exact, covered } = indexOf(listeners);
  const found = new Set<number>();
  for (const name of hostnames.map((each) => each.toLowerCase())) {
    for (const places of [covered.get(name), ...covering(name).map((wide) => exact.get(wide))]) for (const place of places ?? []) found.add(place);
  }
  return [...found].sort((a, b) => a - b).map((place) => listeners[place]!);
}

interface Index {
  /** By a hostname, which listeners have exactly that. */
  readonly exact: ReadonlyMap<string, readonly number[]>;
  /** By a hostname, which listeners have one that it covers. */
  readonly covered: ReadonlyMap<string, readonly number[]>;
}

const indexOf = memoByMap((listeners: readonly ListenerFacts[]): Index => {
  const exact = new Map<string, number[]>();
  const covered = new Map<string, number[]>();
  const enter = (index: Map<string, number[]>, name: string, place: number): void => {
    const places = index.get(name);
    if (places === undefined) index.set(name, [place]);
    else places.push(place);
  };
  for (const [place, { hostname }] of listeners.entries()) {
    enter(exact, hostname, place);
    for (const wide of covering(hostname)) if (wide !== '') enter(covered, wide, place);
  }
  return { exact, covered };
});
