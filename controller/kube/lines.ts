import { TooLongError } from './types.ts';

/** etcd takes objects of up to 1.5 MiB; JSON makes more of them, never this much. */
const maxLine = 32 << 20;

/** Lines of a stream of bytes, decoded only when whole. A last line without an end is dropped: it was cut. */
export async function* splitLines(chunks: AsyncIterable<Buffer>, arrived: () => void): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    arrived();
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end));
      yield Buffer.concat(parts).toString('utf8');
      parts = [];
      length = 0;
      from = end + 1;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > maxLine) throw new TooLongError(`a line longer than ${maxLine} bytes`);
  }
}
