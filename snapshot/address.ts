import type { Endpoint } from './resources.ts';

/** What an address is of, and what Pods and Services have one or both of. */
export type Family = 'IPv4' | 'IPv6';

/** Of an address without brackets. */
export function familyOf(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

/** `host:port` as a URL has it: an IPv6 address in brackets (RFC 3986, 3.2.2), whether or not it came in them. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * The one form of an address in which two are compared: that of RFC 5952, without a zone, which means something on one machine only, and
 * IPv4 never in its IPv6 form (`::ffff:192.0.2.1`), in which sockets of both families have it. What is no address stays as it is.
 */
export function normalAddress(text: string): string {
  if (!text.includes(':')) return text;
  const words = parseIPv6(text.replace(/%.*$/, ''));
  if (words === undefined) return text;
  const isMapped = words.slice(0, 6).join() === '0,0,0,0,0,65535';
  return isMapped ? words.slice(6).flatMap((word) => [word >> 8, word & 255]).join('.') : formatIPv6(words);
}

const longestIPv6 = 45;

/** The eight words of an IPv6 address without brackets and zone (RFC 4291, 2.2); undefined where it is none. */
export function parseIPv6(text: string): readonly number[] | undefined {
  const halves = text.split('::');
  if (text.length > longestIPv6 || halves.length > 2) return undefined;
  const [left, right] = halves.map((half, index) => wordsIn(half, index === halves.length - 1));
  if (left === undefined) return undefined;
  if (halves.length === 1) return left.length === 8 ? left : undefined;
  // `::` stands for one word or more.
  return right === undefined || left.length + right.length > 7 ? undefined : [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}

const ipv4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)\.(25[0-5]|2[0-4]\d|1?\d?\d)\.(25[0-5]|2[0-4]\d|1?\d?\d)\.(25[0-5]|2[0-4]\d|1?\d?\d)$/;

/** Only the end of an address may be written as IPv4. */
function wordsIn(half: string, isEnd: boolean): readonly number[] | undefined {
  if (half === '') return [];
  const words: number[] = [];
  const fields = half.split(':');
  for (const [index, field] of fields.entries()) {
    const bytes = isEnd && index === fields.length - 1 ? ipv4.exec(field)?.slice(1).map(Number) : undefined;
    if (/^[0-9a-f]{1,4}$/i.test(field)) words.push(Number.parseInt(field, 16));
    else if (bytes !== undefined) words.push(bytes[0]! * 256 + bytes[1]!, bytes[2]! * 256 + bytes[3]!);
    else return undefined;
  }
  return words;
}

/** Eight words as RFC 5952 writes them: lower case, no leading zeros, the longest run of zeros (the first of equals, two at least) as `::`. */
export function formatIPv6(words: readonly number[]): string {
  const texts = words.map((word) => word.toString(16));
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  if (best.length < 2) return texts.join(':');
  return `${texts.slice(0, best.start).join(':')}::${texts.slice(best.start + best.length).join(':')}`;
}

/**
 * The endpoints that whoever has addresses of these families sends to. Where all are of one family, they are used whatever it is: the network
 * may know a way. A workload with addresses of both families is one endpoint, by the family that comes first in the list and can be reached.
 * So it is with all together that name no workload: EndpointSlices of one family have each of them (kube-proxy looks at no others).
 */
export function endpointsFor(endpoints: readonly Endpoint[], families: readonly Family[]): readonly Endpoint[] {
  const [first] = endpoints;
  if (first === undefined || endpoints.every(({ address }) => familyOf(address) === familyOf(first.address))) return endpoints;
  const chosen = new Map<string, Family>();
  return endpoints.filter(({ address, workload = '' }) => {
    const family = familyOf(address);
    if (!families.includes(family)) return false;
    if (!chosen.has(workload)) chosen.set(workload, family);
    return chosen.get(workload) === family;
  });
}
