/** A prefix without its trailing slash, which is ignored (HTTPPathMatch, PathPrefix); empty for `/`. */
export function bareRoot(prefix: string): string {
  return prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
}

/**
 * HTTPPathModifier, ReplacePrefixMatch: trailing slashes of prefix and replacement are ignored; what follows the prefix stays as it is, its
 * slash too. `prefix` is what the path begins with, as `bareRoot` has it.
 */
export function replacePrefix(path: string, prefix: string, replacement: string): string {
  const bare = bareRoot(replacement);
  const head = bare === '' || bare.startsWith('/') ? bare : `/${bare}`;
  const result = head + path.slice(prefix.length);
  return result === '' ? '/' : result;
}

/** Escapes in a path that two servers may read differently: of a slash, of a backslash, which some take for one, and of NUL, at which some stop. */
export const pathEscapes = ['%2F', '%5C', '%00'] as const;

export type PathEscape = (typeof pathEscapes)[number];
