import type { KubernetesObject } from '#crds';
import { pathEscapes, type PathEscape } from '#snapshot';

/**
 * An annotation of Gateways and ListenerSets, for the requests to their own listeners, and of Services and ServiceImports, for those of the mesh to them: which of
 * `pathEscapes` may be in paths, with commas between. All others are refused.
 */
export const escapesAnnotation = 'weft-mesh.io/allow-in-path';

/** In the order of `pathEscapes`; undefined where there are none. */
export function allowedEscapes(object: KubernetesObject): readonly PathEscape[] | undefined {
  const words = wordsOf(object);
  const allowed = pathEscapes.filter((escape) => words.includes(escape));
  return allowed.length === 0 ? undefined : allowed;
}

/** What the annotation says beside them, as it is written. */
export function strangeEscapes(object: KubernetesObject): readonly string[] {
  return wordsOf(object).filter((word) => !pathEscapes.some((escape) => escape === word));
}

function wordsOf({ metadata }: KubernetesObject): readonly string[] {
  const value = metadata.annotations?.[escapesAnnotation];
  return value === undefined ? [] : value.split(',').map((word) => word.trim().replace(/^%[0-9a-f]{2}$/i, (escape) => escape.toUpperCase()));
}
