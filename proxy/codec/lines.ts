import { tokenByte } from './tables.ts';

/** Offsets of a field: where name and value start and end. */
export const stride = 4;

/** What becomes of a field when the head is written anew. */
export const treatment = {
  copy: 0,
  drop: 1,
  /** Valid, but not written as `name: value`: the line is made anew. */
  rewrite: 2,
} as const;

/** Lines of fields by their offsets, whoever parsed them: `Fields` of HTTP/1.1, `HeaderBlock` of HTTP/2. */
export interface Lines {
  readonly count: number;
  /** By field: name start, name end, value start, value end. */
  readonly at: Int32Array;
}

/** Fields of a head by their offsets, and what is known of each. */
export class FieldLines implements Lines {
  count = 0;
  /** Where the first field begins, and where the empty line does. */
  start = 0;
  end = 0;
  at: Int32Array;
  ids: Uint8Array;
  treatments: Uint8Array;

  constructor(maxFields: number) {
    this.at = new Int32Array(maxFields * stride);
    this.ids = new Uint8Array(maxFields);
    this.treatments = new Uint8Array(maxFields);
  }

  /** Offsets by field number. */
  nameStart(index: number): number {
    return this.at[index * stride]!;
  }

  nameEnd(index: number): number {
    return this.at[index * stride + 1]!;
  }

  valueStart(index: number): number {
    return this.at[index * stride + 2]!;
  }

  valueEnd(index: number): number {
    return this.at[index * stride + 3]!;
  }

  /** The first byte behind the field's line. */
  lineEnd(index: number): number {
    return index + 1 < this.count ? this.at[(index + 1) * stride]! : this.end;
  }

  drop(index: number): void {
    this.treatments[index] = treatment.drop;
  }
}

/** Whether the field has that name, given in lower case. */
export function isNamed(bytes: Uint8Array, { at }: Lines, index: number, lower: string): boolean {
  return isName(bytes, at[index * stride]!, at[index * stride + 1]!, lower);
}

/** Whether these bytes are that name, given in lower case. */
export function isName(bytes: Uint8Array, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let offset = 0; offset < lower.length; offset++) if (tokenByte[bytes[start + offset]!] !== lower.charCodeAt(offset)) return false;
  return true;
}

export function valueOf(bytes: Buffer, { at }: Lines, index: number): string {
  return bytes.toString('latin1', at[index * stride + 2], at[index * stride + 3]);
}

/** Values of all lines of that name, joined by `, ` (RFC 9110, 5.3). Takes a lower-case name. */
export function lookup(bytes: Buffer, lines: Lines, name: string): string | undefined {
  let found: string | undefined;
  for (let index = 0; index < lines.count; index++) {
    if (!isNamed(bytes, lines, index, name)) continue;
    const value = valueOf(bytes, lines, index);
    found = found === undefined ? value : `${found}, ${value}`;
  }
  return found;
}
