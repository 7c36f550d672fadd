import { traitsOf } from '../fields/traits.ts';

/** RFC 7541, Appendix A. The first entry has index 1. */
export const staticEntries: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

export const staticCount = staticEntries.length;

/** The table as the decoder reads it, by index: lines `name: value` one after the other, and what is known of their names. */
export const staticLines = (() => {
  const lines = staticEntries.map(([name, value]) => `${name}: ${value}\r\n`);
  const bytes = Buffer.from(lines.join(''), 'latin1');
  const starts = new Int32Array(staticCount + 1);
  const nameLengths = new Int32Array(staticCount + 1);
  const valueLengths = new Int32Array(staticCount + 1);
  const traits = new Int32Array(staticCount + 1);
  let start = 0;
  for (const [index, [name, value]] of staticEntries.entries()) {
    starts[index + 1] = start;
    nameLengths[index + 1] = name.length;
    valueLengths[index + 1] = value.length;
    traits[index + 1] = traitsOf(bytes, start, start + name.length);
    start += lines[index]!.length;
  }
  return { bytes, starts, nameLengths, valueLengths, traits };
})();
