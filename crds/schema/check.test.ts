import test from 'ava';
import fc from 'fast-check';
import { formatPath } from '../result.ts';
import { check } from './check.ts';
import { checkRules, unevaluableRules } from './rules.ts';
import type { Schema } from './schema.ts';

const faultsOf = (schema: Schema, raw: unknown): string[] => check(schema, raw, 'refuse').errors.map(({ path, message }) => `${formatPath(path)}: ${message}`);
const object = (properties: Record<string, Schema>, more: Schema = {}): Schema => ({ type: 'object', properties, ...more });

test('each keyword refuses what breaks it, with the path and what to do', (t) => {
  const cases: readonly [Schema, unknown, string][] = [
    [{ type: 'string' }, 5, ': must be a string, but is the number 5; put it in quotes'],
    [{ type: 'string' }, true, ': must be a string, but is the boolean true; put it in quotes'],
    [{ type: 'integer' }, '5', ': must be a number, but is the string "5"; remove the quotes'],
    [{ type: 'integer' }, 1.5, ': must be a whole number, but is the number 1.5'],
    [{ type: 'integer', format: 'int32' }, 2 ** 31, ': must fit in 32 bits'],
    [{ type: 'integer', minimum: 1 }, 0, ': must be at least 1, is 0'],
    [{ type: 'integer', maximum: 9 }, 10, ': must be at most 9, is 10'],
    [{ type: 'integer', multipleOf: 3 }, 10, ': must be a multiple of 3, is 10'],
    [{ type: 'boolean' }, 'yes', ': must be true or false, but is the string "yes"'],
    [{ type: 'object' }, [], ': must be an object, but is a list'],
    [{ type: 'array' }, {}, ': must be a list, but is an object'],
    [{ type: 'array', items: { type: 'string' } }, ['a', null], '[1]: must be a string, but is nothing'],
    [{ type: 'array', minItems: 1 }, [], ': must have at least 1 item, has 0'],
    [{ type: 'array', maxItems: 1 }, [1, 2], ': must have at most 1 item, has 2'],
    [{ type: 'string', minLength: 1 }, '', ': must not be empty'],
    [{ type: 'string', maxLength: 2 }, 'abc', ': must have at most 2 characters, has 3'],
    [{ type: 'string', pattern: '^a+$' }, 'ab', ': "ab" must match ^a+$'],
    [{ type: 'string', format: 'date-time' }, 'today', ': "today" must be a time such as 2026-01-31T12:00:00Z'],
    [{ type: 'string', format: 'ip' }, '1.2.3', ': "1.2.3" must be an IP address'],
    [{ type: 'string', enum: ['Exact', 'Prefix'] }, 'exact', ': must be one of "Exact", "Prefix", but is the string "exact"; did you mean "Exact"?'],
    [object({ a: {} }, { required: ['a'] }), {}, 'a: is required; add it'],
    [object({ matches: {} }), { match: 1 }, 'match: is not a field; did you mean matches?'],
    [object({ a: {} }), { xyz: 1 }, 'xyz: is not a field; remove it, or use one of a'],
    [object({ a: object({ b: { type: 'string' } }) }), { a: { b: 1 } }, 'a.b: must be a string, but is the number 1; put it in quotes'],
    [{ type: 'object', maxProperties: 1, additionalProperties: { type: 'string' } }, { a: '', b: '' }, ': must have at most 1 fields, has 2'],
    [{ type: 'object', additionalProperties: { type: 'string' } }, { 'a/b': 1 }, '["a/b"]: must be a string, but is the number 1; put it in quotes'],
    [{ type: 'array', 'x-kubernetes-list-type': 'set' }, ['a', 'a'], '[1]: repeats item 0: "a" must occur once in the list'],
    [{ 'x-kubernetes-int-or-string': true }, true, ': must be a whole number or a string, but is the boolean true'],
    [{ anyOf: [{ type: 'string' }, { type: 'integer' }] }, true, ': must have one of these forms: [{"type":"string"},{"type":"integer"}]'],
    [{ not: { type: 'string' } }, 'a', ': must not have this form: {"type":"string"}'],
  ];
  for (const [schema, raw, fault] of cases) t.deepEqual(faultsOf(schema, raw), [fault]);
});

test('the keys of a list of objects are compared after defaulting', (t) => {
  const item = object({ name: { type: 'string' }, kind: { type: 'string', default: 'x' } });
  const schema: Schema = { type: 'array', items: item, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name', 'kind'] };
  t.deepEqual(faultsOf(schema, [{ name: 'a' }, { name: 'a', kind: 'y' }]), []);
  t.deepEqual(faultsOf(schema, [{ name: 'a' }, { name: 'a', kind: 'x' }]), ['[1]: repeats item 0: name "a", kind "x" must occur once in the list']);
});

test('defaults come in at every depth, also below a default, and never change the schema or the input', (t) => {
  const schema = object({ list: { type: 'array', default: [{}], items: object({ kind: { type: 'string', default: 'Exact' } }) } });
  const raw = { list: null };
  const { value } = check(schema, raw, 'refuse');
  t.deepEqual(value, { list: [{ kind: 'Exact' }] });
  t.deepEqual(raw, { list: null });
  t.deepEqual(schema.properties?.['list']?.default, [{}]);
});

test('null is absence, unless the field is nullable', (t) => {
  t.deepEqual(check(object({ a: { type: 'string' } }), { a: null }, 'refuse'), { value: {}, errors: [] });
  t.deepEqual(check(object({ a: { type: 'string', nullable: true } }), { a: null }, 'refuse'), { value: { a: null }, errors: [] });
  t.deepEqual(faultsOf(object({ a: { type: 'string' } }, { required: ['a'] }), { a: null }), ['a: is required; add it']);
});

test('lengths count characters, not UTF-16 units', (t) => {
  t.deepEqual(faultsOf({ type: 'string', maxLength: 2 }, '👍👍'), []);
});

test('keys that are special in JavaScript are keys like any other', (t) => {
  const raw: unknown = JSON.parse('{"__proto__": "a", "constructor": "b"}');
  const { value, errors } = check({ type: 'object', additionalProperties: { type: 'string' } }, raw, 'refuse');
  t.deepEqual(errors, []);
  t.is(JSON.stringify(value), '{"__proto__":"a","constructor":"b"}');
  t.is(faultsOf(object({ a: {} }), raw).length, 2);
});

test('an unknown field is an error, left out, or kept, as the caller wants', (t) => {
  const schema = object({ a: {} });
  t.is(check(schema, { b: 1 }, 'refuse').errors.length, 1);
  t.deepEqual(check(schema, { b: 1 }, 'leave-out'), { value: {}, errors: [] });
  t.deepEqual(check(schema, { b: 1 }, 'keep'), { value: { b: 1 }, errors: [] });
});

test('the number of errors is bounded', (t) => {
  t.is(faultsOf({ type: 'array', items: { type: 'string' } }, Array.from({ length: 10_000 }, () => 1)).length, 64);
});

const brokenRules = (schema: Schema, value: unknown): string[] => checkRules(schema, value).map(({ path, message }) => `${formatPath(path)}: ${message}`);
const rule = (text: string, more = {}): Schema => ({ 'x-kubernetes-validations': [{ rule: text, message: 'broken', ...more }] });

test('a broken CEL rule gives its message at the field that has it', (t) => {
  const schema = object({ list: { type: 'array', items: { type: 'string', ...rule("self != 'b'") } } });
  t.deepEqual(brokenRules(schema, { list: ['a', 'b'] }), ['list[1]: broken']);
});

test('CEL sees integers as int, reserved names escaped, and maps unchanged', (t) => {
  const schema = object(
    { n: { type: 'integer' }, namespace: { type: 'string' }, labels: { type: 'object', additionalProperties: { type: 'string' } } },
    rule("self.n * 2 + 1 == 7 && self.__namespace__ == 'x' && self.labels.size() == 1 && self.labels.all(key, key == 'namespace')"),
  );
  t.deepEqual(brokenRules(schema, { n: 3, namespace: 'x', labels: { namespace: 'y' } }), []);
  t.deepEqual(brokenRules(schema, { n: 4, namespace: 'x', labels: { namespace: 'y' } }), [': broken']);
});

test("Kubernetes' functions that CRDs of Gateway API use", (t) => {
  const holds = (text: string, self: unknown): boolean => brokenRules({ type: 'string', ...rule(text) }, self).length === 0;
  t.true(holds('isIP(self)', '10.0.0.1') && holds('isIP(self)', '::1') && !holds('isIP(self)', 'a.example'));
  t.true(holds("self.matches('^(?i)a$')", 'A') && !holds("self.matches('^a$')", 'A'));
  t.true(holds('!format.dns1123Subdomain().validate(self).hasValue()', 'a.b') && !holds('!format.dns1123Subdomain().validate(self).hasValue()', 'A'));
  t.true(holds('!format.qualifiedName().validate(self).hasValue()', 'example.com/A_b') && !holds('!format.qualifiedName().validate(self).hasValue()', 'a/b/c'));
  t.true(holds("duration(self) <= duration('1h')", '60m') && !holds("duration(self) <= duration('1h')", '61m'));
});

test('a rule that fails to evaluate is broken; a rule on transitions is not asked', (t) => {
  t.deepEqual(brokenRules(object({}, rule('self.missing > 1')), {}), [': broken']);
  t.deepEqual(brokenRules(object({}, rule('self == oldSelf')), {}), []);
});

test('messageExpression and fieldPath are heeded', (t) => {
  const schema = object({ a: { type: 'integer' } }, rule('self.a < 3', { messageExpression: "'a is ' + string(self.a)", fieldPath: '.a' }));
  t.deepEqual(brokenRules(schema, { a: 5 }), ['a: a is 5']);
});

test('a rule that the library does not know can be found', (t) => {
  t.deepEqual(unevaluableRules(object({ a: rule('self.frobnicate()') })), ['self.frobnicate()']);
});

test('the check is total, and what it gives passes it again unchanged', (t) => {
  const schema = object({
    name: { type: 'string', minLength: 1 },
    ports: { type: 'array', default: [], items: object({ port: { type: 'integer', default: 80 }, target: { 'x-kubernetes-int-or-string': true } }) },
    labels: { type: 'object', additionalProperties: { type: 'string' } },
  });
  const near = fc.record({ name: fc.oneof(fc.string(), fc.integer()), ports: fc.array(fc.record({ port: fc.oneof(fc.integer(), fc.string()), target: fc.jsonValue() }, { requiredKeys: [] })), labels: fc.dictionary(fc.string(), fc.string()) }, { requiredKeys: [] });
  let passed = 0;
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), near, fc.anything()), (raw) => {
      const first = check(schema, raw, 'leave-out');
      if (first.errors.length > 0) return;
      passed += 1;
      t.deepEqual(check(schema, first.value, 'refuse'), { value: first.value, errors: [] });
    }),
    { numRuns: 300 },
  );
  t.true(passed > 20, `only ${passed} values passed`);
});
