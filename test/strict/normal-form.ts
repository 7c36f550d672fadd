/**
 * The form in which a request's target goes on, read from RFC 3986 and docs/routing.md by itself: nothing here is shared with the proxy's own
 * normaliser, and it is written the slow way round, text by text, as the RFC has it.
 */

/** RFC 3986, 2.3. */
const unreserved = /^[A-Za-z0-9\-._~]$/;
/** RFC 3986, 3.3: what stands in a path as it is, slashes among it. */
const pathCharacter = /^[A-Za-z0-9\-._~!$&'()*+,;=:@/]$/;
const absolute = /^https?:\/\/[^/?#]*/i;

/**
 * The normal form of a target in origin or absolute form, one character per byte. Undefined: it is refused, so nothing goes on. `escapes`: whether
 * the table lets those of slash, backslash and NUL pass.
 */
export function normalTarget(target: string, escapes: 'refused' | 'allowed' = 'refused'): string | undefined {
  const [whole, path = '', query = ''] = /^([^?]*)(\?[^]*)?$/.exec(originForm(target)) ?? [undefined];
  if (whole === undefined || !path.startsWith('/')) return undefined;
  if (target.includes('#') || /[\0-\x20\x7f]/.test(target) || /[^\0-\xff]/.test(target)) return undefined;
  if (/\\|%(?![0-9a-f]{2})/i.test(path)) return undefined;
  const text = path.replaceAll(/%[0-9a-f]{2}|[^]/gi, normalCharacter);
  const slashed = text.replaceAll(/%2F|%5C/g, '/');
  if (/%2F|%5C|%00/.test(text) && (escapes === 'refused' || withoutDotSegments(slashed) !== slashed)) return undefined;
  // Servlet containers leave out the parameters of a segment before they look for dots.
  if (slashed.split('/').some((segment) => /^\.\.?$/.test(segment.replace(/(?:;|%3B)[^]*$/, '')) && !/^\.+$/.test(segment))) return undefined;
  return withoutDotSegments(text) + query;
}

function originForm(target: string): string {
  const rest = target.replace(absolute, '');
  return rest === target || rest.startsWith('/') ? rest : `/${rest}`;
}

/** One escape or one byte: 6.2.2.1 and 6.2.2.2; what the grammar of paths does not have is escaped. */
function normalCharacter(written: string): string {
  if (written.length === 1) return pathCharacter.test(written) ? written : escaped(written);
  const meant = String.fromCharCode(Number.parseInt(written.slice(1), 16));
  return unreserved.test(meant) ? meant : escaped(meant);
}

function escaped(character: string): string {
  return `%${character.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`;
}

/** RFC 3986, 5.2.4, step by step; the steps A and D are for what does not begin with a slash. */
function withoutDotSegments(path: string): string {
  let input = path;
  let output = '';
  while (input !== '') {
    if (/^\/\.(\/|$)/.test(input)) input = input.replace(/^\/\.\/?/, '/');
    else if (/^\/\.\.(\/|$)/.test(input)) {
      input = input.replace(/^\/\.\.\/?/, '/');
      output = output.replace(/\/[^/]*$/, '');
    } else {
      const segment = /^\/[^/]*/.exec(input)![0];
      output += segment;
      input = input.slice(segment.length);
    }
  }
  return output;
}
