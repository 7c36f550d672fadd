import { valuesSchema } from './values.ts';

/** The parts of JSON Schema that values.ts uses. */
export interface ValueSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, ValueSchema>>;
}

/** Without typebox's hidden marks. */
export const plainValues = JSON.parse(JSON.stringify(valuesSchema)) as ValueSchema;

/** values.schema.json: strict, and with `global`, which Helm itself gives to every chart. */
export function renderSchema(): string {
  const schema = { $schema: 'http://json-schema.org/draft-07/schema#', title: 'weft', ...withoutRequired(plainValues) };
  const complete = { ...schema, properties: { ...schema.properties, global: { type: 'object' } } };
  return `${JSON.stringify(complete, null, 2)}\n`;
}

/** Helm merges what a user sets with values.yaml before it checks, so nothing is ever missing but what was set to null. */
function withoutRequired(schema: ValueSchema): ValueSchema {
  const { required: _, ...rest } = schema as ValueSchema & { required?: unknown };
  if (rest.properties === undefined) return rest;
  return { ...rest, properties: Object.fromEntries(Object.entries(rest.properties).map(([name, child]) => [name, withoutRequired(child)])) };
}
