import { RE2JS } from 're2js';

/**
 * Regular expressions that users write: RE2's syntax, matched against the whole value, in time linear in it.
 * https://github.com/google/re2/wiki/Syntax
 */
export type Pattern = (value: string) => boolean;

const longestPattern = 1024;
/** A step costs at most this many instructions; measured, it keeps the worst pattern under 50 ms for a value of 60 KB. */
const largestProgram = 2000;
/** What a pattern may keep to answer faster (re2js allows 8 MiB, times as many patterns as there are routes). */
const automatonBytes = 1 << 20;
/** About 10 KB each; beyond this many a new table compiles its patterns again. */
const cachedPatterns = 16_384;

type Compiled = { readonly ok: true; readonly test: Pattern } | { readonly ok: false; readonly problem: string };

/** Shared by all tables: a new table has mostly the patterns of the one before. */
const compiled = new Map<string, Compiled>();

/** What is wrong with a pattern, undefined where nothing is. */
export function checkPattern(text: string): string | undefined {
  const result = compilePattern(text);
  return result.ok ? undefined : result.problem;
}

/** The pattern's test. A pattern with a problem matches nothing: the control plane has reported it. */
export function patternOf(text: string): Pattern {
  const result = compilePattern(text);
  return result.ok ? result.test : matchesNothing;
}

function matchesNothing(): boolean {
  return false;
}

function compilePattern(text: string): Compiled {
  const known = compiled.get(text);
  if (known !== undefined) compiled.delete(text);
  const result = known ?? compileNew(text);
  // Set again, so that the map's first key is the one that was not asked for the longest time.
  compiled.set(text, result);
  if (compiled.size > cachedPatterns) compiled.delete(compiled.keys().next().value!);
  return result;
}

function compileNew(text: string): Compiled {
  if (text.length > longestPattern) return { ok: false, problem: `the pattern is longer than ${longestPattern} characters` };
  try {
    const expression = RE2JS.compile(text);
    const machine = expression.re2();
    if (machine.numberOfInstructions() > largestProgram) return { ok: false, problem: 'the pattern repeats too much (its program is too large)' };
    return { ok: true, test: testOf(expression) };
  } catch (error) {
    return { ok: false, problem: reasonOf(error) };
  }
}

/** The automaton is made when a value first needs it, which for most patterns of a large table is never. */
function testOf(expression: RE2JS): Pattern {
  let bounded = false;
  return (value) => {
    if (!bounded) {
      const automaton = expression.re2().dfa;
      automaton.maxMem = automaton.stateBudget = automaton.memBudget = automatonBytes;
      bounded = true;
    }
    return expression.testExact(value);
  };
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^error parsing regexp: /, '');
}

/**
 * Characters with which every match begins, as far as that is easy to see; empty where it is not. Lets a search pass over
 * the patterns that can't match a path without running them.
 */
export function literalPrefix(pattern: string): string {
  if (hasTopLevelChoice(pattern)) return '';
  let index = pattern.startsWith('^') ? 1 : 0;
  let text = '';
  for (;;) {
    const char = literalAt(pattern, index);
    if (char === '') return leavesAlone(pattern, index) ? text : text.slice(0, -1);
    text += char;
    index += pattern.charAt(index) === '\\' ? 2 : 1;
  }
}

/** The character that the pattern has at this place if it stands for itself, else the empty text. */
function literalAt(pattern: string, index: number): string {
  const char = pattern.charAt(index);
  if (/[A-Za-z0-9/_~-]/.test(char)) return char;
  const next = pattern.charAt(index + 1);
  return char === '\\' && /[.\-/]/.test(next) ? next : '';
}

/** Whether what stands here can't make the character before it optional. `+(?i){0}` and `\Q\E*` can, so any other sign may. */
function leavesAlone(pattern: string, index: number): boolean {
  const char = pattern.charAt(index);
  return char === '' || '.[$'.includes(char) || (char === '(' && pattern.charAt(index + 1) !== '?');
}

/** Errs towards yes: a `|` in a pattern with classes or quotations counts as a choice. */
function hasTopLevelChoice(pattern: string): boolean {
  if (!pattern.includes('|')) return false;
  if (pattern.includes('[') || pattern.includes('\\Q')) return true;
  let depth = 0;
  for (let index = 0; index < pattern.length; index += 1) {
    const char = pattern.charAt(index);
    if (char === '\\') index += 1;
    else if (char === '(') depth += 1;
    else if (char === ')') depth -= 1;
    else if (char === '|' && depth === 0) return true;
  }
  return false;
}
