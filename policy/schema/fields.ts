import { Type } from 'typebox';

/** `^([0-9]{1,5}(h|m|s|ms)){1,4}$` (GEP-2257). */
export const durationPattern = '^([0-9]{1,5}(h|m|s|ms)){1,4}$';

/** A Gateway API duration; `0s` is a value. No structural default: in a stanza, absent means "not set here". */
export function duration(description: string) {
  return Type.Optional(Type.String({ pattern: durationPattern, maxLength: 24, description }));
}

export function integer(description: string, minimum: number, maximum: number) {
  return Type.Optional(Type.Integer({ minimum, maximum, description }));
}

/** A list without repetitions, replaced as a whole where policies merge. */
export function setOf<Item extends Type.TSchema>(description: string, items: Item, maxItems: number) {
  return Type.Optional(Type.Array(items, { maxItems, description, 'x-kubernetes-list-type': 'set' }));
}
