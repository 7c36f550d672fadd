/** What a refused head seems to ask for. */
export interface Glimpse {
  readonly method: string;
  readonly host: string;
  readonly target: string;
}

/** Bytes that are looked at. */
const looked = 4096;
const emptyLines = /^(?:\r\n){1,2}/;
const requestLine = /^([!-~]{1,32}) ([^\r\n]*)/;
const version = / HTTP\/\S*$/;
const hostLine = /^host:[ \t]*([^\r\n]*)/im;
const nothing: Glimpse = { method: '', host: '', target: '' };

/**
 * What can be told of a head that is refused, or has not come whole: for the log, and for leaving out the reply's body where HEAD seems to ask
 * (RFC 9110, 9.3.2). Nothing else may go by it, for that is what "refused" means: another server may read the same bytes otherwise. Empty where
 * there is nothing like it.
 */
export function glimpse(bytes: Buffer, from = 0): Glimpse {
  const [head = ''] = bytes.toString('latin1', from, from + looked).replace(emptyLines, '').split('\r\n\r\n', 1);
  const line = requestLine.exec(head);
  if (line === null) return nothing;
  return { method: line[1]!, host: hostLine.exec(head)?.[1]?.trimEnd() ?? '', target: line[2]!.replace(version, '') };
}
