import { field, treatment } from '../../codec/index.ts';
import { bytesOf } from '../../codec/index.ts';
import type { HeaderBlock } from './header-block.ts';

const name = bytesOf('cookie: ');
const separator = bytesOf('; ');
const lineEnd = bytesOf('\r\n');
const stride = 4;

/**
 * Clients split cookies over several fields, so that tables hold the parts that stay; they have to be one again before anything but
 * HTTP/2 sees them (RFC 9113, 8.2.3). The one field stands last, and takes no more room than they did. Empty ones add nothing to it: behind
 * the last separator its value would end in a space, which no field's may (RFC 9113, 8.2.1).
 */
export function joinCookies(block: HeaderBlock): void {
  const cookies = [];
  const { at, bytes } = block;
  let to = 0;
  let write = block.start;
  let sensitive = 0;
  for (let index = 0; index < block.count; index++) {
    const start = block.nameStart(index);
    const valueStart = block.valueStart(index);
    const end = block.lineEnd(index);
    if (isCookie(block, index)) {
      const valueEnd = block.valueEnd(index);
      if (valueEnd > valueStart) cookies.push(Buffer.from(bytes.subarray(valueStart, valueEnd)));
      sensitive |= block.sensitive[index]!;
      continue;
    }
    const shift = start - write;
    if (shift > 0) bytes.copyWithin(write, start, end);
    for (let place = 0; place < stride; place++) at[to * stride + place] = at[index * stride + place]! - shift;
    block.ids[to] = block.ids[index]!;
    block.treatments[to] = block.treatments[index]!;
    block.sensitive[to] = block.sensitive[index]!;
    to++;
    write += end - start;
  }
  appendCookie(block, to, write, cookies);
  block.sensitive[to] = sensitive;
}

function isCookie(block: HeaderBlock, index: number): boolean {
  return block.ids[index] === field.endToEnd && block.isNamed(index, 'cookie');
}

function appendCookie(block: HeaderBlock, index: number, start: number, cookies: readonly Buffer[]): void {
  const { at, bytes } = block;
  let p = start;
  bytes.set(name, p);
  p += name.length;
  at[index * stride] = start;
  at[index * stride + 1] = p - 2;
  at[index * stride + 2] = p;
  for (const [place, cookie] of cookies.entries()) {
    if (place > 0) {
      bytes.set(separator, p);
      p += separator.length;
    }
    bytes.set(cookie, p);
    p += cookie.length;
  }
  at[index * stride + 3] = p;
  block.ids[index] = field.endToEnd;
  block.treatments[index] = treatment.copy;
  block.count = index + 1;
  block.end = p + 2;
  bytes.set(lineEnd, p);
  bytes.set(lineEnd, p + 2);
}
