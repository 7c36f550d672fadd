import { bareRoot, replacePrefix, type Match, type PathModifier } from '#snapshot';
import { escapeByte, reachablePath } from '../request/path.ts';
import type { TargetRewrite } from '../types.ts';

/**
 * What a path modifier makes of a request's path and query (HTTPPathModifier). The query stays, unless the replacement of a
 * full path brings one of its own.
 */
export function targetRewrite(modifier: PathModifier, match: Match): TargetRewrite {
  const value = targetText(modifier.value);
  if (modifier.type === 'ReplaceFullPath') {
    const full = value.startsWith('/') ? value : `/${value}`;
    return full.includes('?') ? () => full : (_path, query) => joined(full, query);
  }
  return (path, query) => joined(replacePrefix(path, prefixOf(match), value), query);
}

export function joined(path: string, query: string | undefined): string {
  return query === undefined ? path : `${path}?${query}`;
}

/** Only a PathPrefix match has a prefix to replace; the control plane refuses others, and then nothing is cut. */
function prefixOf(match: Match): string {
  return match.path.type === 'PathPrefix' ? bareRoot(reachablePath(match.path.value) ?? '') : '';
}

const utf8 = new TextEncoder();

/** The CRD bounds only the length of a replacement, so it may hold what would end a request line; that is escaped. */
function targetText(value: string): string {
  let text = '';
  for (const byte of utf8.encode(value)) text += byte > 0x20 && byte < 0x7f && byte !== 0x23 ? String.fromCharCode(byte) : escapeByte(byte);
  return text;
}
