/**
 * Bits of each symbol's code (RFC 7541, Appendix B), the end-of-string symbol last. The codes follow from their lengths: shorter ones come
 * first, and among those of one length they count up with the symbol.
 */
const codeLengths = Uint8Array.of(
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
);
const endOfString = 256;

/** Not a code: padding of more than 7 bits or with zeros in it, or the end-of-string symbol (RFC 7541, 5.2). */
export const notHuffman = -1;

const codes = canonicalCodes();
/** By state and four bits: the next state, and `symbolFlag` with the symbol above it where the bits complete one. */
const transitions = new Int32Array(257 * 16);
/** By state: whether what stands between the last symbol and here may be padding. */
const mayStopAt = new Uint8Array(257);
const stateMask = 0x1ff;
const symbolFlag = 0x200;
const symbolShift = 10;
const noTransition = -1;
buildTransitions();

/**
 * Decodes into `out`, from `at` on. Returns the offset behind the last byte, or `notHuffman`. An offset beyond `out.length` means that it
 * did not fit.
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  let state = 0;
  let to = at;
  for (let p = start; p < end; p++) {
    const byte = bytes[p]!;
    let step = transitions[(state << 4) | (byte >> 4)]!;
    if (step === noTransition) return notHuffman;
    if ((step & symbolFlag) !== 0) out[to++] = step >> symbolShift;
    step = transitions[((step & stateMask) << 4) | (byte & 15)]!;
    if (step === noTransition) return notHuffman;
    if ((step & symbolFlag) !== 0) out[to++] = step >> symbolShift;
    state = step & stateMask;
  }
  return mayStopAt[state] === 1 ? to : notHuffman;
}

/** The code of `text` (Latin-1). Our encoder does not use it: its bytes cost more time than they save; peers' do. */
export function encodeHuffman(text: string): Uint8Array {
  let bits = '';
  for (let index = 0; index < text.length; index++) {
    const symbol = text.charCodeAt(index) & 255;
    bits += codes[symbol]!.toString(2).padStart(codeLengths[symbol]!, '0');
  }
  bits += '1'.repeat((8 - (bits.length % 8)) % 8);
  return Uint8Array.from({ length: bits.length / 8 }, (_, index) => Number.parseInt(bits.slice(8 * index, 8 * index + 8), 2));
}

function canonicalCodes(): Uint32Array {
  const order = Array.from(codeLengths.keys()).sort((a, b) => codeLengths[a]! - codeLengths[b]! || a - b);
  const result = new Uint32Array(codeLengths.length);
  let code = 0;
  let length = 0;
  for (const symbol of order) {
    code <<= codeLengths[symbol]! - length;
    length = codeLengths[symbol]!;
    result[symbol] = code++;
  }
  return result;
}

/** The code tree: two places per node; a child node, or -2 and below for a symbol; -1 for nothing yet. */
function codeTree(): number[] {
  const tree = [-1, -1];
  for (const [symbol, length] of codeLengths.entries()) {
    let node = 0;
    for (let bit = length - 1; bit >= 0; bit--) {
      const place = 2 * node + ((codes[symbol]! >>> bit) & 1);
      if (bit === 0) tree[place] = -2 - symbol;
      else if (tree[place]! < 0) {
        tree[place] = tree.length / 2;
        node = tree.length / 2;
        tree.push(-1, -1);
      } else node = tree[place]!;
    }
  }
  return tree;
}

function buildTransitions(): void {
  const tree = codeTree();
  for (let state = 0; state < tree.length / 2; state++) {
    for (let bits = 0; bits < 16; bits++) transitions[(state << 4) | bits] = transition(tree, state, bits);
  }
  let state = 0;
  for (let ones = 0; ones < 8; ones++) {
    mayStopAt[state] = 1;
    state = tree[2 * state + 1]!;
  }
}

function transition(tree: readonly number[], from: number, bits: number): number {
  let node = from;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = tree[2 * node + ((bits >> bit) & 1)]!;
    if (next === -1 || next === -2 - endOfString) return noTransition;
    if (next >= 0) node = next;
    else {
      emitted = symbolFlag | ((-2 - next) << symbolShift);
      node = 0;
    }
  }
  return node | emitted;
}
