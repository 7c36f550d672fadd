import { compare, difference } from '../judge.ts';
import { normalTarget } from '../normal-form.ts';
import type { ReadRequest, ReadStream } from '../request.ts';

/** What one connection sent. */
export interface Sent {
  /** That stands in its targets, unless a bend took it away. */
  readonly number: string;
  readonly text: string;
  readonly expected: ReadStream;
}

/**
 * Several connections at once, and what came of all of them. Whose number is in all of its targets, and in nobody else's, is compared request
 * by request; of the others, what came must be one of theirs. `before`: the connections of the run before, of which something may come late.
 */
export function compareAll(sent: readonly Sent[], arrived: readonly ReadRequest[], before: readonly Sent[]): string | undefined {
  const unclear = new Set(sent.flatMap(({ number, expected }) => strangeNumbers(expected, number).flatMap((strange) => [number, strange])));
  const clear = sent.filter(({ number }) => !unclear.has(number));
  for (const { number, text, expected } of clear) {
    const fault = compare(expected, arrived.filter(({ target }) => numberOf(target) === number));
    if (fault !== undefined) return `${fault} for ${JSON.stringify(text)}`;
  }
  const numbers = new Set(clear.map(({ number }) => number));
  const others = [...sent, ...before].filter(({ number }) => !numbers.has(number)).flatMap(({ expected }) => expected.requests.filter(({ local }) => !local));
  return findStray(arrived.filter(({ target }) => !numbers.has(numberOf(target))), others);
}

function findStray(arrived: readonly ReadRequest[], sent: readonly ReadRequest[]): string | undefined {
  for (const [target, got] of Map.groupBy(arrived, (each) => each.target)) {
    const possible = sent.filter((each) => normalTarget(each.target) === target);
    const stray = got.find((each) => possible.every((own) => difference(own, each) !== undefined));
    if (stray !== undefined) return `a request of nobody: ${stray.method} ${target}${possible.length === 0 ? '' : ` (${difference(possible[0]!, stray)})`}`;
    if (got.length > possible.length) return `${got.length} requests for ${target}, ${possible.length} were sent`;
  }
  return undefined;
}

/** The numbers in targets of a connection that are not its own; empty for a target that has none. */
function strangeNumbers({ requests }: ReadStream, number: string): readonly string[] {
  return requests.filter(({ local }) => !local).map(({ target }) => numberOf(normalTarget(target) ?? '')).filter((found) => found !== number);
}

function numberOf(target: string): string {
  return /v([0-9]{3})(?![0-9])/.exec(target)?.[1] ?? '';
}
