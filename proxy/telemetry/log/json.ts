/** Anything that can't stand in a JSON string as it is; and all that is not plain ASCII, so a log line has no byte to misread. */
const awkward = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;

/** JSON string of a text, quotes included. At most `cap` characters of it, then `…` in its escaped form. */
export function jsonText(text: string, cap = 2048): string {
  if (text.length > cap) return `"${escape(text.slice(0, cap))}\\u2026"`;
  return awkward.test(text) ? `"${escape(text)}"` : `"${text}"`;
}

function escape(text: string): string {
  let out = '';
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code >= 0x20 && code < 0x7f && code !== 0x22 && code !== 0x5c) continue;
    out += text.slice(start, index) + (code === 0x22 ? '\\"' : code === 0x5c ? '\\\\' : `\\u${code.toString(16).padStart(4, '0')}`);
    start = index + 1;
  }
  return start === 0 ? text : out + text.slice(start);
}
