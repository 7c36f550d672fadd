/** Octets that an entry counts beyond its name and value (RFC 7541, 4.1). */
export const entryOverhead = 32;
/** What SETTINGS_HEADER_TABLE_SIZE is unless told otherwise. We tell nothing else, so peers' tables need no more room than this. */
export const tableBytes = 4096;

const slots = tableBytes / entryOverhead;
/** Twice what can live: lines are appended, and begin at the front again where the room ends. */
const roomBytes = 2 * tableBytes;
const noNumbers = new Int32Array(0);
const noBytes: Buffer = Buffer.alloc(0);

/**
 * The decoder's dynamic table (RFC 7541, 2.3.2): lines `name: value` in one piece of memory, so that an insertion allocates nothing. Until
 * the first one it holds none: most idle connections never have one.
 */
export class DynamicTable {
  count = 0;
  /** By slot. */
  starts = noNumbers;
  nameLengths = noNumbers;
  valueLengths = noNumbers;
  traits = noNumbers;
  bytes: Buffer = noBytes;
  #size = 0;
  #max = tableBytes;
  /** Slot of the next entry. */
  #next = 0;
  /** Where the next line begins. */
  #end = 0;

  /** Sum of the entries' sizes, as the specification counts them. */
  get size(): number {
    return this.#size;
  }

  /** Slot of an entry; 0 is the newest. The caller has checked the index against `count`. */
  slot(index: number): number {
    return (this.#next - 1 - index + 2 * slots) % slots;
  }

  /** Evicts what does not fit any more. False: more than we allow. */
  resize(max: number): boolean {
    if (max > tableBytes) return false;
    this.#max = max;
    this.#evict(0);
    return true;
  }

  /** Takes a line: `name: value` with its line end. */
  insert(from: Buffer, start: number, nameLength: number, valueLength: number, traits: number): void {
    const size = nameLength + valueLength + entryOverhead;
    this.#evict(size);
    // RFC 7541, 4.4: an entry larger than the table empties it, which is no error.
    if (size > this.#max) return;
    if (this.bytes === noBytes) this.#allocate();
    const length = nameLength + valueLength + 4;
    // What lives has at most half of the room, and stands in its second half now: it is gone before the lines from the front on get there.
    if (this.#end + length > roomBytes) this.#end = 0;
    const slot = this.#next;
    this.starts[slot] = this.#end;
    this.nameLengths[slot] = nameLength;
    this.valueLengths[slot] = valueLength;
    this.traits[slot] = traits;
    from.copy(this.bytes, this.#end, start, start + length);
    this.#end += length;
    this.#next = (slot + 1) % slots;
    this.#size += size;
    this.count++;
  }

  #evict(needed: number): void {
    while (this.count > 0 && this.#size + needed > this.#max) {
      const oldest = this.slot(this.count - 1);
      this.#size -= this.nameLengths[oldest]! + this.valueLengths[oldest]! + entryOverhead;
      this.count--;
    }
  }

  #allocate(): void {
    this.bytes = Buffer.allocUnsafeSlow(roomBytes);
    this.starts = new Int32Array(slots);
    this.nameLengths = new Int32Array(slots);
    this.valueLengths = new Int32Array(slots);
    this.traits = new Int32Array(slots);
  }
}
