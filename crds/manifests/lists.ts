import type { CST } from 'yaml';

/** A document that is a long list of objects: its items, and all the rest of it. */
export interface ListToken {
  readonly rest: CST.Document;
  readonly items: readonly CST.Token[];
}

/** A shorter list is composed in one step. */
const longList = 20;
/** What may stand before an item: nothing that gives it a name or a type. */
const plain: ReadonlySet<string> = new Set(['space', 'newline', 'comment', 'seq-item-ind', 'comma']);

/** `kubectl get -o yaml` writes all objects as one document; composed as one it would hold everything up. Undefined where this is none. */
export function withoutItems(tokens: readonly CST.Token[]): ListToken | undefined {
  const [document, ...others] = tokens.filter(({ type }) => type !== 'comment' && type !== 'newline' && type !== 'space');
  if (document?.type !== 'document' || others.length > 0) return undefined;
  const map = document.value;
  if (map?.type !== 'block-map' && map?.type !== 'flow-collection') return undefined;
  const at = map.items.findIndex(({ key }) => key !== undefined && key !== null && 'source' in key && (key.source === 'items' || key.source === '"items"'));
  const list = map.items[at]?.value;
  if (list?.type !== 'block-seq' && list?.type !== 'flow-collection') return undefined;
  if (list.items.length < longList) return undefined;
  const items: CST.Token[] = [];
  for (const { start, key, sep, value } of list.items) {
    if (value === undefined || key !== undefined || sep !== undefined || start.some(({ type }) => !plain.has(type))) return undefined;
    items.push(value);
  }
  // A collection of neither kind is changed: should an item have a fault, all is composed from the tokens as they were.
  const rest = { ...document, value: { ...map, items: map.items.map((item, index) => (index === at ? { ...item, value: { ...list, items: [] } } : item)) } } as CST.Document;
  return { rest, items };
}
