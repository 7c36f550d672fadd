import { stringify } from 'yaml';
import { plainValues, type ValueSchema } from './json-schema.ts';

/** values.yaml: every value with its default, and what it means above it. */
export function renderValues(): string {
  return `# Generated from charts/source/values.ts: change it there, then run npm run generate.\n${block(plainValues, '')}`;
}

function block({ properties = {} }: ValueSchema, indent: string): string {
  return Object.entries(properties)
    .map(([name, schema]) => {
      if (schema.default === undefined && schema.properties !== undefined) return `${indent}${name}:\n${block(schema, `${indent}  `)}`;
      const comment = schema.description === undefined ? '' : `${indent}# ${describe(schema)}.\n`;
      const value = stringify({ [name]: schema.default }, { lineWidth: 0 }).trimEnd();
      return `${comment}${value.replaceAll(/^/gm, indent)}\n`;
    })
    .join('');
}

function describe({ description = '', enum: choices }: ValueSchema): string {
  return choices === undefined ? description : `${description}. One of ${choices.join(', ')}`;
}

/** docs/reference/values.md. */
export function renderReference(): string {
  const rows = [...leaves(plainValues, '')].map(([path, schema]) => `| \`${path}\` | ${code(schema.default)} | ${describe(schema).replaceAll('|', '\\|')} |`);
  return ['# Values of the chart `weft`', '', 'Generated from `charts/source/values.ts`. A value that is not in this table is refused.', '', '| value | default | |', '|---|---|---|', ...rows, ''].join('\n');
}

function* leaves({ properties = {} }: ValueSchema, prefix: string): Iterable<readonly [string, ValueSchema]> {
  for (const [name, schema] of Object.entries(properties)) {
    if (schema.default === undefined && schema.properties !== undefined) yield* leaves(schema, `${prefix}${name}.`);
    else yield [`${prefix}${name}`, schema];
  }
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' && value !== '' ? value : JSON.stringify(value)}\``;
}
