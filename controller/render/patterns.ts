import { RE2JS } from 're2js';

/** Longest regular expression that is taken, in characters. */
const maxPattern = 1024;
/** Largest program, in instructions: the bound of the data plane, which would not match a larger one. */
const maxProgram = 2000;
const known = new Map<string, string | undefined>();

/** What is wrong with a regular expression (RE2 syntax), or undefined. */
export function patternFault(pattern: string): string | undefined {
  if (pattern.length > maxPattern) return `the regular expression has ${pattern.length} characters; at most ${maxPattern} are taken`;
  if (known.has(pattern)) return known.get(pattern);
  const fault = compileFault(pattern);
  // A bounded memory: compiling is slow, and the same few expressions come with every translation.
  if (known.size >= 10_000) known.clear();
  known.set(pattern, fault);
  return fault;
}

function compileFault(pattern: string): string | undefined {
  try {
    if (RE2JS.compile(pattern).re2().numberOfInstructions() <= maxProgram) return undefined;
    return 'the regular expression repeats too much: its program is too large';
  } catch (error) {
    return `not a regular expression in RE2 syntax: ${error instanceof Error ? error.message : String(error)}`;
  }
}
