import type { Pace, Steps } from '#snapshot';
import type { Selection } from './selection.ts';

/**
 * A tree of path texts, each node one run of characters (radix tree). It finds in one walk over a path, without making a
 * string: the exact path, the longest prefix, and the patterns whose literal beginning the path has.
 */
export interface Node {
  /** Characters that lead from the parent here. */
  label: string;
  /** By first character of the child's label, `firstCode` being that of position 0. */
  children: (Node | undefined)[];
  firstCode: number;
  /** For the path that ends here. */
  exact: Selection | undefined;
  /** For the path that ends here or goes on with `/`. */
  prefix: Selection | undefined;
  /** For every path that comes through here. */
  patterns: Selection | undefined;
  /** The next shorter prefix that covers all paths which this node's prefix covers. */
  shorterPrefix: Node | undefined;
  /** The next node towards the root that has patterns. */
  shorterPatterns: Node | undefined;
}

const slash = 0x2f;

export function createNode(label: string): Node {
  return {
    label,
    children: [],
    firstCode: 0,
    exact: undefined,
    prefix: undefined,
    patterns: undefined,
    shorterPrefix: undefined,
    shorterPatterns: undefined,
  };
}

export function childAt(node: Node, code: number): Node | undefined {
  const index = code - node.firstCode;
  return index >= 0 && index < node.children.length ? node.children[index] : undefined;
}

/** The node of a text below the root, made where it is not there. Texts are ASCII. */
export function nodeFor(root: Node, text: string): Node {
  let node = root;
  let position = 0;
  while (position < text.length) {
    const child = childAt(node, text.charCodeAt(position));
    if (child === undefined) {
      const leaf = createNode(text.slice(position));
      setChild(node, leaf);
      return leaf;
    }
    const shared = sharedLength(child.label, text, position);
    node = shared === child.label.length ? child : splitChild(node, child, shared);
    position += shared;
  }
  return node;
}

function sharedLength(label: string, text: string, position: number): number {
  let length = 0;
  while (length < label.length && label.charCodeAt(length) === text.charCodeAt(position + length)) length += 1;
  return length;
}

function splitChild(parent: Node, child: Node, length: number): Node {
  const middle = createNode(child.label.slice(0, length));
  child.label = child.label.slice(length);
  setChild(middle, child);
  setChild(parent, middle);
  return middle;
}

function setChild(node: Node, child: Node): void {
  const code = child.label.charCodeAt(0);
  if (node.children.length === 0) node.firstCode = code;
  while (code < node.firstCode) {
    node.children.unshift(undefined);
    node.firstCode -= 1;
  }
  const index = code - node.firstCode;
  while (node.children.length <= index) node.children.push(undefined);
  node.children[index] = child;
}

/** The nodes above one, nearest first. */
interface Above {
  readonly node: Node;
  /** Length of the text from the root to the node. */
  readonly length: number;
  readonly above: Above | undefined;
}

/** Sets the links towards the root, once all nodes are there. */
export function* link(root: Node, pace: Pace): Steps<void> {
  const left: { readonly node: Node; readonly before: string; readonly above: Above | undefined }[] = [{ node: root, before: '', above: undefined }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { node, above } = next;
    const text = next.before + node.label;
    linkOne(node, text, above);
    const here = node.prefix === undefined && node.patterns === undefined ? above : { node, length: text.length, above };
    for (const child of node.children) if (child !== undefined) left.push({ node: child, before: text, above: here });
    // Children have a place for each character between the first and the last.
    if (pace.spend(1 + node.children.length)) yield;
  }
}

function linkOne(node: Node, text: string, above: Above | undefined): void {
  let found = above;
  while (found !== undefined && found.node.patterns === undefined) found = found.above;
  node.shorterPatterns = found?.node;
  if (node.prefix === undefined) return;
  found = above;
  // `/foo` is above `/foobar` in the tree, but covers nothing of it: prefixes end where a segment ends.
  while (found !== undefined && (found.node.prefix === undefined || text.charCodeAt(found.length) !== slash)) found = found.above;
  node.shorterPrefix = found?.node;
}
