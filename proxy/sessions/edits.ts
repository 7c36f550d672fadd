import type { HeaderEdits, HeaderValue } from '#routing';

/** A response's edits with the session's field besides. A header of that name from the endpoint itself makes way; other cookies stay. */
export function withAnswer(edits: HeaderEdits | undefined, answer: HeaderValue | undefined): HeaderEdits | undefined {
  if (answer === undefined) return edits;
  const name = answer.name === 'set-cookie' ? undefined : Buffer.from(answer.name, 'latin1');
  const line = `${answer.name}: ${answer.value}\r\n`;
  return {
    drop: new Set([...(edits?.drop ?? []), ...(name === undefined ? [] : [answer.name])]),
    append: [...(edits?.append ?? []), answer],
    lines: (edits?.lines ?? '') + line,
    drops: (bytes, start, end) => (name !== undefined && isName(name, bytes, start, end)) || edits?.drops(bytes, start, end) === true,
  };
}

/** In any case. */
function isName(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== name.length) return false;
  for (let index = 0; index < name.length; index++) {
    const byte = bytes[start + index]!;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (lower !== name[index]) return false;
  }
  return true;
}
