import { check, type Schema } from '#crds';
import type { Ring } from './rotation.ts';

const text: Schema = { type: 'string', minLength: 1, maxLength: 65_536 };
const time: Schema = { type: 'number' };
const pair: Schema = { type: 'object', properties: { authority: text, certificate: text, key: text, notAfter: time, since: time }, required: ['authority', 'certificate', 'key', 'notAfter', 'since'] };
const ring: Schema = {
  type: 'object',
  properties: { current: pair, next: pair, previous: { type: 'object', properties: { authority: text, until: time }, required: ['authority', 'until'] } },
  required: ['current'],
};

/** The ring of a Secret; undefined for anything else, which then counts as none. */
export function readRing(json: string | undefined): Ring | undefined {
  if (json === undefined || json.length > 1_000_000) return undefined;
  let raw: unknown;
  try {
    raw = JSON.parse(json);
  } catch {
    return undefined;
  }
  const { value, errors } = check(ring, raw, 'refuse');
  return errors.length === 0 ? (value as Ring) : undefined;
}
