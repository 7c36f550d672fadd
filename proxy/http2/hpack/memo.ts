import type { HeaderBlock, Side } from '../fields/header-block.ts';

const maxKeyBytes = 512;
/** Of keys and blocks, per connection. */
const maxBytes = 32_768;
/** Blocks in a row that were not known, after which this many are not looked up: where every request differs, looking costs for nothing. */
const patience = 32;
const rest = 1024;

interface Known {
  readonly key: Uint8Array;
  readonly block: HeaderBlock;
}

/**
 * Header blocks that were decoded before: as long as the table does not change, the same bytes say the same. Clients that repeat their
 * requests (gRPC does) are decoded once. Measured: it saves 40 % of the cost of a small gRPC request.
 */
export class BlockMemo {
  /** The last one of each side: what repeats mostly repeats at once, and telling so takes no text. */
  #request: Known | undefined;
  #response: Known | undefined;
  #trailers: Known | undefined;
  #blocks: Map<string, Known> | undefined;
  #bytes = 0;
  #misses = 0;
  #resting = 0;
  /** Key of the last block that was looked up and not found; empty where it is not to be added. */
  #key = '';

  find(bytes: Buffer, start: number, end: number, side: Side): HeaderBlock | undefined {
    this.#key = '';
    if (end - start > maxKeyBytes) return undefined;
    const last = side === 'request' ? this.#request : side === 'response' ? this.#response : this.#trailers;
    if (last !== undefined && isSame(last.key, bytes, start, end)) {
      this.#misses = 0;
      return last.block;
    }
    if (this.#resting > 0) {
      this.#resting--;
      return undefined;
    }
    const key = bytes.toString('latin1', start, end);
    const known = this.#blocks?.get(key);
    if (known !== undefined && known.block.side === side) {
      this.#misses = 0;
      this.#remember(known);
      return known.block;
    }
    if (++this.#misses >= patience) {
      this.#misses = 0;
      this.#resting = rest;
    }
    this.#key = key;
    return undefined;
  }

  /** Takes the block that was just looked for. Returns it, or the copy that is kept. Faulty ones are not worth it. */
  add(block: HeaderBlock): HeaderBlock {
    const key = this.#key;
    if (key === '' || block.fault !== '' || block.excess !== '') return block;
    const size = 2 * key.length + block.end - block.start + 20 * block.count + 200;
    if (this.#bytes + size > maxBytes) this.clear();
    if (size > maxBytes) return block;
    const kept = block.keep();
    this.#blocks ??= new Map();
    const known = { key: Buffer.from(key, 'latin1'), block: kept };
    this.#blocks.set(key, known);
    this.#remember(known);
    this.#bytes += size;
    return kept;
  }

  clear(): void {
    if (this.#bytes === 0) return;
    this.#blocks?.clear();
    this.#request = this.#response = this.#trailers = undefined;
    this.#bytes = 0;
  }

  #remember(known: Known): void {
    if (known.block.side === 'request') this.#request = known;
    else if (known.block.side === 'response') this.#response = known;
    else this.#trailers = known;
  }
}

function isSame(key: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  // From the end: what tells one request from the next is mostly written last.
  for (let offset = key.length - 1; offset >= 0; offset--) if (key[offset] !== bytes[start + offset]) return false;
  return true;
}
