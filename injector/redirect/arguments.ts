import { parseArgs } from 'node:util';
import type { Redirection } from './rules.ts';

/** Throws with a message for people where an argument is missing or malformed: nothing but numbers reaches the rules. */
export function redirectionOf(args: readonly string[]): Redirection {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: { uid: text, outbound: text, inbound: text, 'exclude-outbound': { ...text, default: '' }, 'exclude-inbound': { ...text, default: '' } },
  });
  return {
    uid: numberOf('uid', values.uid, 2 ** 31 - 1),
    outbound: numberOf('outbound', values.outbound, 65_535),
    inbound: numberOf('inbound', values.inbound, 65_535),
    excludeOutbound: rangesOf('exclude-outbound', values['exclude-outbound']),
    excludeInbound: rangesOf('exclude-inbound', values['exclude-inbound']),
  };
}

function numberOf(name: string, text: string | undefined, most: number): number {
  const number = Number(text);
  if (text === undefined || !/^[0-9]{1,10}$/.test(text) || number < 1 || number > most) throw new Error(`--${name} must be a number from 1 to ${most}`);
  return number;
}

function rangesOf(name: string, text: string): readonly string[] {
  const ranges = text === '' ? [] : text.split(',');
  const wrong = ranges.find((range) => !/^[0-9]{1,5}(:[0-9]{1,5})?$/.test(range));
  if (wrong !== undefined) throw new Error(`--${name}: ${JSON.stringify(wrong)} must be a port or first:last`);
  return ranges;
}
