/** Gateway API durations (GEP-2257): `^([0-9]{1,5}(h|m|s|ms)){1,4}$`; components add up; `0s` is a valid zero, `0` is not. */

const grammar = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/;
const component = /([0-9]{1,5})(h|ms|m|s)/g;
const unitMs = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/** Milliseconds, or undefined where the text is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!grammar.test(text)) return undefined;
  let total = 0;
  for (const [, digits, unit] of text.matchAll(component)) total += Number(digits) * unitMs[unit as keyof typeof unitMs];
  return total;
}

/** The canonical text of GEP-2257: largest units first, zero as `0s`. Takes whole milliseconds. */
export function formatDuration(milliseconds: number): string {
  let rest = Math.round(milliseconds);
  let text = '';
  for (const unit of ['h', 'm', 's', 'ms'] as const) {
    const count = Math.floor(rest / unitMs[unit]);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * unitMs[unit];
  }
  return text === '' ? '0s' : text;
}
