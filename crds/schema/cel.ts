import { Environment } from '@marcbachmann/cel-js';
import { isObject } from './record.ts';
import { isAddress, patternOf } from './scalar.ts';

/** Gives the value of an expression for one `self`; throws where CEL has an evaluation error. */
export type Expression = (self: unknown) => unknown;

class FormatLibrary {}
class Format {
  readonly pattern: RegExp;
  readonly longest: number;

  constructor(pattern: RegExp, longest: number) {
    this.pattern = pattern;
    this.longest = longest;
  }
}
class FormatFaults {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    this.faults = faults;
  }
}

const label = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const formats = {
  dns1123Label: new Format(new RegExp(`^${label}$`), 63),
  dns1123Subdomain: new Format(new RegExp(`^${label}(?:\\.${label})*$`), 253),
  dns1035Label: new Format(/^[a-z](?:[-a-z0-9]*[a-z0-9])?$/, 63),
  qualifiedName: new Format(new RegExp(`^(?:(?=[^/]{1,253}/)${label}(?:\\.${label})*/)?(?=[^/]{1,63}$)[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$`), 317),
  labelValue: new Format(/^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/, 63),
};

let shared: Environment | undefined;
const compiled = new Map<string, Expression | undefined>();

/**
 * The compiled expression, or undefined where this CEL library can't evaluate it. Compiled once for all objects.
 * Knows Kubernetes' own functions as far as CRDs of Gateway API use them: isIP, named formats, RE2's `(?i)`.
 */
export function expressionOf(text: string): Expression | undefined {
  if (!compiled.has(text)) compiled.set(text, compile(text));
  return compiled.get(text);
}

function compile(text: string): Expression | undefined {
  try {
    shared ??= environment();
    const parsed = shared.parse(adapted(text));
    return parsed.check().valid ? (self) => parsed({ self }) : undefined;
  } catch {
    return undefined;
  }
}

/** An item of a list on the way to the field: `has(self.matches[0].path)`. */
const hasBelowIndex = /\bhas\(([\w.]*(?:\[\d+\][\w.]*)+)\.(\w+)\)/g;

/**
 * What the library lacks, put in words that it knows: its `matches` makes a new RegExp at every call and knows no flag groups,
 * its `has` takes no index. A string literal with such text would be changed too; no CRD has one.
 */
function adapted(text: string): string {
  return text.replaceAll('.matches(', '.fits(').replaceAll(hasBelowIndex, 'hasField($1, "$2")');
}

function environment(): Environment {
  const env = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false })
    .registerVariable('self', 'dyn')
    .registerFunction('string.fits(string): bool', (text: string, pattern: string) => patternOf(pattern).test(text))
    .registerFunction('hasField(dyn, string): bool', (object: unknown, key: string) => isObject(object) && Object.hasOwn(object, key))
    .registerFunction('isIP(string): bool', isAddress)
    .registerType('FormatLibrary', FormatLibrary)
    .registerType('Format', Format)
    .registerType('FormatFaults', FormatFaults)
    .registerConstant('format', 'FormatLibrary', new FormatLibrary())
    .registerFunction('Format.validate(string): FormatFaults', (format: Format, text: string) => new FormatFaults(faultsOf(format, text)))
    .registerFunction('FormatFaults.hasValue(): bool', (result: FormatFaults) => result.faults.length > 0)
    .registerFunction('FormatFaults.value(): list<string>', (result: FormatFaults) => result.faults);
  for (const [name, format] of Object.entries(formats)) env.registerFunction(`FormatLibrary.${name}(): Format`, () => format);
  return env;
}

function faultsOf(format: Format, text: string): readonly string[] {
  return text.length <= format.longest && format.pattern.test(text) ? [] : [`${text} does not have the form that it needs`];
}
