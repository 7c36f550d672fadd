import { isDeepStrictEqual } from 'node:util';

/** Whether all of `wanted` stands in `present`: lists item by item and of one length, objects with whatever the API server added. */
export function covers(present: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) return Array.isArray(present) && present.length === wanted.length && wanted.every((item, index) => covers(present[index], item));
  if (typeof wanted !== 'object' || wanted === null) return isDeepStrictEqual(present, wanted);
  if (typeof present !== 'object' || present === null) return false;
  return Object.entries(wanted).every(([key, value]) => covers((present as Record<string, unknown>)[key], value));
}
