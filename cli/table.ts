/** Rows as columns, padded so that they align; the last column is not padded. */
export function columns(rows: readonly (readonly string[])[], indent = ''): string {
  const widths: number[] = [];
  for (const row of rows) for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  return rows.map((row) => `${indent}${row.map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index]!))).join('  ')}`.trimEnd()).join('\n');
}

/** `shop/reviews`; the bare name for cluster-scoped objects. */
export function nameOf(ref: { readonly namespace: string; readonly name: string }): string {
  return ref.namespace === '' ? ref.name : `${ref.namespace}/${ref.name}`;
}

/** The first few, and how many more there are. */
export function some(names: readonly string[], most = 5): string {
  return `${names.slice(0, most).join(', ')}${names.length > most ? `, and ${names.length - most} more` : ''}`;
}

/** What one could have meant, each once: `there are a, b`. */
export function known(texts: readonly string[]): string {
  const distinct = [...new Set(texts)];
  return `there ${distinct.length === 1 ? 'is' : 'are'} ${some(distinct, 10) || 'none'}`;
}

/** `12s`, `5m`, `3h`, `2d`: as kubectl shows ages. Milliseconds. */
export function ageText(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

/**
 * As a terminal shows it: control characters, which may stand in values that others wrote, are told by their number, so that nobody's object can
 * act on the terminal of who asks about it (as CVE-2021-25743 of kubectl). For text alone: JSON and YAML stay as they are.
 */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  return text.replaceAll(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
