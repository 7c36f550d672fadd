/**
 * Header fields that belong to one connection or to the framing of one message (RFC 9110 7.6.1, RFC 9112 6): a proxy writes
 * them itself, so a filter that sets, adds or removes one can't be carried out. Lower case.
 */
export const protectedHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
